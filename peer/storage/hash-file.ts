import { Geometry } from "../../protocol/geometry.ts";
import { PART_DIGEST_BYTES, type PartAlgorithm } from "../../protocol/part-algorithm.ts";
import type { Clock } from "../clock.ts";
import { StorageError } from "../errors.ts";
import { digestRuns, type HashOptions } from "./digest-runs.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { type FileIdentity, isSameIdentity } from "./identity.ts";
import { settledIdentity } from "./settled-identity.ts";

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

/** @returns undefined when the file ends early */
async function hashAll(
  file: DiskFile,
  geometry: Geometry,
  options: HashOptions & { readonly algorithm: PartAlgorithm },
): Promise<Uint8Array | undefined> {
  const digestBytes = PART_DIGEST_BYTES[options.algorithm];
  const partDigests = new Uint8Array(geometry.partCount * digestBytes);
  const whole = geometry.run(0, geometry.partCount);
  const runs = whole === undefined ? [] : [whole];
  let hashed = 0;
  await digestRuns(file, { ...options, geometry, runs }, (run, digests) => {
    partDigests.set(digests, run.first * digestBytes);
    hashed += run.count;
  });
  return hashed === geometry.partCount ? partDigests : undefined;
}
