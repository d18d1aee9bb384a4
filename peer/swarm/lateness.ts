import { TICK_MS } from "./engine-options.ts";

/** For how long this machine keeps us waiting: ticks come late then, and so does all else that is timed by reading it. */
export class Lateness {
  #tickedAtMs: number | undefined;
  #lateMs = 0;

  /** How late ticks have come lately, in milliseconds; one alone says little. */
  get ms(): number {
    return this.#lateMs;
  }

  /** A tick, due TICK_MS after the one before. */
  onTick(nowMs: number): void {
    const overdueMs = nowMs - (this.#tickedAtMs ?? nowMs) - TICK_MS;
    const lateMs = Math.min(Math.max(overdueMs, 0), LATE_MS_MAX);
    this.#tickedAtMs = nowMs;
    this.#lateMs += (lateMs - this.#lateMs) * GAIN;
  }
}

const GAIN = 0.25;
/** One tick counts for no more: nothing ticks while nobody is connected, or the machine sleeps, and that is not late. */
const LATE_MS_MAX = 120;
