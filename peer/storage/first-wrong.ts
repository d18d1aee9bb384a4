import type { PartIndex, PartRun } from "../../protocol/geometry.ts";
import { PART_DIGEST_BYTES } from "../../protocol/part-algorithm.ts";
import { expectedDigests, type Torrent } from "../../protocol/torrent.ts";

/** @param digests of the run's parts, one after the other
 * @returns the first part whose digest is not the one that the torrent promises, undefined when all are */
export function firstWrong(
  torrent: Torrent,
  run: PartRun,
  digests: Uint8Array,
): PartIndex | undefined {
  const expected = expectedDigests(torrent, run);
  if (Buffer.compare(digests, expected) === 0) return undefined;
  const at = expected.findIndex((byte, index) => digests[index] !== byte);
  return torrent.geometry.partAt(run, Math.floor(at / PART_DIGEST_BYTES[torrent.algorithm]));
}
