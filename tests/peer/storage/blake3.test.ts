import { describe, expect, test } from "bun:test";
import { Blake3, blake3Fault } from "../../../peer/storage/blake3.ts";
import { HAS_BLAKE3 } from "../../support/blake3.ts";
import { Random, randomBytes, utf8 } from "../../support/fixtures.ts";
import { naiveBlake3 } from "../../support/naive-blake3.ts";

/** Digests by length of the content, which is 0, 1, 2, ... 250, 0, 1, ...: from test_vectors.json of BLAKE3's authors. */
const VECTORS: readonly (readonly [number, string])[] = [
  [0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"],
  [1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"],
  [1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"],
  [1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"],
  [1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"],
  [2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a"],
  [2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030"],
  [3073, "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3"],
  [8193, "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b"],
  [31744, "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47"],
  [102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"],
];

function contentOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => at % 251);
}

describe("naiveBlake3", () => {
  test("naiveBlake3 gives the digests that BLAKE3's authors published", () => {
    for (const [length, digest] of VECTORS) {
      expect([length, naiveBlake3(contentOf(length)).toHex()]).toEqual([length, digest]);
    }
  });
});

describe.skipIf(!HAS_BLAKE3)("Blake3", () => {
  test("Blake3 gives the digests that BLAKE3's authors published, one content after the other", () => {
    const hasher = new Blake3();
    for (const [length, digest] of VECTORS) {
      hasher.update(contentOf(length));
      expect([length, hasher.digest().toHex()]).toEqual([length, digest]);
    }
  });

  test("Blake3 agrees with the naive form, in chunks of any length that begin anywhere", () => {
    const hasher = new Blake3();
    const random = new Random(3);
    for (let round = 0; round < 200; round++) {
      const content = randomBytes(round, random.below(20_000)).subarray(random.below(40));
      for (let at = 0; at < content.length; ) {
        const length = random.below(round % 2 === 0 ? 70 : 5000);
        hasher.update(content.subarray(at, at + length));
        at += length;
      }
      expect(hasher.digest().toHex()).toBe(naiveBlake3(content).toHex());
    }
  });

  test("Blake3 keeps two contents apart that are hashed in turn", () => {
    const [one, two] = [new Blake3(), new Blake3()];
    for (const byte of utf8("some content")) {
      one.update(Uint8Array.of(byte));
      two.update(Uint8Array.of(byte ^ 1));
    }
    expect(one.digest().toHex()).toBe(naiveBlake3(utf8("some content")).toHex());
    expect(two.digest().toHex()).not.toBe(one.digest().toHex());
  });
});

describe("blake3Fault", () => {
  test.skipIf(!HAS_BLAKE3)("blake3Fault finds none where the library can be loaded", () => {
    expect(blake3Fault()).toBeUndefined();
  });

  test("blake3Fault says that the library is not installed", () => {
    const fault = blake3Fault(() => {
      throw coded("MODULE_NOT_FOUND", "Cannot find module '@napi-rs/blake-hash'");
    });
    expect(fault).toBe("its library @napi-rs/blake-hash is not installed");
  });

  test("blake3Fault says that the library has no addon for this machine", () => {
    const fault = blake3Fault(() => {
      const cause = coded("MODULE_NOT_FOUND", "Cannot find module './blake.node'");
      throw new Error("Cannot find native binding. npm has a bug", { cause });
    });
    const platform = `${process.platform}-${process.arch}`;
    expect(fault).toBe(`its library @napi-rs/blake-hash has no addon for ${platform} here`);
  });

  test("blake3Fault says what the system says of an addon that it does not open", () => {
    const refused = coded("ERR_DLOPEN_FAILED", "/t/blake.node: file too short");
    for (const thrown of [refused, new Error("Cannot find native binding", { cause: refused })]) {
      const fault = blake3Fault(() => {
        throw thrown;
      });
      expect(fault).toBe(
        "its library @napi-rs/blake-hash cannot be opened (/t/blake.node: file too short)",
      );
    }
  });
});

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
