import { assert } from "../../protocol/errors.ts";
import type { SpanIndex } from "../../protocol/geometry.ts";

/** Spans that still want asking for, the rarest first and equals in random order.
 *
 * `#order` holds the open spans in buckets of equal count; `#bucketStart[n]` is where the bucket of those held by n
 * connections begins. A count that changes by one swaps the span to its bucket's edge and moves the edge, so each change
 * costs one swap, and opening or closing a span one swap a bucket above it. */
export class RarityOrder {
  readonly #random: (below: number) => number;
  readonly #order: Uint32Array;
  /** Where a span stands in `#order`, or CLOSED. */
  readonly #position: Uint32Array;
  readonly #holders: Uint16Array;
  readonly #bucketStart: number[] = [0, 0];
  #openCount = 0;

  /** @param random an integer from 0 to below - 1 */
  constructor(spanCount: number, random: (below: number) => number) {
    this.#random = random;
    this.#order = new Uint32Array(spanCount);
    this.#position = new Uint32Array(spanCount).fill(CLOSED);
    this.#holders = new Uint16Array(spanCount);
  }

  /** How many spans are open. */
  get openCount(): number {
    return this.#openCount;
  }

  isOpen(span: SpanIndex): boolean {
    return this.#position[span] !== CLOSED;
  }

  /** @param rank from 0, the rarest, to openCount - 1
   * @returns the open span of that rank, until something changes */
  at(rank: number): SpanIndex {
    assert(rank >= 0 && rank < this.#openCount, "A rank is that of an open span");
    return this.#spanAt(rank);
  }

  /** @returns how many connections were counted as holders */
  holders(span: SpanIndex): number {
    return this.#holders[span] ?? 0;
  }

  /** Takes the span up among those to ask for. */
  open(span: SpanIndex): void {
    if (this.isOpen(span)) return;
    const bucket = this.holders(span);
    this.#growTo(bucket);
    this.#place(span, this.#openCount);
    this.#openCount++;
    for (let above = this.#bucketStart.length - 1; above > bucket; above--) {
      this.#swap(this.#positionOf(span), this.#startOf(above));
      this.#bucketStart[above] = this.#startOf(above) + 1;
    }
    this.#shuffleIn(span, bucket);
  }

  /** Takes the span out. */
  close(span: SpanIndex): void {
    if (!this.isOpen(span)) return;
    for (let above = this.holders(span) + 1; above < this.#bucketStart.length; above++) {
      this.#bucketStart[above] = this.#startOf(above) - 1;
      this.#swap(this.#positionOf(span), this.#startOf(above));
    }
    this.#openCount--;
    this.#swap(this.#positionOf(span), this.#openCount);
    this.#position[span] = CLOSED;
  }

  /** One more connection holds the span. */
  increment(span: SpanIndex): void {
    const bucket = this.holders(span);
    this.#holders[span] = bucket + 1;
    if (!this.isOpen(span)) return;
    this.#growTo(bucket + 1);
    this.#bucketStart[bucket + 1] = this.#startOf(bucket + 1) - 1;
    this.#swap(this.#positionOf(span), this.#startOf(bucket + 1));
    this.#shuffleIn(span, bucket + 1);
  }

  /** One connection less holds the span. */
  decrement(span: SpanIndex): void {
    const bucket = this.holders(span);
    assert(bucket > 0, "Only a counted holder can go");
    this.#holders[span] = bucket - 1;
    if (!this.isOpen(span)) return;
    this.#swap(this.#positionOf(span), this.#startOf(bucket));
    this.#bucketStart[bucket] = this.#startOf(bucket) + 1;
    this.#shuffleIn(span, bucket - 1);
  }

  /** Random ties: the span changes places with any of its bucket. */
  #shuffleIn(span: SpanIndex, bucket: number): void {
    const start = this.#startOf(bucket);
    const end = this.#bucketStart[bucket + 1] ?? this.#openCount;
    this.#swap(this.#positionOf(span), start + this.#random(end - start));
  }

  #growTo(bucket: number): void {
    while (this.#bucketStart.length <= bucket) this.#bucketStart.push(this.#openCount);
  }

  #swap(left: number, right: number): void {
    const moved = this.#spanAt(left);
    this.#place(this.#spanAt(right), left);
    this.#place(moved, right);
  }

  #place(span: SpanIndex, at: number): void {
    this.#order[at] = span;
    this.#position[span] = at;
  }

  #spanAt(at: number): SpanIndex {
    return (this.#order[at] ?? 0) as SpanIndex;
  }

  #positionOf(span: SpanIndex): number {
    return this.#position[span] ?? CLOSED;
  }

  #startOf(bucket: number): number {
    return this.#bucketStart[bucket] ?? this.#openCount;
  }
}

const CLOSED = 0xffffffff;
