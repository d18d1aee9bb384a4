import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Bitfield } from "../../protocol/bitfield.ts";
import { Geometry, type PartRun } from "../../protocol/geometry.ts";
import {
  FILE_BYTES_MAX,
  PART_BYTES_MAX,
  PAYLOAD_BYTES_MAX,
  SPAN_BYTES_SMALL,
} from "../../protocol/limits.ts";

/** The same facts by counting, one part after the other. */
function naiveParts(fileBytes: number, partBytes: number): { offset: number; length: number }[] {
  const parts: { offset: number; length: number }[] = [];
  for (let offset = 0; offset < fileBytes; offset += partBytes) {
    parts.push({ offset, length: Math.min(partBytes, fileBytes - offset) });
  }
  return parts;
}

const anyShape = fc.record({
  fileBytes: fc.nat({ max: 3000 }),
  partBytes: fc.integer({ min: 1, max: 400 }),
});

const STRANGE = [
  -1,
  -0,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  -(2 ** 31),
  1.5,
  0.1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  "0",
  "",
  null,
  undefined,
  true,
  false,
  0n,
  [0],
  { valueOf: () => 0 },
];

describe("Geometry", () => {
  test("Geometry cuts a file as counting does", () => {
    fc.assert(
      fc.property(anyShape, (shape) => {
        const geometry = new Geometry(shape);
        const ranges = [...geometry.parts()].map((part) => geometry.partRange(part));
        expect(ranges).toEqual(naiveParts(shape.fileBytes, shape.partBytes));
        expect(geometry.partCount).toBe(ranges.length);
      }),
    );
  });

  test("Geometry gives a run the bytes of its parts", () => {
    fc.assert(
      fc.property(anyShape, fc.nat(), fc.nat(), (shape, from, many) => {
        const geometry = new Geometry(shape);
        const first = from % (geometry.partCount + 2);
        const count = many % (geometry.partCount + 2);
        const inside = naiveParts(shape.fileBytes, shape.partBytes).slice(first, first + count);
        const run = geometry.run(first, count);
        if (run === undefined) {
          expect(inside.length === count && count > 0).toBe(false);
          return;
        }
        expect(inside.length).toBe(count);
        const length = inside.reduce((sum, part) => sum + part.length, 0);
        expect(geometry.runRange(run)).toEqual({ offset: inside[0]?.offset ?? -1, length });
        expect([...geometry.partsOf(run)].map(Number)).toEqual(inside.map((_, at) => first + at));
      }),
    );
  });

  test("Geometry's spans hold every part once and in order", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 5_000_000 }),
        fc.integer({ min: 4096, max: 2 * SPAN_BYTES_SMALL }),
        (fileBytes, partBytes) => {
          const geometry = new Geometry({ fileBytes, partBytes });
          const seen: number[] = [];
          for (const span of geometry.spans()) {
            const run = geometry.spanRun(span);
            const { length } = geometry.runRange(run);
            expect(run.count === 1 || length <= SPAN_BYTES_SMALL).toBe(true);
            for (const part of geometry.partsOf(run)) {
              expect(geometry.spanOf(part)).toBe(span);
              seen.push(part);
            }
          }
          expect(seen).toEqual([...geometry.parts()].map(Number));
        },
      ),
    );
  });

  test("Geometry counts the bytes of a set of parts, the last one's too", () => {
    const geometry = new Geometry({ fileBytes: 1003, partBytes: 100 });
    const parts = new Bitfield(geometry.partCount);
    expect(geometry.bytesIn(parts)).toBe(0);
    parts.set(3);
    expect(geometry.bytesIn(parts)).toBe(100);
    parts.set(10);
    expect(geometry.bytesIn(parts)).toBe(103);
    expect(geometry.bytesIn(Bitfield.full(geometry.partCount))).toBe(1003);
    const empty = new Geometry({ fileBytes: 0, partBytes: 100 });
    expect(empty.bytesIn(new Bitfield(0))).toBe(0);
  });

  test("Geometry makes larger spans for larger files, up to a payload", () => {
    const spanBytes = (fileMib: number) => {
      const geometry = new Geometry({ fileBytes: fileMib * 2 ** 20, partBytes: 1024 });
      return geometry.partsPerSpan * 1024;
    };
    expect([1, 64, 128, 256, 100_000].map(spanBytes)).toEqual(
      [256, 256, 512, 1024, 1024].map((kib) => kib * 1024),
    );
  });

  test("Geometry names the spans of a run, first to last", () => {
    const geometry = new Geometry({ fileBytes: 100 * 65536, partBytes: 65536 });
    expect(geometry.partsPerSpan).toBe(4);
    const spans = (first: number, count: number) => [
      ...geometry.spansOf(geometry.run(first, count) as PartRun),
    ];
    expect(spans(0, 1).map(Number)).toEqual([0]);
    expect(spans(3, 2).map(Number)).toEqual([0, 1]);
    expect(spans(4, 8).map(Number)).toEqual([1, 2]);
    expect(spans(99, 1).map(Number)).toEqual([24]);
  });

  test("Geometry.span gives only spans that exist", () => {
    const geometry = new Geometry({ fileBytes: 10, partBytes: 1 });
    expect(geometry.span(0)).toBe(0 as never);
    for (const index of [1, -1, 0.5, Number.NaN]) expect(geometry.span(index)).toBeUndefined();
  });

  test("SRV-3: Geometry.part gives only parts that exist", () => {
    const geometry = new Geometry({ fileBytes: 1000, partBytes: 256 });
    expect([0, 3].map((index) => geometry.part(index))).toEqual([0, 3] as never[]);
    for (const index of [4, 5, ...STRANGE]) {
      expect([index, geometry.part(index)]).toEqual([index, undefined]);
    }
  });

  test("SRV-3: Geometry.run gives only runs whose parts all exist", () => {
    const geometry = new Geometry({ fileBytes: 1000, partBytes: 256 });
    expect(geometry.run(0, 4)).toEqual({ first: 0, count: 4 } as never);
    for (const strange of STRANGE) {
      expect([strange, geometry.run(strange, 1)]).toEqual([strange, undefined]);
      expect([strange, geometry.run(0, strange)]).toEqual([strange, undefined]);
    }
    for (const [first, count] of [
      [0, 0],
      [0, 5],
      [3, 2],
      [4, 1],
      [1, Number.MAX_SAFE_INTEGER],
    ]) {
      expect([first, count, geometry.run(first, count)]).toEqual([first, count, undefined]);
    }
  });

  test("SRV-3: Geometry of an empty file has no part at all", () => {
    const geometry = new Geometry({ fileBytes: 0, partBytes: 1 });
    expect(geometry.part(0)).toBeUndefined();
    expect(geometry.run(0, 0)).toBeUndefined();
    expect([...geometry.parts(), ...geometry.spans()]).toEqual([]);
  });

  test("Geometry stays exact in the largest file", () => {
    const geometry = new Geometry({ fileBytes: FILE_BYTES_MAX - 1, partBytes: PART_BYTES_MAX });
    const last = geometry.run(geometry.partCount - 1, 1) as PartRun;
    expect(geometry.partCount).toBe(1_048_576);
    expect(geometry.runRange(last)).toEqual({
      offset: FILE_BYTES_MAX - PART_BYTES_MAX,
      length: PART_BYTES_MAX - 1,
    });
    expect(geometry.runRange(geometry.run(0, 1_048_576) as PartRun).length).toBe(
      FILE_BYTES_MAX - 1,
    );
  });

  test("Geometry.isAskable allows one part of any size, and several only up to a payload", () => {
    const small = new Geometry({ fileBytes: 4 * PAYLOAD_BYTES_MAX, partBytes: 1024 });
    const askable = (geometry: Geometry, count: number) =>
      geometry.isAskable(geometry.run(0, count) as PartRun);
    expect(askable(small, 1024)).toBe(true);
    expect(askable(small, 1025)).toBe(false);
    const large = new Geometry({ fileBytes: 4 * PART_BYTES_MAX, partBytes: PART_BYTES_MAX });
    expect(askable(large, 1)).toBe(true);
    expect(askable(large, 2)).toBe(false);
  });

  test("Geometry asserts what its maker must have checked", () => {
    const make = (fileBytes: number, partBytes: number) => () =>
      new Geometry({ fileBytes, partBytes });
    expect(make(-1, 1)).toThrow("A file's size is a whole number");
    expect(make(0.5, 1)).toThrow("A file's size is a whole number");
    expect(make(2 ** 53, 1)).toThrow("A file's size is a whole number");
    expect(make(1, 0)).toThrow("A part has at least one byte");
    expect(make(1, 1.5)).toThrow("A part has at least one byte");
    expect(make(1, PART_BYTES_MAX + 1)).toThrow("A part has at most PART_BYTES_MAX bytes");
  });

  test("Geometry.partAt asserts that the part lies within the run", () => {
    const geometry = new Geometry({ fileBytes: 10, partBytes: 1 });
    const run = geometry.run(2, 3) as PartRun;
    expect([0, 1, 2].map((at) => Number(geometry.partAt(run, at)))).toEqual([2, 3, 4]);
    expect(() => geometry.partAt(run, 3)).toThrow("A run's part lies within it");
    expect(() => geometry.partAt(run, -1)).toThrow("A run's part lies within it");
  });
});
