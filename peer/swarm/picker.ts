import type { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry, PartRun, SpanIndex } from "../../protocol/geometry.ts";
import type { PartOrder } from "./engine-options.ts";
import { RarityOrder } from "./rarity.ts";
import type { Window } from "./window.ts";

/** Which parts to ask for next, and of whom: rarest first, equals at random (which makes the first parts random); or the
 * lowest first, within a window where there is one.
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
  readonly #order: PartOrder;
  readonly #window: Window | undefined;
  /** No part below it is free, or missing. */
  #lowestFree = 0;
  #lowestMissing = 0;

  /** @param have owned by the picker from here on
   * @param random an integer from 0 to below - 1
   * @param options.window of a reader that takes the parts in their order */
  constructor(
    geometry: Geometry,
    have: Bitfield,
    random: (below: number) => number,
    options: {
      readonly order?: PartOrder | undefined;
      readonly window?: Window | undefined;
    } = {},
  ) {
    this.#geometry = geometry;
    this.#order = options.order ?? "rarest";
    this.#window = options.window;
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

  /** Whether what is asked for is bounded by a reader, who takes it in its order. */
  get isWindowed(): boolean {
    return this.#window !== undefined;
  }

  /** @returns whether the run has the first part that is missing, which a reader waits for */
  isHead(run: PartRun): boolean {
    const head = this.#head();
    return run.first <= head && head < run.first + run.count;
  }

  /** @param openRequests without an answer, over all connections
   * @returns whether the window has a place for the run; true where there is none */
  hasPlaceFor(run: PartRun, openRequests: number): boolean {
    if (this.#window === undefined) return true;
    const head = this.#head();
    return this.#window.hasPlace({
      isHead: this.isHead(run),
      isHeadAsked: head < this.#geometry.partCount && this.#taken.has(head),
      open: openRequests,
    });
  }

  /** @returns the next run to ask of a holder of `bits`, or undefined when it has nothing that is free */
  pick(bits: Bitfield): PartRun | undefined {
    if (this.#order === "sequential") return this.#pickLowest(bits);
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

  /** @returns the first part that is missing, or how many there are */
  #head(): number {
    const { partCount } = this.#geometry;
    this.#lowestMissing = this.have.next(false, this.#lowestMissing) ?? partCount;
    return this.#lowestMissing;
  }

  #pickLowest(bits: Bitfield): PartRun | undefined {
    const { partCount } = this.#geometry;
    const end = this.#window?.end ?? partCount;
    this.#lowestFree = this.#taken.next(false, this.#lowestFree) ?? partCount;
    let free: number | undefined = this.#lowestFree;
    while (free !== undefined && free < end) {
      const held = bits.next(true, free);
      const part = held === free ? this.#geometry.part(free) : undefined;
      if (part !== undefined) return this.#freeRun(this.#geometry.spanOf(part), bits, part);
      free = held === undefined ? undefined : this.#taken.next(false, held);
    }
    return undefined;
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
    this.#lowestFree = Math.min(this.#lowestFree, run.first);
    this.#review(run);
  }

  /** The run came and waits to be written; a place in the window is its own until it is taken. */
  keep(run: PartRun): void {
    this.claim(run);
    this.#window?.keep();
  }

  /** A reader took something: there may be more to ask for. */
  onTaken(): void {
    this.#releases++;
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

  /** @returns the first run of free parts of the span that the bits have, from a part of it on */
  #freeRun(span: SpanIndex, bits: Bitfield, from?: number): PartRun | undefined {
    const { first, count } = this.#geometry.spanRun(span);
    if (count === 1)
      return bits.has(first) && !this.#taken.has(first) ? { first, count } : undefined;
    const end = first + count;
    const start = this.#firstFree(bits, from ?? first, end);
    if (start >= end) return undefined;
    const after = Math.min(
      end,
      this.#taken.next(true, start) ?? end,
      bits.next(false, start) ?? end,
    );
    return this.#geometry.run(start, after - start);
  }

  /** @returns the first free part that the bits have, or one at or behind `end` */
  #firstFree(bits: Bitfield, from: number, end: number): number {
    let free = this.#taken.next(false, from) ?? end;
    while (free < end && !bits.has(free))
      free = this.#taken.next(false, bits.next(true, free) ?? end) ?? end;
    return free;
  }
}

/** A holder of less than one part in so many is looked up by its own parts. */
const FEW_PARTS_FACTOR = 16;
