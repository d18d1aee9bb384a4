import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { PartOrder } from "../../../peer/swarm/engine-options.ts";
import { Picker } from "../../../peer/swarm/picker.ts";
import { Window } from "../../../peer/swarm/window.ts";
import { Bitfield } from "../../../protocol/bitfield.ts";
import { Geometry, type PartRun } from "../../../protocol/geometry.ts";
import { SPAN_BYTES_SMALL } from "../../../protocol/limits.ts";
import { Random } from "../../support/fixtures.ts";
import { bitsOf, geometryOf, runOf, spanOf } from "../../support/swarm-fixtures.ts";

/** Four parts to a span, and a last span that is not whole. */
const SMALL_PARTS = new Geometry({
  fileBytes: 38 * (SPAN_BYTES_SMALL / 4) + 5,
  partBytes: SPAN_BYTES_SMALL / 4,
});

function createPicker(
  geometry: Geometry,
  options: { have?: Bitfield; seed?: number; order?: PartOrder; window?: Window } = {},
): Picker {
  const random = new Random(options.seed ?? 1);
  const have = options.have ?? new Bitfield(geometry.partCount);
  return new Picker(geometry, have, (below) => random.below(below), options);
}

function partsOf(run: PartRun): number[] {
  return Array.from({ length: run.count }, (_, at) => run.first + at);
}

interface Change {
  readonly what: "claim" | "release" | "finish";
  readonly holder: readonly number[];
  readonly which: number;
}

/** A picker beside plain lists of what was claimed and had. */
class PickerAndModel {
  readonly #picker: Picker;
  readonly #claimed: PartRun[] = [];
  readonly #had = new Set<number>();

  constructor(seed: number) {
    this.#picker = createPicker(SMALL_PARTS, { seed });
  }

