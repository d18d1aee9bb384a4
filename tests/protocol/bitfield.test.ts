import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Bitfield } from "../../protocol/bitfield.ts";
import { InvariantError } from "../../protocol/errors.ts";
import { Random } from "../support/fixtures.ts";

/** The same set as a list of booleans. */
function naiveRuns(bits: readonly boolean[], value: boolean): [number, number][] {
  const runs: [number, number][] = [];
  for (const [index, bit] of bits.entries()) {
    if (bit !== value) continue;
    const last = runs.at(-1);
    if (last !== undefined && last[0] + last[1] === index) last[1]++;
    else runs.push([index, 1]);
  }
  return runs;
}

function fieldOf(bits: readonly boolean[]): Bitfield {
  const field = new Bitfield(bits.length);
  for (const [index, bit] of bits.entries()) if (bit) field.set(index);
  return field;
}

function bytesOf(bits: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  const digits = bits.map((bit) => (bit ? "1" : "0")).join("");
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = Number.parseInt(digits.slice(at * 8, at * 8 + 8).padEnd(8, "0"), 2);
  }
  return bytes;
}

// Long stretches of one value, so that whole bytes are alike.
const anyBits = fc
  .array(fc.record({ value: fc.boolean(), count: fc.integer({ min: 1, max: 30 }) }), {
    maxLength: 12,
  })
  .map((stretches) =>
    stretches.flatMap(({ value, count }) => new Array<boolean>(count).fill(value)),
  );

describe("Bitfield", () => {
  test("setRun sets what setting each bit sets, and counts what is new", () => {
    const random = new Random(5);
    for (let round = 0; round < 1000; round++) {
      const length = 1 + random.below(200);
      const fast = new Bitfield(length);
      for (let step = 0; step < 4; step++) {
        const first = random.below(length);
        const count = random.below(length - first + 1);
        const slow = fast.copy();
        const added = Array.from({ length: count }, (_, at) => slow.set(first + at));
        expect(fast.setRun(first, count)).toBe(added.filter(Boolean).length);
        expect([fast.toBytes(), fast.count]).toEqual([slow.toBytes(), slow.count]);
      }
    }
    expect(() => new Bitfield(8).setRun(1, 8)).toThrow(InvariantError);
  });

  test("Bitfield agrees with a list of booleans on everything it tells", () => {
    fc.assert(
      fc.property(anyBits, (bits) => {
        const field = fieldOf(bits);
        expect(bits.map((_, index) => field.has(index))).toEqual(bits);
        expect(field.count).toBe(bits.filter(Boolean).length);
        expect(field.isFull).toBe(bits.every(Boolean));
        expect(field.isEmpty).toBe(!bits.some(Boolean));
        expect(field.toBytes()).toEqual(bytesOf(bits));
        for (const value of [true, false]) {
          expect([...field.runs(value)].map(([first, count]) => [first, count])).toEqual(
            naiveRuns(bits, value),
          );
          for (let from = -1; from <= bits.length + 1; from++) {
            const expected = bits.indexOf(value, Math.max(0, from));
            expect(field.next(value, from)).toBe(expected < 0 ? undefined : expected);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test("Bitfield follows any sequence of set and clear", () => {
    for (let seed = 0; seed < 50; seed++) {
      const random = new Random(seed);
      const bits = new Array<boolean>(1 + random.below(70)).fill(false);
      const field = new Bitfield(bits.length);
      for (let step = 0; step < 200; step++) {
        const index = random.below(bits.length);
        const value = random.below(2) === 0;
        const changed = value ? field.set(index) : field.clear(index);
        expect(changed).toBe(bits[index] !== value);
        bits[index] = value;
        expect(field.count).toBe(bits.filter(Boolean).length);
      }
      expect(field.toBytes()).toEqual(bytesOf(bits));
    }
  });

  test("Bitfield.parse gives back what toBytes wrote, as a copy", () => {
    fc.assert(
      fc.property(anyBits, (bits) => {
        const bytes = bytesOf(bits);
        const field = Bitfield.parse(bits.length, bytes);
        expect(field?.count).toBe(bits.filter(Boolean).length);
        bytes.fill(0xff);
        expect(field?.toBytes()).toEqual(bytesOf(bits));
      }),
    );
  });

  test("Bitfield.parse refuses a short one, a long one and any spare bit", () => {
    for (let length = 0; length <= 33; length++) {
      const bytes = Bitfield.full(length).toBytes();
      expect(Bitfield.parse(length, bytes)?.isFull).toBe(true);
      expect(Bitfield.parse(length, new Uint8Array(bytes.length + 1))).toBeUndefined();
      if (bytes.length > 0) expect(Bitfield.parse(length, bytes.subarray(1))).toBeUndefined();
      for (let spare = length; spare < bytes.length * 8; spare++) {
        const broken = bytes.slice();
        broken[spare >> 3] = (broken[spare >> 3] ?? 0) | (0x80 >> (spare & 7));
        expect([spare, Bitfield.parse(length, broken)]).toEqual([spare, undefined]);
      }
    }
  });

  test("Bitfield.full has every bit and no spare one", () => {
    for (const length of [0, 1, 7, 8, 9, 1000]) {
      const field = Bitfield.full(length);
      expect(field.count).toBe(length);
      expect(field.toBytes()).toEqual(bytesOf(new Array<boolean>(length).fill(true)));
      expect(field.next(false, 0)).toBeUndefined();
    }
  });

  test("Bitfield.copy shares nothing with its origin", () => {
    const field = fieldOf([true, false, true]);
    const copy = field.copy();
    copy.set(1);
    field.clear(0);
    expect([...copy.runs(true)]).toEqual([[0, 3]]);
    expect([...field.runs(true)]).toEqual([[2, 1]]);
    expect([copy.count, field.count]).toEqual([3, 1]);
  });

  test("Bitfield asserts that a bit lies within it", () => {
    const field = new Bitfield(9);
    for (const index of [-1, 9, 15, 16]) {
      expect(() => field.has(index)).toThrow("A bit lies within its bitfield");
      expect(() => field.set(index)).toThrow("A bit lies within its bitfield");
      expect(() => field.clear(index)).toThrow("A bit lies within its bitfield");
    }
    expect(() => new Bitfield(-1)).toThrow("A bitfield has a whole number of bits");
    expect(() => new Bitfield(1.5)).toThrow("A bitfield has a whole number of bits");
  });
});
