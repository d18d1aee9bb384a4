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
    const lateMs = Math.max(nowMs - (this.#tickedAtMs ?? nowMs) - TICK_MS, 0);
    this.#tickedAtMs = nowMs;
    this.#lateMs += (lateMs - this.#lateMs) * GAIN;
  }
}

const GAIN = 0.25;
