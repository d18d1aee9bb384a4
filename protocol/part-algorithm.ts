/** How a torrent's parts are hashed. SHA-1 and SHA-256 are told by the length of what `FileInfo.Parts` holds, BLAKE3, whose
 * digests are as long as those of SHA-256, by `FileInfo.Algorithm` alone (SPEC.md §1). */
export type PartAlgorithm = "sha1" | "sha256" | "blake3";

/** Bytes of one part's digest. */
export const PART_DIGEST_BYTES: Readonly<Record<PartAlgorithm, number>> = {
  sha1: 20,
  sha256: 32,
  blake3: 32,
};

/** The number that stands for an algorithm in the canonical bytes (SPEC.md §1.2). */
export const ALGORITHM_CODE: Readonly<Record<PartAlgorithm, number>> = {
  sha1: 1,
  sha256: 2,
  blake3: 3,
};

/** @returns whether it is the name of an algorithm, as `FileInfo.Algorithm` and `--hash` spell it */
export function isPartAlgorithm(name: unknown): name is PartAlgorithm {
  return typeof name === "string" && Object.hasOwn(PART_DIGEST_BYTES, name);
}
