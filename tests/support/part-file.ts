import { stat } from "node:fs/promises";
import type { Torrent } from "../../protocol/torrent.ts";
import { partDigest } from "./crypto.ts";
import { waitUntil } from "./wait.ts";

/** What a download's work file holds, seen from outside. */

const BLOCK_BYTES = 512;

/** Waits until so many bytes of a sparse file were written; unlike progress that is told, this is now. */
export async function untilWritten(path: string, bytes: number): Promise<void> {
  await waitUntil(async () => {
    const facts = await stat(path).catch(() => undefined);
    return facts !== undefined && facts.blocks * BLOCK_BYTES >= bytes;
  }, `${bytes} bytes written to ${path}`);
}

/** Hashes every part of a file, by code that is not the peer's.
 * @returns bytes in parts that are what the torrent says; 0 when there is no file */
export async function rightBytes(torrent: Torrent, path: string): Promise<number> {
  const file = Bun.file(path);
  const content = (await file.exists()) ? await file.bytes() : new Uint8Array(0);
  const { geometry, algorithm, partDigests } = torrent;
  let bytes = 0;
  for (const part of geometry.parts()) {
    const { offset, length } = geometry.partRange(part);
    const digest = partDigest(algorithm, content.subarray(offset, offset + length));
    const expected = partDigests.subarray(part * digest.length, (part + 1) * digest.length);
    if (Buffer.compare(digest, expected) === 0) bytes += length;
  }
  return bytes;
}
