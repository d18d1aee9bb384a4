import type { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry, PartRun, SpanIndex } from "../../protocol/geometry.ts";
import { RarityOrder } from "./rarity.ts";

/** Which parts to ask for next, and of whom: rarest first, equals at random (which makes the first parts random).
 *
 * Every part is in exactly one of three states: had (written), claimed (asked for, or arrived and not written yet) or
 * free. A span is open while it has a free part. */
export class Picker {
  /** Parts that are written. */
  readonly have: Bitfield;
  readonly #geometry: Geometry;
  /** Parts that are had or claimed. */
  readonly #taken: Bitfield;
  readonly #rarity: RarityOrder;
  readonly #random: (below: number) => number;
  #releases = 0;

  /** @param have owned by the picker from here on
   * @param random an integer from 0 to below - 1 */
  constructor(geometry: Geometry, have: Bitfield, random: (below: number) => number) {
    this.#geometry = geometry;
    this.#random = random;
    this.have = have;
    this.#taken = have.copy();
    this.#rarity = new RarityOrder(geometry.spanCount, random);
    for (const span of geometry.spans()) if (this.#hasFreePart(span)) this.#rarity.open(span);
  }

  get bytesDone(): number {
    return this.#geometry.bytesIn(this.have);
  }

  /** Grows whenever parts become free: who had nothing free before may have now. */
  get releases(): number {
    return this.#releases;
  }

  /** Whether nothing is left to ask anybody for. */
  get isAllClaimed(): boolean {
    return this.#rarity.openCount === 0;
  }

  /** @returns the next run to ask of a holder of `bits`, or undefined when it has nothing that is free */
  pick(bits: Bitfield): PartRun | undefined {
    if (bits.count * FEW_PARTS_FACTOR < bits.length) return this.#pickOfFew(bits);
    for (let rank = 0; rank < this.#rarity.openCount; rank++) {
      const run = this.#freeRun(this.#rarity.at(rank), bits);
      if (run !== undefined) return run;
    }
    return undefined;
  }

  /** @returns the first free run of the run's spans that a holder of `bits` has */
  pickWithin(run: PartRun, bits: Bitfield): PartRun | undefined {
    for (const span of this.#geometry.spansOf(run)) {
      const free = this.#rarity.isOpen(span) ? this.#freeRun(span, bits) : undefined;
      if (free !== undefined) return free;
    }
    return undefined;
  }

  /** The same for a holder of so few parts that looking at those is shorter than looking at the open spans. */
  #pickOfFew(bits: Bitfield): PartRun | undefined {
    let rarest: PartRun | undefined;
    let fewestHolders = Number.POSITIVE_INFINITY;
    let equals = 0;
    for (const span of this.#openSpansOf(bits)) {
      const holders = this.#rarity.holders(span);
      const run = holders <= fewestHolders ? this.#freeRun(span, bits) : undefined;
      if (run === undefined) continue;
      equals = holders < fewestHolders ? 1 : equals + 1;
      fewestHolders = holders;
      // The n-th of equals replaces the one chosen before with a chance of 1 in n: so all have the same.
      if (this.#random(equals) === 0) rarest = run;
    }
    return rarest;
  }

  *#openSpansOf(bits: Bitfield): Generator<SpanIndex> {
    for (const [first, count] of bits.runs(true)) {
      const held = this.#geometry.run(first, count);
      for (const span of held === undefined ? [] : this.#geometry.spansOf(held)) {
        if (this.#rarity.isOpen(span)) yield span;
      }
    }
  }

  /** The run is being asked for. */
  claim(run: PartRun): void {
    this.#taken.setRun(run.first, run.count);
    this.#review(run);
  }

  /** The run is not coming: its parts are free again. */
  release(run: PartRun): void {
    this.#releases++;
    const end = run.first + run.count;
    let part = this.have.next(false, run.first);
    while (part !== undefined && part < end) {
      this.#taken.clear(part);
      part = this.have.next(false, part + 1);
    }
    this.#review(run);
  }

  /** The run is written.
   * @returns whether any part of it is new */
  finish(run: PartRun): boolean {
    const added = this.have.setRun(run.first, run.count);
    this.#taken.setRun(run.first, run.count);
    this.#review(run);
    return added > 0;
  }

  /** Whether any part of the run is still missing. */
  isWanted(run: PartRun): boolean {
    const missing = this.have.next(false, run.first);
    return missing !== undefined && missing < run.first + run.count;
  }

  /** Counts a connection that holds all of the span. */
  countHolder(span: SpanIndex, change: "joined" | "left"): void {
    if (change === "joined") this.#rarity.increment(span);
    else this.#rarity.decrement(span);
  }

  /** @returns whether the bits cover the span */
  coversSpan(bits: Bitfield, span: SpanIndex): boolean {
    return this.holds(bits, this.#geometry.spanRun(span));
  }

  /** @returns whether the bits have every part of the run */
  holds(bits: Bitfield, run: PartRun): boolean {
    if (!bits.has(run.first)) return false;
    const gap = run.count === 1 ? undefined : bits.next(false, run.first);
    return gap === undefined || gap >= run.first + run.count;
  }

  #review(run: PartRun): void {
    for (const span of this.#geometry.spansOf(run)) {
      if (this.#hasFreePart(span)) this.#rarity.open(span);
      else this.#rarity.close(span);
    }
  }

  #hasFreePart(span: SpanIndex): boolean {
    const { first, count } = this.#geometry.spanRun(span);
    const free = this.#taken.next(false, first);
    return free !== undefined && free < first + count;
  }

  /** @returns the first run of free parts of the span that the bits have */
  #freeRun(span: SpanIndex, bits: Bitfield): PartRun | undefined {
    const { first, count } = this.#geometry.spanRun(span);
    if (count === 1)
      return bits.has(first) && !this.#taken.has(first) ? { first, count } : undefined;
    const end = first + count;
    let start = this.#taken.next(false, first) ?? end;
    while (start < end && !bits.has(start)) {
      const held = bits.next(true, start) ?? end;
      start = this.#taken.next(false, held) ?? end;
    }
    if (start >= end) return undefined;
    const after = Math.min(
      end,
      this.#taken.next(true, start) ?? end,
      bits.next(false, start) ?? end,
    );
    return this.#geometry.run(start, after - start);
  }
}

/** A holder of less than one part in so many is looked up by its own parts. */
const FEW_PARTS_FACTOR = 16;
