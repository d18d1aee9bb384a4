import { TICK_MS } from "./engine-options.ts";

/** Whether this machine keeps us waiting: ticks come late then, and so does all else that is timed by reading it. */
export class Lateness {
  #tickedAtMs: number | undefined;
  #lateMs = 0;

  /** Whether ticks have come late for some time; once is nothing. */
  get isLate(): boolean {
    return this.#lateMs >= LATE_MS;
  }

  /** A tick, due TICK_MS after the one before. */
  onTick(nowMs: number): void {
    const lateMs = Math.max(nowMs - (this.#tickedAtMs ?? nowMs) - TICK_MS, 0);
    this.#tickedAtMs = nowMs;
    this.#lateMs += (lateMs - this.#lateMs) * GAIN;
  }
}

const LATE_MS = 10;
const GAIN = 0.25;
