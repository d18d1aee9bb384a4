import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Packr } from "msgpackr/pack";
import { isPlainMsgpack, type ScanLimits } from "../../protocol/msgpack-scan.ts";
import { utf8 } from "../support/fixtures.ts";
import { hostileMsgpack } from "../support/hostile-msgpack.ts";

const LIMITS: ScanLimits = { depthMax: 3, itemsMax: 4096, stringBytesMax: 255, binaryBytesMax: 64 };
// The options of protocol/header.ts.
const packr = new Packr({ useRecords: false, moreTypes: false, int64AsType: "number" });

/** Whatever can be said in msgpack without maps and extensions. */
const { plain } = fc.letrec((tie) => ({
  plain: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    fc.oneof(
      fc.integer(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.string({ unit: "grapheme", maxLength: 20 }),
      fc.uint8Array({ maxLength: 64 }),
    ),
    fc.array(tie("plain"), { maxLength: 20 }),
  ),
}));

describe("isPlainMsgpack", () => {
  for (const { name, bytes } of hostileMsgpack) {
    test(`SRV-2: isPlainMsgpack refuses ${name}`, () => {
      expect(isPlainMsgpack(bytes, LIMITS)).toBe(false);
    });
  }

  test("SRV-2: isPlainMsgpack keeps from msgpackr what it would make objects of, or throw at", () => {
    const outcomes = hostileMsgpack.map(({ bytes }) => {
      try {
        const value = packr.unpack(bytes);
        return typeof value === "object" && value !== null && !Array.isArray(value)
          ? value.constructor.name
          : typeof value;
      } catch {
        return "throws";
      }
    });
    for (const danger of ["throws", "Date", "Set", "RegExp", "bigint"]) {
      expect(outcomes).toContain(danger);
    }
  });

  test("isPlainMsgpack accepts whatever msgpackr writes of plain values", () => {
    fc.assert(
      fc.property(plain, (value) => {
        expect(isPlainMsgpack(packr.pack(value), LIMITS)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("isPlainMsgpack refuses every accepted value when a byte is missing or follows", () => {
    fc.assert(
      fc.property(plain, fc.nat(255), (value, extra) => {
        const bytes = packr.pack(value);
        for (let length = 0; length < bytes.length; length++) {
          expect(isPlainMsgpack(bytes.subarray(0, length), LIMITS)).toBe(false);
        }
        expect(isPlainMsgpack(Uint8Array.of(...bytes, extra), LIMITS)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test("isPlainMsgpack allows each limit and not one more", () => {
    const scan = (value: unknown, limits: Partial<ScanLimits>) =>
      isPlainMsgpack(packr.pack(value), { ...LIMITS, ...limits });
    expect(scan([[[1]]], { depthMax: 3 })).toBe(true);
    expect(scan([[[1]]], { depthMax: 2 })).toBe(false);
    expect(scan([[[]]], { depthMax: 2 })).toBe(true);
    expect(scan(5, { depthMax: 0 })).toBe(true);
    expect(scan([1, 2, [3]], { itemsMax: 5 })).toBe(true);
    expect(scan([1, 2, [3]], { itemsMax: 4 })).toBe(false);
    expect(scan("é".repeat(50), { stringBytesMax: 100 })).toBe(true);
    expect(scan("é".repeat(50), { stringBytesMax: 99 })).toBe(false);
    expect(scan(utf8("0123456789"), { binaryBytesMax: 10 })).toBe(true);
    expect(scan(utf8("0123456789"), { binaryBytesMax: 9 })).toBe(false);
  });

  test("isPlainMsgpack knows the length of every scalar", () => {
    const lengths: [code: number, bytes: number][] = [
      [0x00, 0],
      [0x7f, 0],
      [0xe0, 0],
      [0xff, 0],
      [0xc0, 0],
      [0xc2, 0],
      [0xc3, 0],
      [0xca, 4],
      [0xcb, 8],
      [0xcc, 1],
      [0xcd, 2],
      [0xce, 4],
      [0xcf, 8],
      [0xd0, 1],
      [0xd1, 2],
      [0xd2, 4],
      [0xd3, 8],
    ];
    for (const [code, right] of lengths) {
      for (let follow = 0; follow <= 9; follow++) {
        const bytes = new Uint8Array(1 + follow);
        bytes[0] = code;
        expect([code, follow, isPlainMsgpack(bytes, LIMITS)]).toEqual([
          code,
          follow,
          follow === right,
        ]);
      }
    }
  });

  test("isPlainMsgpack looks at a view's own bytes only", () => {
    const bytes = Uint8Array.of(0x91, 0x92, 1, 2, 0x91);
    expect(isPlainMsgpack(bytes.subarray(1, 4), LIMITS)).toBe(true);
    expect(isPlainMsgpack(bytes.subarray(1, 3), LIMITS)).toBe(false);
  });
});
