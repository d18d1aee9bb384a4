import type { PartAlgorithm } from "./part-algorithm.ts";

/** The hashing that the protocol needs and, being pure, is handed: SPEC.md §1.2 and §2.3 name where. */
export interface Crypto {
  /** @returns 32 bytes: SHA-256 over the chunks in order */
  sha256(...chunks: readonly Uint8Array[]): Uint8Array;
  /** @returns 32 bytes: HMAC-SHA-256 over the chunks in order */
  hmacSha256(key: Uint8Array, ...chunks: readonly Uint8Array[]): Uint8Array;
  /** Parts are hashed elsewhere, but a torrent whose parts nobody here can hash must not even be read.
   * @returns what this machine lacks to hash parts so, in words for its user; undefined when it lacks nothing */
  lacks(algorithm: PartAlgorithm): string | undefined;
}

const HASH_BYTES = 32;

/** HKDF-SHA-256 (RFC 5869) with no salt, for one block of output.
 * @returns 32 bytes */
export function hkdfSha256(crypto: Crypto, secret: Uint8Array, info: string): Uint8Array {
  const pseudoRandomKey = crypto.hmacSha256(new Uint8Array(HASH_BYTES), secret);
  return crypto.hmacSha256(pseudoRandomKey, new TextEncoder().encode(info), Uint8Array.of(1));
}

/** Compares in a time that depends on the lengths only. */
export function isEqualConstantTime(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let at = 0; at < left.length; at++) difference |= (left[at] ?? 0) ^ (right[at] ?? 0);
  return difference === 0;
}
