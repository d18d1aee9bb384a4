import { CryptoHasher } from "bun";
import type { Crypto } from "../../protocol/crypto.ts";
import type { PartAlgorithm } from "../../protocol/part-algorithm.ts";
import { naiveBlake3 } from "./naive-blake3.ts";

/** The real hashing, for tests of protocol/, which is handed its hashing. */
export const testCrypto: Crypto = {
  sha256(...chunks) {
    return digest(new CryptoHasher("sha256"), chunks);
  },
  hmacSha256(key, ...chunks) {
    return digest(new CryptoHasher("sha256", key), chunks);
  },
  lacks() {
    return undefined;
  },
};

/** Hashes a part by code that is not the peer's. */
export function partDigest(algorithm: PartAlgorithm, content: Uint8Array): Uint8Array {
  if (algorithm === "blake3") return naiveBlake3(content);
  return digest(new CryptoHasher(algorithm), [content]);
}

function digest(hasher: CryptoHasher, chunks: readonly Uint8Array[]): Uint8Array {
  for (const chunk of chunks) hasher.update(chunk);
  return new Uint8Array(hasher.digest());
}
