/** What is averaged over, in milliseconds. */
const WINDOW_MS = 5000;
/** Samples closer together than this are one: the window stays small however often progress is told. */
const SAMPLE_MS = 100;
/** Progress comes in steps: only a longer silence counts as "nothing came". */
const STEP_MS = 1000;

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

/** A moving average over the last five seconds. Times are the caller's and never go back. */
export class MovingRate {
  #samples: Sample[] = [];

  /** @param bytes in all until now; fewer than before begins anew */
  add(atMs: number, bytes: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && bytes < last.bytes) this.#samples = [];
    const beforeLast = this.#samples.at(-2);
    const isClose = beforeLast !== undefined && atMs - beforeLast.atMs < SAMPLE_MS;
    if (isClose) this.#samples.pop();
    this.#samples.push({ atMs, bytes });
    this.#forget(atMs);
  }

  /** @returns whole bytes a second; 0 while nothing can be told */
  bytesPerSecond(nowMs: number): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || nowMs <= first.atMs) return 0;
    const isBetweenSteps = last !== first && nowMs - last.atMs <= STEP_MS;
    const endMs = isBetweenSteps ? last.atMs : nowMs;
    return Math.round(((last.bytes - first.bytes) * 1000) / (endMs - first.atMs));
  }

  /** The newest sample that is older than the window stays: the average begins there. */
  #forget(nowMs: number): void {
    const old = this.#samples.findLastIndex((sample) => nowMs - sample.atMs >= WINDOW_MS);
    if (old > 0) this.#samples.splice(0, old);
  }
}
