import { waitUntil } from "../../support/wait.ts";
import type { Started } from "../client.ts";

/** For programs that want to be told their port, and do not say when they are ready. */

/** @returns a port that was free just now */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** Waits until somebody takes connections at a port.
 * @throws {Error} when the process ends before that, or nobody does in time */
export async function answersAt(port: number, started: Started): Promise<void> {
  let hasEnded = false;
  void started.exited.then(() => {
    hasEnded = true;
  });
  const isThere = async (): Promise<boolean> => {
    if (hasEnded) throw new Error(`The tracker for port ${port} has ended`);
    try {
      const socket = await Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: { data: () => {} },
      });
      socket.end();
      return true;
    } catch {
      return false;
    }
  };
  await waitUntil(isThere, `tracker at port ${port}`);
}
