import { describe, expect, test } from "bun:test";
import { truncateSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type Random, systemClock } from "../../../peer/clock.ts";
import { createCrypto, PartHasher } from "../../../peer/storage/hash.ts";
import { hashFile } from "../../../peer/storage/hash-file.ts";
import { systemDisk } from "../../../peer/storage/system-disk.ts";
import { verifyFile } from "../../../peer/storage/verify-file.ts";
import { Bitfield } from "../../../protocol/bitfield.ts";
import { PART_ALGORITHMS } from "../../support/blake3.ts";
import { partDigest } from "../../support/crypto.ts";
import { randomBytes } from "../../support/fixtures.ts";
import {
  codeOf,
  failureOf,
  type Sample,
  sample,
  seededRandom,
  tempDir,
  writeSample,
} from "./fixtures.ts";
import { spyDisk } from "./spy-disk.ts";

const MIB = 1024 * 1024;

describe("createCrypto", () => {
  const text = new TextEncoder();

  test("createCrypto hashes as FIPS 180 says, over any cut", () => {
    const crypto = createCrypto();
    const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    expect(crypto.sha256(text.encode("abc")).toHex()).toBe(abc);
    expect(crypto.sha256(text.encode("a"), text.encode(""), text.encode("bc")).toHex()).toBe(abc);
    expect(crypto.sha256().toHex()).toStartWith("e3b0c442");
  });

  test("createCrypto lacks nothing for SHA-1 and SHA-256, nor for BLAKE3 where its library is", () => {
    const crypto = createCrypto();
    for (const algorithm of PART_ALGORITHMS) expect(crypto.lacks(algorithm)).toBeUndefined();
  });

  test("createCrypto makes HMACs as RFC 4231 says (cases 1, 2 and the key longer than a block of case 6)", () => {
    const crypto = createCrypto();
    const one = crypto.hmacSha256(new Uint8Array(20).fill(0x0b), text.encode("Hi There"));
    expect(one.toHex()).toBe("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    const two = crypto.hmacSha256(
      text.encode("Jefe"),
      text.encode("what do ya "),
      text.encode("want for nothing?"),
    );
    expect(two.toHex()).toBe("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    const six = crypto.hmacSha256(
      new Uint8Array(131).fill(0xaa),
      text.encode("Test Using Larger Than Block-Size Key - Hash Key First"),
    );
    expect(six.toHex()).toBe("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  });
});

describe("PartHasher", () => {
  test("PartHasher hashes one part after the other, in any chunks", () => {
    for (const algorithm of PART_ALGORITHMS) {
      const hasher = new PartHasher(algorithm);
      for (const text of [
        "",
        "a",
        "some longer part",
        "more than one chunk of BLAKE3".repeat(50),
      ]) {
        const content = new TextEncoder().encode(text);
        for (const byte of content) hasher.update(Uint8Array.of(byte));
        expect(hasher.digest().toHex()).toBe(partDigest(algorithm, content).toHex());
      }
    }
  });

  test("PartHasher hashes many whole parts at once, small and large, between pieces of others", () => {
    for (const algorithm of PART_ALGORITHMS) {
      const hasher = new PartHasher(algorithm);
      const digestBytes = algorithm === "sha1" ? 20 : 32;
      for (const partBytes of [1, 2, 20, 255, 256, 1000, 4095, 4096, 4097, 9000]) {
        for (const count of [1, 2, 17, 70]) {
          const content = randomBytes(count, count * partBytes);
          const into = new Uint8Array(count * digestBytes);
          hasher.digestAll(content, partBytes, into);
          const expected = Array.from({ length: count }, (_, at) =>
            partDigest(algorithm, content.subarray(at * partBytes, (at + 1) * partBytes)).toHex(),
          );
          expect(into.toHex()).toBe(expected.join(""));
        }
        hasher.update(Uint8Array.of(1, 2));
        hasher.update(Uint8Array.of(3));
        const piecemeal = partDigest(algorithm, Uint8Array.of(1, 2, 3)).toHex();
        expect(hasher.digest().toHex()).toBe(piecemeal);
      }
    }
  });
});

describe("hashFile", () => {
  test("hashFile agrees with a naive reading, for parts of 1 byte to 16 MiB", async () => {
    await using dir = await tempDir();
    for (const [fileBytes, partBytes] of [
      [0, 256],
      [1, 1],
      [1000, 1],
      [9 * MIB + 17, 256],
      [9 * MIB + 17, 3 * MIB + 1],
      [33 * MIB + 5, 16 * MIB],
    ] as const) {
      for (const algorithm of PART_ALGORITHMS) {
        if (fileBytes > 10 * MIB && algorithm === "sha1") continue;
        const from = sample({ fileBytes, partBytes, algorithm });
        const path = await writeSample(dir.path, from);
        const hashed = await hashFile(systemDisk, systemClock, path, { partBytes, algorithm });
        expect(hashed.fileBytes).toBe(fileBytes);
        expect(Buffer.compare(hashed.partDigests, from.torrent.partDigests)).toBe(0);
      }
    }
  }, 30_000);

  test("hashFile tells its progress up to the whole size and can be aborted", async () => {
    await using dir = await tempDir();
    const from = sample({ fileBytes: 9 * MIB, partBytes: MIB });
    const path = await writeSample(dir.path, from);
    const told: number[] = [];
    const options = { partBytes: MIB, algorithm: "sha256" } as const;
    await hashFile(systemDisk, systemClock, path, {
      ...options,
      onProgress: (bytes) => told.push(bytes),
    });
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(told.at(-1)).toBe(9 * MIB);
    const abort = new AbortController();
    const aborted = hashFile(systemDisk, systemClock, path, {
      ...options,
      signal: abort.signal,
      onProgress: () => abort.abort(new Error("enough")),
    });
    expect(String(await failureOf(aborted))).toBe("Error: enough");
  });

  test("hashFile refuses what is no regular file, and a file that changes meanwhile", async () => {
    await using dir = await tempDir();
    const from = sample({ fileBytes: 9 * MIB, partBytes: MIB });
    const path = await writeSample(dir.path, from);
    const options = { partBytes: MIB, algorithm: "sha256" } as const;
    expect(await codeOf(hashFile(systemDisk, systemClock, dir.path, options))).toBe("not_a_file");
    expect(await codeOf(hashFile(systemDisk, systemClock, `${path}.no`, options))).toBe("missing");
    let isChanged = false;
    const changing = spyDisk(systemDisk, {
      after({ op }) {
        if (op !== "read" || isChanged) return;
        isChanged = true;
        truncateSync(path, 5 * MIB);
      },
    });
    expect(await codeOf(hashFile(changing, systemClock, path, options))).toBe("changed");
    expect(isChanged).toBe(true);
  });

  test("hashFile survives a read that fails while another is under way", async () => {
    await using dir = await tempDir();
    const path = await writeSample(dir.path, sample({ fileBytes: 9 * MIB, partBytes: MIB }));
    const failing = spyDisk(systemDisk, {
      before({ op, offset }) {
        if (op === "read" && (offset ?? 0) > 0) throw new Error("EIO");
      },
    });
    const options = { partBytes: MIB, algorithm: "sha256" } as const;
    expect(String(await failureOf(hashFile(failing, systemClock, path, options)))).toContain("EIO");
  });
});

describe("verifyFile", () => {
  test("verifyFile finds exactly the parts that match, in a file of any length", async () => {
    await using dir = await tempDir();
    const random = seededRandom(5);
    for (const partBytes of [1, 7, 256, 1000, 5000]) {
      const from = sample({ fileBytes: 20_000, partBytes, seed: partBytes });
      for (let round = 0; round < 8; round++) {
        const bytes = flipSome(from.content, random);
        const length = round % 2 === 0 ? bytes.length : random.below(bytes.length);
        const path = `${dir.path}/file`;
        await writeFile(path, bytes.subarray(0, length));
        await using file = await openFile(path);
        const found = await verifyFile(from.torrent, file);
        expect([...from.torrent.geometry.parts()].map((part) => found.has(part))).toEqual(
          naiveMatches(from, bytes.subarray(0, length)),
        );
      }
    }
  });

  test("verifyFile looks only at the parts it is asked for", async () => {
    await using dir = await tempDir();
    const from = sample({ fileBytes: 100_000, partBytes: 1000 });
    await using file = await openFile(await writeSample(dir.path, from));
    const parts = new Bitfield(100);
    for (const part of [0, 1, 50, 98, 99]) parts.set(part);
    let bytesRead = 0;
    const found = await verifyFile(from.torrent, file, {
      parts,
      onProgress: (bytes) => {
        bytesRead = bytes;
      },
    });
    expect(found.toBytes()).toEqual(parts.toBytes());
    expect(bytesRead).toBe(5000);
    expect(from.torrent.geometry.bytesIn(parts)).toBe(5000);
  });
});

/** Compares bytes where `verifyFile` compares hashes. */
function naiveMatches({ torrent, content }: Sample, bytes: Uint8Array): boolean[] {
  return [...torrent.geometry.parts()].map((part) => {
    const { offset, length } = torrent.geometry.partRange(part);
    const expected = content.subarray(offset, offset + length);
    return Buffer.compare(bytes.subarray(offset, offset + length), expected) === 0;
  });
}

function flipSome(content: Uint8Array, random: Random): Uint8Array {
  const bytes = content.slice();
  for (let flips = random.below(12); flips > 0; flips--) {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 + random.below(255));
  }
  return bytes;
}

async function openFile(path: string) {
  const file = await systemDisk.open(path, "read");
  return Object.assign(file, { [Symbol.asyncDispose]: () => file.close() });
}
