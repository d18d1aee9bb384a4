import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encodeDigestList, readDigestList } from "../../protocol/digest-list.ts";
import { concat, randomBytes, utf8 } from "../support/fixtures.ts";

const CHUNK = 4096;

describe("encodeDigestList", () => {
  test("encodeDigestList writes what JSON.stringify writes of a list of hex strings", () => {
    for (const digestBytes of [20, 32]) {
      for (const count of [0, 1, 2, 3, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7]) {
        const digests = randomBytes(count, count * digestBytes);
        expect(encoded(digests, digestBytes)).toBe(JSON.stringify(toStrings(digests, digestBytes)));
      }
    }
  });

  test("encodeDigestList uses one buffer for all chunks", () => {
    const large = [...encodeDigestList(new Uint8Array(3 * CHUNK * 20), 20)].filter(
      (chunk) => chunk.length > 1,
    );
    expect(large.length).toBe(3);
    expect(new Set(large.map((chunk) => chunk.buffer)).size).toBe(1);
  });
});

describe("readDigestList", () => {
  test("readDigestList reads what encodeDigestList wrote, wherever it stands", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(20, 32),
        fc.integer({ min: 1, max: 50 }),
        fc.integer(),
        fc.nat({ max: 5 }),
        (digestBytes, count, seed, start) => {
          const digests = randomBytes(seed, count * digestBytes);
          const text = encoded(digests, digestBytes);
          const bytes = utf8(`${"x".repeat(start)}${text}]"rest`);
          const end = start + text.length;
          expect(readDigestList(bytes, start)).toEqual({ start, end, count, digestBytes, digests });
        },
      ),
    );
  });

  test("readDigestList takes white space between and digits of either case", () => {
    const digests = randomBytes(1, 60);
    const items = toStrings(digests, 20).map((text) => `"${text.toUpperCase()}"`);
    for (const space of [" ", "\n\t ", "\r\n"]) {
      const text = `[${space}${items.join(`${space},${space}`)}${space}]`;
      expect(readDigestList(utf8(text), 0)).toMatchObject({ count: 3, end: text.length, digests });
    }
    for (const other of ["\u00a0", "\u000b", "\u0000"]) {
      expect(readDigestList(utf8(`[${items.join(`,${other}`)}]`), 0)).toBeUndefined();
    }
  });

  test("readDigestList takes no list that ends early, at whichever byte", () => {
    const text = utf8(encoded(randomBytes(2, 64), 32));
    for (let end = 1; end < text.length; end++)
      expect(readDigestList(text.subarray(0, end), 0)).toBeUndefined();
  });

  test("readDigestList takes no digest with any byte that is no digit, in whichever place", () => {
    const text = utf8(encoded(randomBytes(3, 40), 20));
    for (let at = 1; at < text.length; at++) {
      for (const byte of [0x00, 0x22, 0x2c, 0x2f, 0x3a, 0x40, 0x47, 0x5c, 0x60, 0x67, 0x80, 0xff]) {
        if (text[at] === byte) continue;
        const damaged = Uint8Array.from(text);
        damaged[at] = byte;
        expect(readDigestList(damaged, 0)).toBeUndefined();
      }
    }
  });

  test("readDigestList takes no list without a digest", () => {
    for (const text of ["[]", "[ ]", '[""]', "[", "[1]", `["${"0".repeat(41)}"]`])
      expect(readDigestList(utf8(text), 0)).toBeUndefined();
  });
});

function encoded(digests: Uint8Array, digestBytes: number): string {
  const chunks = Array.from(encodeDigestList(digests, digestBytes), (chunk) => chunk.slice());
  return new TextDecoder().decode(concat(chunks));
}

function toStrings(digests: Uint8Array, digestBytes: number): readonly string[] {
  return Array.from({ length: digests.length / digestBytes }, (_, at) =>
    digests.subarray(at * digestBytes, (at + 1) * digestBytes).toHex(),
  );
}
