import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { hkdfSha256, isEqualConstantTime } from "../../protocol/crypto.ts";
import { testCrypto } from "../support/crypto.ts";
import { concat, randomBytes, utf8 } from "../support/fixtures.ts";

/** RFC 4231: key, data and HMAC-SHA-256 of its test cases 1 to 4, 6 and 7. */
const HMAC_VECTORS = [
  {
    key: new Uint8Array(20).fill(0x0b),
    data: utf8("Hi There"),
    mac: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
  },
  {
    key: utf8("Jefe"),
    data: utf8("what do ya want for nothing?"),
    mac: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  },
  {
    key: new Uint8Array(20).fill(0xaa),
    data: new Uint8Array(50).fill(0xdd),
    mac: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
  },
  {
    key: Uint8Array.from({ length: 25 }, (_, at) => at + 1),
    data: new Uint8Array(50).fill(0xcd),
    mac: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
  },
  {
    key: new Uint8Array(131).fill(0xaa),
    data: utf8("Test Using Larger Than Block-Size Key - Hash Key First"),
    mac: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
  },
  {
    key: new Uint8Array(131).fill(0xaa),
    data: utf8(
      "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
    ),
    mac: "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
  },
];

describe("testCrypto", () => {
  for (const [index, vector] of HMAC_VECTORS.entries()) {
    test(`testCrypto.hmacSha256 agrees with RFC 4231, vector ${index + 1}`, () => {
      expect(testCrypto.hmacSha256(vector.key, vector.data).toHex()).toBe(vector.mac);
    });
  }

  test("testCrypto hashes chunks as if they were one", () => {
    const bytes = randomBytes(1, 100);
    const cut = [
      bytes.subarray(0, 1),
      new Uint8Array(0),
      bytes.subarray(1, 64),
      bytes.subarray(64),
    ];
    expect(testCrypto.sha256(...cut)).toEqual(testCrypto.sha256(bytes));
    expect(testCrypto.hmacSha256(bytes, ...cut)).toEqual(testCrypto.hmacSha256(bytes, bytes));
    expect(testCrypto.sha256(utf8("abc")).toHex()).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});

describe("hkdfSha256", () => {
  test("hkdfSha256 gives the first block of RFC 5869, test case 3", () => {
    const secret = new Uint8Array(22).fill(0x0b);
    expect(hkdfSha256(testCrypto, secret, "").toHex()).toBe(
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
    );
  });

  test("hkdfSha256 depends on the secret and on the label", () => {
    const secret = randomBytes(1, 32);
    const keys = [
      hkdfSha256(testCrypto, secret, "a"),
      hkdfSha256(testCrypto, secret, "b"),
      hkdfSha256(testCrypto, randomBytes(2, 32), "a"),
    ];
    expect(new Set(keys.map((key) => key.toHex())).size).toBe(3);
  });

  test("hkdfSha256 is the formula of RFC 5869 for one block", () => {
    const secret = randomBytes(3, 32);
    const extracted = testCrypto.hmacSha256(new Uint8Array(32), secret);
    const expanded = testCrypto.hmacSha256(extracted, concat([utf8("label"), Uint8Array.of(1)]));
    expect(hkdfSha256(testCrypto, secret, "label")).toEqual(expanded);
  });
});

describe("isEqualConstantTime", () => {
  test("isEqualConstantTime agrees with comparing texts", () => {
    const bytes = fc.uint8Array({ maxLength: 4, max: 3 });
    fc.assert(
      fc.property(bytes, bytes, (left, right) => {
        expect(isEqualConstantTime(left, right)).toBe(left.toHex() === right.toHex());
      }),
      { numRuns: 2000 },
    );
  });

  test("isEqualConstantTime sees a single flipped bit anywhere", () => {
    const bytes = randomBytes(5, 32);
    expect(isEqualConstantTime(bytes, bytes.slice())).toBe(true);
    for (let bit = 0; bit < 256; bit++) {
      const other = bytes.slice();
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(isEqualConstantTime(bytes, other)).toBe(false);
    }
  });
});
