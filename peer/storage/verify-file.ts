import { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry, PartRun } from "../../protocol/geometry.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { digestRuns, type HashOptions } from "./digest-runs.ts";
import type { DiskFile } from "./disk.ts";
import { firstWrong } from "./first-wrong.ts";

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
  await digestRuns(file, { ...options, geometry, algorithm, runs }, (run, digests) => {
    for (const right of rightRuns(torrent, run, digests)) matching.setRun(right.first, right.count);
  });
  return matching;
}

/** Every run that is asked for, whole: a piece is cut from it while it is read. */
function toRuns(geometry: Geometry, parts: Bitfield): readonly PartRun[] {
  return [...parts.runs(true)].flatMap(([first, count]) => geometry.run(first, count) ?? []);
}

/** The parts that are right, in as few runs as they make. */
function* rightRuns(torrent: Torrent, run: PartRun, digests: Uint8Array): Generator<PartRun> {
  const digestBytes = digests.length / run.count;
  for (let at = 0; at < run.count; ) {
    const rest = { first: torrent.geometry.partAt(run, at), count: run.count - at };
    const wrong = firstWrong(torrent, rest, digests.subarray(at * digestBytes));
    const count = wrong === undefined ? rest.count : wrong - rest.first;
    if (count > 0) yield { first: rest.first, count };
    at += count + 1;
  }
}
