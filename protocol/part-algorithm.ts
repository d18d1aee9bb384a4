/** How a torrent's parts are hashed: what `FileInfo.Parts` holds tells it by its length (SPEC.md §1.1). */
export type PartAlgorithm = "sha1" | "sha256";

/** Bytes of one part's digest. */
export const PART_DIGEST_BYTES: Readonly<Record<PartAlgorithm, number>> = { sha1: 20, sha256: 32 };

/** The number that stands for an algorithm in the canonical bytes (SPEC.md §1.2). */
export const ALGORITHM_CODE: Readonly<Record<PartAlgorithm, number>> = { sha1: 1, sha256: 2 };
