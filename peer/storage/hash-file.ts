import { type ByteRange, Geometry, type PartRun } from "../../protocol/geometry.ts";
import { PART_DIGEST_BYTES, type PartAlgorithm } from "../../protocol/torrent.ts";
import type { Clock } from "../clock.ts";
import { StorageError } from "../errors.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { type FileIdentity, isSameIdentity } from "./identity.ts";
import { readAhead } from "./read-ahead.ts";
import { RunHasher } from "./run-hasher.ts";
import { settledIdentity } from "./settled-identity.ts";

export interface HashOptions {
  readonly signal?: AbortSignal | undefined;
  /** @param bytes hashed so far */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** A file's content by its hashes. */
export interface HashedFile {
  /** As it was before, and still was after, the hashing. */
  readonly identity: FileIdentity;
  readonly fileBytes: number;
  /** The digests of all parts one after the other. */
  readonly partDigests: Uint8Array;
}

/** Hashes a file for a new torrent.
 * @param path no link; resolve it first
 * @param options.partBytes 1 to PART_BYTES_MAX
 * @throws {StorageError} missing, denied, not_a_file, changed (while it was read), io; the signal's reason */
export async function hashFile(
  disk: Disk,
  clock: Clock,
  path: string,
  options: HashOptions & { readonly partBytes: number; readonly algorithm: PartAlgorithm },
): Promise<HashedFile> {
  const file = await disk.open(path, "read");
  try {
    if ((await file.facts()).kind !== "file") {
      throw new StorageError("not_a_file", `Cannot hash ${path}: it is no regular file`);
    }
    const identity = await settledIdentity(clock, file, options.signal);
    const fileBytes = Number(identity.size);
    const geometry = new Geometry({ fileBytes, partBytes: options.partBytes });
    const partDigests = await hashAll(file, geometry, options);
    if (partDigests === undefined || !isSameIdentity(identity, (await file.facts()).identity)) {
      throw new StorageError("changed", `Cannot hash ${path}: it changed while it was read`);
    }
    return { identity, fileBytes, partDigests };
  } finally {
    await file.close();
  }
}

/** Where several threads may share the work one day: each would hash a run of parts into its place.
 * @returns undefined when the file ends early */
async function hashAll(
  file: DiskFile,
  geometry: Geometry,
  options: HashOptions & { readonly algorithm: PartAlgorithm },
): Promise<Uint8Array | undefined> {
  const { algorithm } = options;
  const digestBytes = PART_DIGEST_BYTES[algorithm];
  const partDigests = new Uint8Array(geometry.partCount * digestBytes);
  const runs = wholeFile(geometry);
  const hasher = new RunHasher(geometry, algorithm, runs, (part, ended) => {
    partDigests.set(ended.digest(), part * digestBytes);
  });
  const bytes = await hashRuns(file, geometry, hasher, { ...options, runs });
  return bytes === geometry.fileBytes ? partDigests : undefined;
}

function wholeFile(geometry: Geometry): readonly PartRun[] {
  const run = geometry.run(0, geometry.partCount);
  return run === undefined ? [] : [run];
}

/** Reads the runs and feeds the hasher.
 * @returns bytes hashed, fewer than the runs' where the file ends early */
export async function hashRuns(
  file: DiskFile,
  geometry: Geometry,
  hasher: RunHasher,
  options: HashOptions & { readonly runs: Iterable<PartRun> },
): Promise<number> {
  let bytes = 0;
  const use = (piece: Uint8Array): void => {
    hasher.update(piece);
    bytes += piece.length;
    options.onProgress?.(bytes);
  };
  const bytesMax = geometry.fileBytes;
  const { signal } = options;
  return await readAhead(file, toRanges(geometry, options.runs), use, { bytesMax, signal });
}

function* toRanges(geometry: Geometry, runs: Iterable<PartRun>): Generator<ByteRange> {
  for (const run of runs) yield geometry.runRange(run);
}
