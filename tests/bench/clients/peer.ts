import { join } from "node:path";
import type { Client, Leecher, Scene, Started, Swarm } from "../client.ts";

/** This project, from source or, where PEER_CMD and TRACKER_CMD name them, as executables. */

const ROOT = join(import.meta.dir, "../../..");
const PEER = commandOf(process.env.PEER_CMD, "peer/index.ts");
const TRACKER = commandOf(process.env.TRACKER_CMD, "tracker/index.ts");

/** @param flags for both sides, such as `--transport plain` */
export function createPeerClient(name: string, flags: readonly string[]): Client {
  return {
    name,
    settings: `${PEER.length === 1 ? "executable" : "from source"} ${flags.join(" ")}`.trim(),
    version: async () => (await Bun.$`${PEER} version`.text()).trim(),
    start: (scene) => start(scene, flags),
  };
}

async function start(scene: Scene, flags: readonly string[]): Promise<Swarm> {
  const { directory, file, partBytes } = scene;
  const tracker = spawn([
    ...TRACKER,
    "127.0.0.1",
    "0",
    "--db",
    `file:${join(directory, "tracker.db")}`,
  ]);
  const url = await match(tracker.process.stderr, /listening on (http:\S+)/);
  const torrent = join(directory, "torrent.json");
  const common = (who: string) => ["--tracker", url, "--data-dir", join(directory, who), ...flags];
  const upload = ["upload", file, torrent, "--part-size", String(partBytes), ...common("seeder")];
  const seeder = spawn([...PEER, ...upload]);
  await match(seeder.process.stdout, /SUCCESSFUL UPLOAD/);
  return {
    seeder,
    startLeecher: (n) => startLeecher(n, torrent, directory, common(`leecher${n}`)),
    stop: async () => {
      await seeder.stop();
      await tracker.stop();
    },
  };
}

/** It goes on serving, as the others' leechers do. */
function startLeecher(
  n: number,
  torrent: string,
  directory: string,
  common: readonly string[],
): Leecher {
  const target = join(directory, `file${n}`);
  const started = spawn([...PEER, "download", torrent, target, "--serve", ...common]);
  const done = match(started.process.stdout, /SUCCESSFUL DOWNLOAD/).then(() => undefined);
  return { ...started, target, done };
}

function commandOf(executable: string | undefined, source: string): readonly string[] {
  return executable === undefined ? [process.execPath, join(ROOT, source)] : [executable];
}

function spawn(command: readonly string[]) {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const stop = async () => {
    child.kill();
    await child.exited;
  };
  return { pid: child.pid, exited: child.exited, stop, process: child } satisfies Started & {
    process: unknown;
  };
}

/** Reads until the pattern shows, and goes on draining behind it.
 * @returns its first group, or all of it */
async function match(stream: ReadableStream<Uint8Array>, pattern: RegExp): Promise<string> {
  const found = Promise.withResolvers<string>();
  const read = async () => {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of stream) {
      text = (text + decoder.decode(chunk, { stream: true })).slice(-10_000);
      const hit = pattern.exec(text);
      if (hit !== null) found.resolve(hit[1] ?? hit[0]);
    }
    found.reject(new Error(`Ended without ${pattern}: ${text}`));
  };
  read().catch(found.reject);
  return await found.promise;
}
