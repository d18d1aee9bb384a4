import type { ByteRange, Geometry, PartRun } from "../../protocol/geometry.ts";
import { PART_DIGEST_BYTES, type PartAlgorithm } from "../../protocol/part-algorithm.ts";
import type { DiskFile } from "./disk.ts";
import type { HashJob } from "./hash-job.ts";
import { hashInThreads, threadCount } from "./hash-threads.ts";
import { readAhead } from "./read-ahead.ts";
import { type OnDigests, RunHasher } from "./run-hasher.ts";

export interface HashOptions {
  readonly signal?: AbortSignal | undefined;
  /** @param bytes hashed so far */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** What is to be hashed. */
export interface DigestRequest extends HashOptions {
  readonly geometry: Geometry;
  readonly algorithm: PartAlgorithm;
  /** In ascending order. */
  readonly runs: readonly PartRun[];
}

/** Hashes parts of a file: on all cores when they are worth starting threads for.
 * @param onDigests is given every part's digest once, the runs in any order. Parts beyond the file's end have none
 * @throws {StorageError} denied, io; the signal's reason */
export async function digestRuns(
  file: DiskFile,
  request: DigestRequest,
  onDigests: OnDigests,
): Promise<void> {
  const { geometry, runs } = request;
  const bytes = runs.reduce((sum, run) => sum + geometry.runRange(run).length, 0);
  const isWorthThreads = bytes >= THREADS_BYTES_MIN && threadCount() > 1;
  if (file.fd !== undefined && isWorthThreads) await digestInThreads(file.fd, request, onDigests);
  else await digestHere(file, request, onDigests);
}

async function digestHere(
  file: DiskFile,
  { geometry, algorithm, runs, signal, onProgress }: DigestRequest,
  onDigests: OnDigests,
): Promise<void> {
  const hasher = new RunHasher(geometry, algorithm, runs, onDigests);
  let bytes = 0;
  const use = (piece: Uint8Array): void => {
    hasher.update(piece);
    bytes += piece.length;
    onProgress?.(bytes);
  };
  await readAhead(file, toRanges(geometry, runs), use, { bytesMax: geometry.fileBytes, signal });
}

async function digestInThreads(
  fd: number,
  { geometry, algorithm, runs, signal, onProgress }: DigestRequest,
  onDigests: OnDigests,
): Promise<void> {
  const digestBytes = PART_DIGEST_BYTES[algorithm];
  let bytes = 0;
  const onDone = ({ run }: HashJob, digests: Uint8Array): void => {
    const count = digests.length / digestBytes;
    if (count > 0) onDigests({ first: run.first, count }, digests);
    bytes += geometry.runRange(run).length;
    onProgress?.(bytes);
  };
  await hashInThreads(toJobs(fd, geometry, algorithm, runs), onDone, signal);
}

function* toJobs(
  fd: number,
  geometry: Geometry,
  algorithm: PartAlgorithm,
  runs: readonly PartRun[],
): Generator<HashJob> {
  const { fileBytes, partBytes } = geometry;
  const partsPerJob = Math.max(1, Math.floor(JOB_BYTES / partBytes));
  for (const run of runs) {
    for (let at = 0; at < run.count; at += partsPerJob) {
      const piece = {
        first: geometry.partAt(run, at),
        count: Math.min(partsPerJob, run.count - at),
      };
      yield { source: { type: "file", fd }, algorithm, fileBytes, partBytes, run: piece };
    }
  }
}

function* toRanges(geometry: Geometry, runs: readonly PartRun[]): Generator<ByteRange> {
  for (const run of runs) yield geometry.runRange(run);
}

/** Below this, hashing is over before threads have started. */
const THREADS_BYTES_MIN = 128 * 1024 * 1024;
/** Small enough to share evenly and to show progress, large enough to cost nothing beside the hashing. */
const JOB_BYTES = 16 * 1024 * 1024;
