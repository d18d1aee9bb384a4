import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { createDeadline } from "../deadline.ts";
import { StorageError } from "../errors.ts";
import type { Disk } from "../storage/disk.ts";

/** How runs on one data directory talk: whoever changed the library tells the one that serves it.
 *
 * A Unix socket in a directory that only its owner may enter; what comes in is a request to look at the library again,
 * never a path or a command. */

const SOCKET_NAME = "control.sock";
/** What the system allows in a Unix socket's path, in bytes. */
const SOCKET_PATH_BYTES_MAX = 107;
const REFRESH_PATH = "/refresh";
/** The other may have to hash a file before it can say that it is served. */
const ANSWER_MS_MAX = 600_000;

export interface Control {
  stop(): Promise<void>;
}

/** Takes the wishes of other runs; the data directory's lock must be held.
 * @param stateDir where the socket is put
 * @param refresh looks at the library again
 * @returns undefined where the path is too long for a socket: others then cannot hand over */
export async function listenForControl(
  disk: Disk,
  stateDir: string,
  refresh: () => Promise<void>,
): Promise<Control | undefined> {
  const path = join(stateDir, SOCKET_NAME);
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) return undefined;
  // What a killed run left would keep the name taken.
  await disk.unlink(path);
  const server = Bun.serve({
    unix: path,
    maxRequestBodySize: 1024,
    fetch: async (request) => {
      // No browser has business here.
      if (request.headers.has("origin")) return new Response(undefined, { status: 403 });
      const isRefresh = request.method === "POST" && new URL(request.url).pathname === REFRESH_PATH;
      if (!isRefresh) return new Response(undefined, { status: 404 });
      await refresh();
      return new Response(undefined, { status: 204 });
    },
    error: () => new Response(undefined, { status: 500 }),
  });
  return {
    stop: async () => {
      await server.stop(true);
      await disk.unlink(path);
    },
  };
}

/** @returns whether another run serves this library */
export async function isServedByOther(disk: Disk, stateDir: string): Promise<boolean> {
  if ((await disk.facts(join(stateDir, SOCKET_NAME))) === undefined) return false;
  return await ask(stateDir, "GET", "/", new AbortController().signal).then(
    () => true,
    () => false,
  );
}

/** Tells the run that serves the library to look at it again; resolves when it serves what it found.
 * @throws {StorageError} io: it is gone, or could not */
export async function refreshOther(
  clock: Clock,
  stateDir: string,
  signal: AbortSignal,
): Promise<void> {
  using deadline = createDeadline(clock, ANSWER_MS_MAX, signal);
  const failed = (cause?: unknown) =>
    new StorageError(
      "io",
      "Cannot hand over to the peer that serves this data directory: it does not answer",
      { cause },
    );
  const response = await ask(stateDir, "POST", REFRESH_PATH, deadline.signal).catch(
    (cause: unknown) => {
      signal.throwIfAborted();
      throw failed(cause);
    },
  );
  if (!response.ok) throw failed();
}

function ask(
  stateDir: string,
  method: string,
  path: string,
  signal: AbortSignal,
): Promise<Response> {
  return fetch(`http://localhost${path}`, { method, unix: join(stateDir, SOCKET_NAME), signal });
}
