import type { Rules } from "./rules.ts";

/** How many peers are served at a time.
 *
 * As few as keep the line busy: what is served to few is soon whole at somebody's, who gives it on. How many that takes
 * depends on who is slower, our line or theirs, and is found by trying: more are served when that moves more bytes, fewer
 * when it moves no less. */
export class UploadSlots {
  readonly #rules: Rules;
  #count: number;
  #bytes = 0;
  #fromMs = Number.NEGATIVE_INFINITY;
  #sinceMs: number | undefined;
  #trial: { readonly before: number; readonly bytesPerSecond: number } | undefined;
  #restMs = 0;
  #isMoreNext = true;

  constructor(rules: Rules) {
    this.#rules = rules;
    const { slotsFirst, slotsMin, slotsMax } = rules;
    this.#count = Math.min(Math.max(slotsFirst, slotsMin), slotsMax);
  }

  get count(): number {
    return this.#count;
  }

  /** So many bytes are known to have reached those who are served. */
  onArrived(bytes: number, nowMs: number): void {
    if (nowMs < this.#fromMs) return;
    // Time counts from the first that arrives: before, what was sent was still on its way.
    if (this.#sinceMs === undefined) this.#sinceMs = nowMs;
    else this.#bytes += bytes;
  }

  /** Time passed.
   * @param served.isAnyoneWaiting whether more could be served
   * @param served.roundTripMs of the one who is farthest away */
  review(
    served: { readonly isAnyoneWaiting: boolean; readonly roundTripMs: number },
    nowMs: number,
  ): void {
    // What is being tried is judged also when all have a place by it.
    if (!served.isAnyoneWaiting && this.#trial === undefined) this.#startOver(nowMs);
    if (this.#sinceMs === undefined) return;
    const passedMs = nowMs - this.#sinceMs;
    if (passedMs < (this.#bytes < EPOCH_BYTES_MIN ? EPOCH_MS_MAX : EPOCH_MS_MIN)) return;
    const before = this.#count;
    this.#judge((this.#bytes * 1000) / passedMs, passedMs);
    const settleMs = Math.min(served.roundTripMs, SETTLE_MS_MAX);
    this.#startOver(this.#count === before ? nowMs : nowMs + settleMs);
  }

  /** @param fromMs what arrives earlier was sent before */
  #startOver(fromMs: number): void {
    this.#fromMs = Math.max(this.#fromMs, fromMs);
    this.#sinceMs = undefined;
    this.#bytes = 0;
  }

  #judge(bytesPerSecond: number, passedMs: number): void {
    const { before, bytesPerSecond: rateBefore } = this.#trial ?? {};
    this.#trial = undefined;
    if (before === undefined || rateBefore === undefined) {
      this.#restMs -= passedMs;
      if (this.#restMs <= 0) this.#try(bytesPerSecond);
      return;
    }
    const isMore = this.#count > before;
    const isWorthIt = bytesPerSecond > rateBefore * (isMore ? GAIN_MIN : LOSS_MAX);
    if (!isWorthIt) this.#count = before;
    if (!isWorthIt) this.#isMoreNext = !isMore;
    if (isWorthIt) this.#try(bytesPerSecond);
    else this.#restMs = REST_MS;
  }

  #try(bytesPerSecond: number): void {
    const { slotsMin, slotsMax } = this.#rules;
    const before = this.#count;
    const wanted = this.#isMoreNext ? Math.ceil(before * STEP) : Math.floor(before / STEP);
    this.#count = Math.min(Math.max(wanted, slotsMin), slotsMax);
    if (this.#count !== before) this.#trial = { before, bytesPerSecond };
    else this.#isMoreNext = !this.#isMoreNext;
  }
}

/** What is compared is long enough not to be chance: bytes are known to have arrived 64 KiB at a time or more. */
const EPOCH_MS_MIN = 1000;
const EPOCH_BYTES_MIN = 2 * 1024 * 1024;
const EPOCH_MS_MAX = 6000;
const SETTLE_MS_MAX = 3000;
const STEP = 1.5;
/** Half as many again have to move so much more to be worth it. */
const GAIN_MIN = 1.15;
/** A third less may move so much less. */
const LOSS_MAX = 0.95;
const REST_MS = 10_000;
