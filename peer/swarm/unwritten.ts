import type { PartIndex, PartRun } from "../../protocol/geometry.ts";

/** What came and is right, but is not on the disk yet. */
export class Unwritten {
  readonly #sinceMs = new Map<PartIndex, number>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(run: PartRun, bytes: number, nowMs: number): void {
    this.#bytes += bytes;
    if (!this.#sinceMs.has(run.first)) this.#sinceMs.set(run.first, nowMs);
  }

  remove(run: PartRun, bytes: number): void {
    this.#bytes -= bytes;
    this.#sinceMs.delete(run.first);
  }

  /** @returns how long the oldest of it has waited, in milliseconds */
  oldestMs(nowMs: number): number {
    // Kept in the order of coming.
    for (const sinceMs of this.#sinceMs.values()) return nowMs - sinceMs;
    return 0;
  }
}
