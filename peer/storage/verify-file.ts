import { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry, PartRun } from "../../protocol/geometry.ts";
import { expectedPartDigest, type Torrent } from "../../protocol/torrent.ts";
import { digestRuns, type HashOptions } from "./digest-runs.ts";
import type { DiskFile } from "./disk.ts";

/** Hashes a file's parts and compares them with what the torrent promises. A hole, a file that ends early or one of
 * another content is no error: its parts just do not match.
 * @param options.parts which to look at, all when absent
 * @returns the parts that match
 * @throws {StorageError} denied, io; the signal's reason */
export async function verifyFile(
  torrent: Torrent,
  file: DiskFile,
  options: HashOptions & { readonly parts?: Bitfield } = {},
): Promise<Bitfield> {
  const { geometry, algorithm } = torrent;
  const matching = new Bitfield(geometry.partCount);
  const runs = toRuns(geometry, options.parts ?? Bitfield.full(geometry.partCount));
  await digestRuns(file, { ...options, geometry, algorithm, runs }, (part, digest) => {
    if (isEqual(digest, expectedPartDigest(torrent, part))) matching.set(part);
  });
  return matching;
}

/** Every run that is asked for, whole: a piece is cut from it while it is read. */
function toRuns(geometry: Geometry, parts: Bitfield): readonly PartRun[] {
  return [...parts.runs(true)].flatMap(([first, count]) => geometry.run(first, count) ?? []);
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}
