import type { Geometry, PartRun } from "../../protocol/geometry.ts";

/** What may be asked for when a reader takes the parts in their order and nothing is kept but in memory.
 *
 * A run has a place in memory from the moment it is asked for until the reader has taken it, so whatever arrives finds
 * room at once. The head is the first part that is still missing: all before it can leave, and nothing behind it can.
 * Parts behind it never get the last place, or the memory could fill up with them for good; where there are places
 * enough, one more is left, so that another peer can be asked for the head while the first still owes it. */
export class Window {
  readonly #geometry: Geometry;
  readonly #places: number;
  /** The first part that the reader has not taken. */
  #next: number;
  /** Runs that arrived and were not taken yet. */
  #kept = 0;

  /** @param options.places runs that find room in memory, at least 1
   * @param options.first the first part that the reader wants */
  constructor(geometry: Geometry, options: { readonly places: number; readonly first: number }) {
    this.#geometry = geometry;
    this.#places = options.places;
    this.#next = options.first;
  }

  /** The first part that is too far ahead to be asked for; where a span begins, or the end of the file. */
  get end(): number {
    const { partsPerSpan, partCount } = this.#geometry;
    const spans = Math.floor(this.#next / partsPerSpan) + this.#places;
    return Math.min(spans * partsPerSpan, partCount);
  }

  /** A run arrived and waits for the reader. */
  keep(): void {
    this.#kept++;
  }

  /** The reader has it. */
  take(run: PartRun): void {
    this.#kept--;
    this.#next = Math.max(this.#next, run.first + run.count);
  }

  /** @param asked.open requests without an answer, those that were taken back too
   * @returns whether there is a place for one more run */
  hasPlace(asked: {
    readonly isHead: boolean;
    /** Whether somebody owes the head already. */
    readonly isHeadAsked: boolean;
    readonly open: number;
  }): boolean {
    const free = this.#places - asked.open - this.#kept;
    if (asked.isHead) return free >= 1;
    const spare = this.#places >= PLACES_WITH_SPARE_MIN ? 1 : 0;
    return free > spare + (asked.isHeadAsked ? 0 : 1);
  }
}

/** With fewer places, two runs at a time are worth more than a place to take one over into. */
const PLACES_WITH_SPARE_MIN = 3;
