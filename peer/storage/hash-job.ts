import { readSync } from "node:fs";
import { Geometry, type PartRun } from "../../protocol/geometry.ts";
import { PART_DIGEST_BYTES, type PartAlgorithm } from "../../protocol/part-algorithm.ts";
import { RunHasher } from "./run-hasher.ts";

/** What a hashing thread is asked: to hash some parts of a file. */
export interface HashJob {
  readonly source: HashSource;
  readonly algorithm: PartAlgorithm;
  readonly fileBytes: number;
  readonly partBytes: number;
  readonly run: PartRun;
}

/** Where the parts' bytes are. */
export type HashSource =
  /** In an open file, at their place: a descriptor of the whole process, which stays open until the answer. */
  | { readonly type: "file"; readonly fd: number }
  /** In the memory that the thread was given to share, from an offset on; nobody writes there until the answer. */
  | { readonly type: "memory"; readonly offset: number };

/** What a hashing thread is told. Memory is shared once and not with each job: the engine counts it as newly allocated
 * each time, and collected garbage four hundred times a gigabyte for it. */
export type HashOrder =
  | { readonly type: "share"; readonly memory: SharedArrayBuffer }
  | { readonly type: "hash"; readonly job: HashJob };

/** What it answers. */
export type HashAnswer =
  /** One digest a part, one after the other; fewer than asked for where the file ends early. */
  | { readonly type: "digests"; readonly digests: Uint8Array }
  | { readonly type: "failure"; readonly code: string | undefined; readonly message: string };

const READ_BYTES = 1024 * 1024;

/** Hashes, in the thread that calls it.
 * @param memory what jobs in memory are about
 * @returns the digests, fewer than parts where the file ends early
 * @throws what reading throws */
export function doHashJob(job: HashJob, memory: SharedArrayBuffer): Uint8Array {
  const { source, algorithm, fileBytes, partBytes, run } = job;
  const geometry = new Geometry({ fileBytes, partBytes });
  const digestBytes = PART_DIGEST_BYTES[algorithm];
  const digests = new Uint8Array(run.count * digestBytes);
  let filled = 0;
  const hasher = new RunHasher(geometry, algorithm, [run], (_run, some) => {
    digests.set(some, filled);
    filled += some.length;
  });
  const { offset, length } = geometry.runRange(run);
  if (source.type === "file") hashFile(source.fd, { offset, length }, hasher);
  else hasher.update(new Uint8Array(memory, source.offset, length));
  return digests.subarray(0, filled);
}

function hashFile(
  fd: number,
  range: { readonly offset: number; readonly length: number },
  hasher: RunHasher,
): void {
  const { offset, length } = range;
  const buffer = new Uint8Array(Math.min(READ_BYTES, length));
  for (let at = 0; at < length; ) {
    const bytes = readSync(fd, buffer, 0, Math.min(buffer.length, length - at), offset + at);
    if (bytes === 0) break;
    hasher.update(buffer.subarray(0, bytes));
    at += bytes;
  }
}