  apply({ what, holder, which }: Change): void {
    if (what === "claim") {
      this.#claim(bitsOf(SMALL_PARTS.partCount, holder));
      return;
    }
    const [run] = this.#claimed.splice(which % Math.max(1, this.#claimed.length), 1);
    if (run === undefined) return;
    if (what === "release") this.#picker.release(run);
    else {
      expect(this.#picker.isWanted(run)).toBe(true);
      expect(this.#picker.finish(run)).toBe(true);
      for (const part of partsOf(run)) this.#had.add(part);
      expect(this.#picker.isWanted(run)).toBe(false);
    }
  }

  check(): void {
    let bytes = 0;
    for (const part of this.#had) bytes += SMALL_PARTS.runRange(runOf(SMALL_PARTS, part)).length;
    expect(this.#picker.bytesDone).toBe(bytes);
    expect(this.#picker.have.count).toBe(this.#had.size);
    const pending = this.#had.size + this.#claimed.flatMap(partsOf).length;
    expect(this.#picker.isAllClaimed).toBe(pending === SMALL_PARTS.partCount);
  }

  #claim(bits: Bitfield): void {
    const run = this.#picker.pick(bits);
    const taken = new Set(this.#claimed.flatMap(partsOf));
    const isFree = (part: number) => bits.has(part) && !taken.has(part) && !this.#had.has(part);
    expect(run === undefined).toBe(![...SMALL_PARTS.parts()].some(isFree));
    if (run === undefined) return;
    for (const part of partsOf(run)) expect(isFree(part)).toBe(true);
    this.#picker.claim(run);
    this.#claimed.push(run);
  }
}

describe("Picker", () => {
  test("Picker keeps every part in exactly one of had, claimed and free", () => {
    const holder = fc.array(fc.nat({ max: SMALL_PARTS.partCount - 1 }), { maxLength: 30 });
    const step = fc.record({
      what: fc.constantFrom("claim" as const, "release" as const, "finish" as const),
      holder,
      which: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(), (changes, seed) => {
        const both = new PickerAndModel(seed);
        for (const change of changes) {
          both.apply(change);
          both.check();
        }
      }),
      { numRuns: 300 },
    );
  });

  test("pick takes small parts by the span, never across two", () => {
    const picker = createPicker(SMALL_PARTS);
    const everything = Bitfield.full(SMALL_PARTS.partCount);
    const runs: PartRun[] = [];
    for (let run = picker.pick(everything); run !== undefined; run = picker.pick(everything)) {
      expect([...SMALL_PARTS.spansOf(run)]).toHaveLength(1);
      picker.claim(run);
      runs.push(run);
    }
    expect(runs).toHaveLength(SMALL_PARTS.spanCount);
    expect(runs.flatMap(partsOf).toSorted((left, right) => left - right)).toEqual(
      [...SMALL_PARTS.parts()].map(Number),
    );
  });

  test("pick asks a holder of half a span for that half only", () => {
    const picker = createPicker(SMALL_PARTS);
    expect(picker.pick(bitsOf(SMALL_PARTS.partCount, [5, 6]))).toEqual(runOf(SMALL_PARTS, 5, 2));
    picker.claim(runOf(SMALL_PARTS, 5, 1));
    expect(picker.pick(bitsOf(SMALL_PARTS.partCount, [5, 6]))).toEqual(runOf(SMALL_PARTS, 6, 1));
  });

  test("pick prefers the rarest, by the short way for holders of few parts as by the long one", () => {
    const geometry = geometryOf(100);
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 3 }), { minLength: 100, maxLength: 100 }),
        fc.uniqueArray(fc.nat({ max: 99 }), { minLength: 1, maxLength: 40 }),
        fc.nat(),
        (holders, parts, seed) => {
          const picker = createPicker(geometry, { seed });
          for (const [span, count] of holders.entries())
            for (let times = 0; times < count; times++)
              picker.countHolder(spanOf(geometry, span), "joined");
          const run = picker.pick(bitsOf(100, parts));
          const rarest = Math.min(...parts.map((part) => holders[part] ?? 0));
          expect(run).toBeDefined();
          expect(parts).toContain(Number(run?.first));
          expect(holders[run?.first ?? 0]).toBe(rarest);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("pick takes equals at random, of a holder of few parts too", () => {
    const geometry = geometryOf(100);
    for (const parts of [[7, 40, 93], [...Array(100).keys()].filter((part) => part % 10 === 3)]) {
      const first = new Set<number>();
      for (let seed = 0; seed < 60; seed++)
        first.add(createPicker(geometry, { seed }).pick(bitsOf(100, parts))?.first ?? -1);
      expect(first).toEqual(new Set(parts));
    }
  });

  test("Picker counts what was there at the start", () => {
    const have = bitsOf(SMALL_PARTS.partCount, [0, 1, 38]);
    const picker = createPicker(SMALL_PARTS, { have });
    expect(picker.bytesDone).toBe(2 * SMALL_PARTS.partBytes + 5);
    expect(picker.pick(bitsOf(SMALL_PARTS.partCount, [0, 1, 38]))).toBeUndefined();
    expect(createPicker(SMALL_PARTS, { have: Bitfield.full(39) }).isAllClaimed).toBe(true);
  });

  test("finish tells what is new from what was had", () => {
    const picker = createPicker(SMALL_PARTS);
    expect(picker.finish(runOf(SMALL_PARTS, 0, 2))).toBe(true);
    expect(picker.finish(runOf(SMALL_PARTS, 0, 2))).toBe(false);
    expect(picker.finish(runOf(SMALL_PARTS, 1, 2))).toBe(true);
    expect(picker.bytesDone).toBe(3 * SMALL_PARTS.partBytes);
  });

  test("pick in order takes the lowest that is free and held, and none beyond the window", () => {
    const held = fc.uniqueArray(fc.nat({ max: 38 }), { maxLength: 39 });
    fc.assert(
      fc.property(held, held, held, fc.nat({ max: 38 }), (parts, claimed, released, first) => {
        const window = new Window(SMALL_PARTS, { places: 3, first });
        const picker = createPicker(SMALL_PARTS, { order: "sequential", window });
        const bits = bitsOf(SMALL_PARTS.partCount, parts);
        for (const part of claimed) {
          picker.claim(runOf(SMALL_PARTS, part));
          picker.pick(bits);
        }
        for (const part of released) picker.release(runOf(SMALL_PARTS, part));
        const isFree = (part: number) => !claimed.includes(part) || released.includes(part);
        const wanted = parts.filter((part) => isFree(part) && part < window.end);
        const run = picker.pick(bits);
        expect(run?.first as number | undefined).toBe(
          wanted.toSorted((left, right) => left - right)[0],
        );
        if (run === undefined) return;
        expect(partsOf(run).every((part) => wanted.includes(part))).toBe(true);
        expect([...SMALL_PARTS.spansOf(run)]).toHaveLength(1);
      }),
      { numRuns: 500 },
    );
  });

  test("coversSpan wants all parts of the span", () => {
    const picker = createPicker(SMALL_PARTS);
    const bits = bitsOf(SMALL_PARTS.partCount, [4, 5, 6, 36, 37, 38]);
    expect(picker.coversSpan(bits, spanOf(SMALL_PARTS, 1))).toBe(false);
    bits.set(7);
    expect(picker.coversSpan(bits, spanOf(SMALL_PARTS, 1))).toBe(true);
    expect(picker.coversSpan(bits, spanOf(SMALL_PARTS, 9))).toBe(true);
  });
});
