import type { Clock, SleepOptions } from "../../peer/clock.ts";

/** A clock of a peer that stands still until it is told to go on. */
export class FakeClock implements Clock {
  /** What reading it takes. */
  readingMs = 0;
  /** How much too early it wakes a sleeper, as real timers do by a part of a millisecond. */
  earlyMs = 0;
  #nowMs: number;
  readonly #sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>();

  constructor(nowMs = 1_000_000) {
    this.#nowMs = nowMs;
  }

  /** How many wait. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    this.#nowMs += this.readingMs;
    return this.#nowMs;
  }

  /** @throws {RangeError} when it is asked for less than nothing, of which the real one warns the user */
  sleep(ms: number, options: SleepOptions = {}): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`Nobody sleeps for ${ms} ms`);
    const { signal } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const sleeper = { untilMs: this.#nowMs + ms - this.earlyMs, wake: resolve };
      this.#sleepers.add(sleeper);
      const onAbort = () => {
        if (this.#sleepers.delete(sleeper)) reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Goes on, from one sleeper's time to the next, and lets each do what it woke up for.
   * @param settle resolves when that is done */
  async advance(ms: number, settle: () => Promise<void> = turn): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (let next = this.#nextUntil(endMs); next !== undefined; next = this.#nextUntil(endMs)) {
      this.#nowMs = Math.max(next, this.#nowMs);
      for (const sleeper of [...this.#sleepers]) {
        if (sleeper.untilMs <= this.#nowMs && this.#sleepers.delete(sleeper)) sleeper.wake();
      }
      await settle();
    }
    this.#nowMs = endMs;
  }

  #nextUntil(endMs: number): number | undefined {
    let next: number | undefined;
    for (const { untilMs } of this.#sleepers) {
      if (untilMs <= endMs && (next === undefined || untilMs < next)) next = untilMs;
    }
    return next;
  }
}

/** Lets everything run that is ready to. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
