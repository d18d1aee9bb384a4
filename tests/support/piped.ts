import type { FifoReader } from "./fifo.ts";
import type { PeerProcess } from "./peer-process.ts";
import type { World } from "./world.ts";

/** Downloads into a pipe, and what came out of it. */

/** Reads a pipe to its end, as fast as it comes. */
export async function readPipe(reader: FifoReader): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await reader.take(Number.POSITIVE_INFINITY, (chunk) => chunks.push(Buffer.from(chunk)));
  return Buffer.concat(chunks);
}

/** Downloads into a pipe that is read at once.
 * @returns what came out, and the peer */
export async function piped(
  world: World,
  name: string,
  torrentPath: string,
  args: readonly string[] = [],
): Promise<{ readonly peer: PeerProcess; readonly bytes: Buffer }> {
  const { peer, reader } = await world.pipe(name, torrentPath, args);
  return { peer, bytes: await readPipe(reader) };
}
