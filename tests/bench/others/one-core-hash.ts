import { openSync, readSync } from "node:fs";

/** usage: one-core-hash.ts FILE PART_BYTES: hashes each part with SHA-256 in one thread, as plainly as it can be done. */

const [path = "", partBytes = "1048576"] = process.argv.slice(2);
const file = openSync(path, "r");
const part = new Uint8Array(Number(partBytes));
const hasher = new Bun.CryptoHasher("sha256");
const digest = new Uint8Array(64);
for (;;) {
  const bytes = readSync(file, part);
  if (bytes === 0) break;
  hasher.update(part.subarray(0, bytes));
  hasher.digest(digest);
}
