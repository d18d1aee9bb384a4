import type { PartRun } from "../../protocol/geometry.ts";

/** What came and is right, but is not on the disk yet. */
export class Unwritten {
  readonly #waiting = new Map<number, { readonly run: PartRun; readonly sinceMs: number }>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(run: PartRun, bytes: number, nowMs: number): void {
    this.#bytes += bytes;
    if (!this.#waiting.has(keyOf(run))) this.#waiting.set(keyOf(run), { run, sinceMs: nowMs });
  }

  remove(run: PartRun, bytes: number): void {
    this.#bytes -= bytes;
    this.#waiting.delete(keyOf(run));
  }

  /** The runs that wait. */
  *runs(): Generator<PartRun> {
    for (const { run } of this.#waiting.values()) yield run;
  }

  /** @returns how long the oldest of it has waited, in milliseconds */
  oldestMs(nowMs: number): number {
    // Kept in the order of coming.
    for (const { sinceMs } of this.#waiting.values()) return nowMs - sinceMs;
    return 0;
  }
}

/** A number for each run: first and count are below 2^21. */
function keyOf(run: PartRun): number {
  return run.first * 2 ** 21 + run.count;
}
