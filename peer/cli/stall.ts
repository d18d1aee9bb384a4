/** Without progress for so long, it is said why. */
export const STALL_MS = 5000;
/** The same reason is said again after this. */
const REPEAT_MS = 30_000;

/** Knows when it is time to say why nothing moves. Times are the caller's and never go back. */
export class StallWatch {
  #movedAtMs: number | undefined;
  #bytesDone = -1;
  #isComplete = false;
  #saidAtMs = Number.NEGATIVE_INFINITY;
  #said = "";

  /** @param bytesTotal once all are there nothing is waited for any more */
  progress(nowMs: number, bytesDone: number, bytesTotal: number): void {
    this.#isComplete = bytesDone >= bytesTotal;
    if (bytesDone === this.#bytesDone && this.#movedAtMs !== undefined) return;
    this.#bytesDone = bytesDone;
    this.#movedAtMs = nowMs;
    this.#saidAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Nothing is to be said of the time until now: somebody else is waited for. */
  hold(nowMs: number): void {
    this.#movedAtMs = nowMs;
    this.#saidAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Forgets the transfer: nothing is due until another makes progress. */
  end(): void {
    this.#movedAtMs = undefined;
    this.#bytesDone = -1;
    this.#saidAtMs = Number.NEGATIVE_INFINITY;
  }

  /** @returns milliseconds since something moved */
  stalledMs(nowMs: number): number {
    return this.#movedAtMs === undefined ? 0 : nowMs - this.#movedAtMs;
  }

  /** @param reason what would be said; a new one may be said every STALL_MS, the same one every 30 s
   * @returns whether it is to be said now, which then counts as said */
  isDue(nowMs: number, reason: string): boolean {
    if (this.#movedAtMs === undefined || this.#isComplete) return false;
    if (this.stalledMs(nowMs) < STALL_MS) return false;
    if (nowMs - this.#saidAtMs < (reason === this.#said ? REPEAT_MS : STALL_MS)) return false;
    this.#saidAtMs = nowMs;
    this.#said = reason;
    return true;
  }
}
