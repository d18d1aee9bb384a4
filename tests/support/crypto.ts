import { CryptoHasher } from "bun";
import type { Crypto } from "../../protocol/crypto.ts";

/** The real hashing, for tests of protocol/, which is handed its hashing. */
export const testCrypto: Crypto = {
  sha256(...chunks) {
    return digest(new CryptoHasher("sha256"), chunks);
  },
  hmacSha256(key, ...chunks) {
    return digest(new CryptoHasher("sha256", key), chunks);
  },
};

function digest(hasher: CryptoHasher, chunks: readonly Uint8Array[]): Uint8Array {
  for (const chunk of chunks) hasher.update(chunk);
  return new Uint8Array(hasher.digest());
}
