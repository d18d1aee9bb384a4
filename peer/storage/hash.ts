import type { Crypto } from "../../protocol/crypto.ts";
import type { PartIndex } from "../../protocol/geometry.ts";
import { PART_DIGEST_BYTES, type PartAlgorithm } from "../../protocol/part-algorithm.ts";
import type { Torrent } from "../../protocol/torrent.ts";
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
}

/** By the runtime's own code. */
class RuntimeHasher implements Hasher {
  readonly #hasher: Bun.CryptoHasher;
  readonly #buffer = new Uint8Array(DIGEST_BUFFER_BYTES);
  readonly #digest: Uint8Array;

  constructor(algorithm: "sha1" | "sha256") {
    this.#hasher = new Bun.CryptoHasher(algorithm);
    this.#digest = this.#buffer.subarray(0, PART_DIGEST_BYTES[algorithm]);
  }

  update(chunk: Uint8Array): void {
    this.#hasher.update(chunk);
  }

  digest(): Uint8Array {
    this.#hasher.digest(this.#buffer);
    return this.#digest;
  }
}

/** Hashes one part after the other; about a microsecond a part beyond the hashing itself. */
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

  /** Ends the part as `digest` does.
   * @returns whether its bytes are those that the torrent promises */
  endsAs(torrent: Torrent, part: PartIndex): boolean {
    const digest = this.digest();
    const expected = torrent.partDigests;
    const start = part * digest.length;
    for (let at = 0; at < digest.length; at++) {
      if (digest[at] !== expected[start + at]) return false;
    }
    return true;
  }
}
