import type { Clock } from "./clock.ts";

/** The mean that is told covers so many whole seconds. */
const MEAN_SECONDS = 10;
/** What `series` tells: so many spans of so many seconds, five minutes together. */
export const SPAN_SECONDS = 5;
export const SPAN_COUNT = 60;
/** One place a second: all spans, and the one that is not over yet. */
const RING_SECONDS = SPAN_SECONDS * (SPAN_COUNT + 1);

/** Counts what the tracker answers, second by second, for the last five minutes. To count costs a look at the clock and an
 * addition; nothing runs between two calls, so that it works where there are no timers. */
export class Activity {
  readonly #clock: Clock;
  readonly #counts = new Uint32Array(RING_SECONDS);
  readonly #firstSecond: number;
  /** The second that is being counted; all later places of the ring are stale. */
  #second: number;
  #total = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#firstSecond = this.#second = Math.floor(clock.now() / 1000);
  }

  /** How many since the start. */
  get total(): number {
    return this.#total;
  }

  /** Takes note of one answer. */
  count(): void {
    this.#goOn();
    const place = this.#second % RING_SECONDS;
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
    this.#total++;
  }

  /** @returns how many a second, the mean of the last ten whole seconds, to a tenth; of fewer right after the start */
  perSecond(): number {
    this.#goOn();
    const seconds = Math.min(MEAN_SECONDS, this.#second - this.#firstSecond);
    if (seconds === 0) return 0;
    return toTenth(this.#sum(this.#second - seconds, seconds) / seconds);
  }

  /** @returns how many a second in each of the last SPAN_COUNT spans that are over, oldest first, to a tenth. Spans begin at
   * round times, so that one that has been told does not change any more. */
  series(): readonly number[] {
    this.#goOn();
    const end = this.#second - (this.#second % SPAN_SECONDS);
    return Array.from({ length: SPAN_COUNT }, (_, at) => {
      const from = end - (SPAN_COUNT - at) * SPAN_SECONDS;
      return toTenth(this.#sum(from, SPAN_SECONDS) / SPAN_SECONDS);
    });
  }

  /** A clock that was set back counts on in the second it had reached. */
  #goOn(): void {
    const second = Math.floor(this.#clock.now() / 1000);
    const stale = Math.min(second - this.#second, RING_SECONDS);
    for (let back = 0; back < stale; back++) this.#counts[(second - back) % RING_SECONDS] = 0;
    this.#second = Math.max(second, this.#second);
  }

  #sum(from: number, seconds: number): number {
    let sum = 0;
    for (let at = from; at < from + seconds; at++) sum += this.#counts[at % RING_SECONDS] ?? 0;
    return sum;
  }
}

function toTenth(value: number): number {
  return Math.round(value * 10) / 10;
}
