import type { Crypto } from "../../protocol/crypto.ts";
import { PART_DIGEST_BYTES, type PartAlgorithm } from "../../protocol/part-algorithm.ts";
import { Blake3, blake3Fault } from "./blake3.ts";

/** Bun's hasher writes into nothing smaller, whatever the digest's length. */
const DIGEST_BUFFER_BYTES = 64;

/** @returns the protocol's hashing, done by the runtime's own code */
export function createCrypto(): Crypto {
  return {
    sha256: (...chunks) => digestOf(new Bun.CryptoHasher("sha256"), chunks),
    hmacSha256: (key, ...chunks) => digestOf(new Bun.CryptoHasher("sha256", key), chunks),
    lacks: (algorithm) => (algorithm === "blake3" ? blake3Fault() : undefined),
  };
}

function digestOf(hasher: Bun.CryptoHasher, chunks: readonly Uint8Array[]): Uint8Array {
  for (const chunk of chunks) hasher.update(chunk);
  return new Uint8Array(hasher.digest());
}

/** What hashes one content after the other. */
interface Hasher {
  update(chunk: Uint8Array): void;
  /** @returns valid until the next call */
  digest(): Uint8Array;
  /** @returns the digest of a whole content, valid until the next call of any kind */
  digestOf(content: Uint8Array): Uint8Array;
}

/** By the runtime's own code. */
class RuntimeHasher implements Hasher {
  readonly #hasher: Bun.CryptoHasher;
  readonly #atOnce: typeof Bun.SHA1 | typeof Bun.SHA256;
  readonly #buffer = new Uint8Array(DIGEST_BUFFER_BYTES);
  readonly #digest: Uint8Array;

  constructor(algorithm: "sha1" | "sha256") {
    this.#hasher = new Bun.CryptoHasher(algorithm);
    this.#atOnce = algorithm === "sha1" ? Bun.SHA1 : Bun.SHA256;
    this.#digest = this.#buffer.subarray(0, PART_DIGEST_BYTES[algorithm]);
  }

  update(chunk: Uint8Array): void {
    this.#hasher.update(chunk);
  }

  digest(): Uint8Array {
    this.#hasher.digest(this.#buffer);
    return this.#digest;
  }

  digestOf(content: Uint8Array): Uint8Array {
    this.#atOnce.hash(content, this.#digest);
    return this.#digest;
  }
}

/** Parts of fewer bytes are hashed where they have been moved to: a view on each would take as long as hashing it, and a
 * million of them fill the memory faster than they are collected. */
const SMALL_PART_BYTES = 4096;
const WINDOW_BYTES = 4 * SMALL_PART_BYTES;

/** Hashes one part after the other. */
export class PartHasher {
  readonly #hasher: Hasher;

  /** @param algorithm one that this machine can do: `Crypto.lacks` says which, and no torrent of another can be read */
  constructor(algorithm: PartAlgorithm) {
    this.#hasher = algorithm === "blake3" ? new Blake3() : new RuntimeHasher(algorithm);
  }

  /** @param chunk the part's next bytes; not kept */
  update(chunk: Uint8Array): void {
    this.#hasher.update(chunk);
  }

  /** Ends the part; the next `update` begins another.
   * @returns its digest, valid until the next call */
  digest(): Uint8Array {
    return this.#hasher.digest();
  }

  /** Hashes parts that are whole, one after the other.
   * @param parts the bytes of all, each of `partBytes`; not kept
   * @param into room for a digest of each */
  digestAll(parts: Uint8Array, partBytes: number, into: Uint8Array): void {
    if (partBytes < SMALL_PART_BYTES) this.#digestSmall(parts, partBytes, into);
    else {
      for (let at = 0, filled = 0; at < parts.length; at += partBytes) {
        const digest = this.#hasher.digestOf(parts.subarray(at, at + partBytes));
        into.set(digest, filled);
        filled += digest.length;
      }
    }
  }

  #digestSmall(parts: Uint8Array, partBytes: number, into: Uint8Array): void {
    const pieceBytes = Math.floor(WINDOW_BYTES / partBytes) * partBytes;
    const window = new Uint8Array(pieceBytes + partBytes);
    const part = window.subarray(pieceBytes);
    let filled = 0;
    for (let from = 0; from < parts.length; from += pieceBytes) {
      const piece = parts.subarray(from, from + pieceBytes);
      window.set(piece);
      for (let at = 0; at < piece.length; at += partBytes) {
        window.copyWithin(pieceBytes, at, at + partBytes);
        const digest = this.#hasher.digestOf(part);
        into.set(digest, filled);
        filled += digest.length;
      }
    }
  }
}
