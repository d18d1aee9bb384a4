import type { Rules } from "./rules.ts";

/** What a review of those who are served finds. */
export interface Served {
  /** Whether more could be served. */
  readonly isAnyoneWaiting: boolean;
  /** How many want something. */
  readonly customers: number;
  /** Of the one who is farthest away, in milliseconds. */
  readonly roundTripMs: number;
  /** Whether we have everything. */
  readonly isSeed: boolean;
}

/** How many peers are served at a time.
 *
 * As few as keep the line busy: what is served to few is soon whole at somebody's, who gives it on. How many that takes
 * depends on who is slower, our line or theirs. One is served until it shows what the line carries; then so many that a
 * span is soon whole at each, and, by a seed, that each has others to give it on to. What that leaves to be had is found by
 * trying: more are served when that moves more bytes, fewer when it moves no less. */
export class UploadSlots {
  readonly #rules: Rules;
  readonly #spanBytes: number;
  #count: number;
  #bytes = 0;
  #fromMs = Number.NEGATIVE_INFINITY;
  #sinceMs: number | undefined;
  /** How many of whole spans the line carried at first in WHOLE_MS; undefined until that is known. */
  #wholeSpans: number | undefined;
  /** How many there should be by that. */
  #first: number;
  #idleSinceMs: number | undefined;
  #hasTried = false;
  #trial: { readonly before: number; readonly bytesPerSecond: number } | undefined;
  #restMs = 0;
  #nextRestMs = REST_MS;
  /** The most that was moved lately, in bytes a second: so much our line carries. */
  #mostRate = 0;
  #isMoreNext = true;
  /** Until more moves no more bytes for the first time. */
  #stride: Stride = RAMP;

  /** @param spanBytes what is served as a whole */
  constructor(rules: Rules, spanBytes: number) {
    this.#rules = rules;
    this.#spanBytes = spanBytes;
    this.#first = Math.min(rules.slotsMin, rules.slotsMax);
    this.#count = this.#first;
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

  /** Time passed. */
  review(served: Served, nowMs: number): void {
    if (this.#wholeSpans === undefined) this.#begin(nowMs);
    this.#first = this.#firstFor(served);
    const { slotsMax } = this.#rules;
    if (!this.#hasTried)
      this.#count = Math.min(this.#first + this.#besides(served, nowMs), slotsMax);
    // What is being tried is judged also when all have a place by it.
    if (!served.isAnyoneWaiting && this.#trial === undefined) this.#startOver(nowMs);
    if (this.#sinceMs === undefined) return;
    const passedMs = nowMs - this.#sinceMs;
    const { bytesMin, msMin, msMax } = this.#stride;
    if (passedMs < (this.#bytes < bytesMin ? msMax : msMin)) return;
    const before = this.#count;
    const bytesPerSecond = (this.#bytes * 1000) / passedMs;
    this.#mostRate = Math.max(bytesPerSecond, this.#mostRate * 2 ** (-passedMs / FORGET_MS));
    if (served.isAnyoneWaiting && bytesPerSecond < this.#mostRate * ROOM) this.#open();
    else this.#judge(bytesPerSecond, passedMs);
    const settleMs = Math.min(served.roundTripMs, SETTLE_MS_MAX);
    this.#startOver(this.#count === before ? nowMs : nowMs + settleMs);
  }

  /** Looks whether it is known by now what the line carries. */
  #begin(nowMs: number): void {
    if (this.#sinceMs === undefined || this.#bytes === 0) return;
    const passedMs = Math.max(nowMs - this.#sinceMs, 1);
    if (this.#bytes < FIRST_BYTES && passedMs < FIRST_MS_MAX) return;
    this.#wholeSpans = ((this.#bytes / passedMs) * WHOLE_MS) / this.#spanBytes;
    // Where that is much, it is seldom others' lines that are narrow.
    if (this.#wholeSpans >= 2) this.#stride = STEADY;
    this.#startOver(nowMs);
  }

  #firstFor({ customers, isSeed }: Served): number {
    const { slotsFirst, slotsMin, slotsMax } = this.#rules;
    const spans = Math.floor(this.#wholeSpans ?? 0);
    const needsOthers = isSeed && spans < QUICK_SPANS;
    const wanted = Math.min(slotsFirst, spans, needsOthers ? customers / OTHERS : slotsFirst);
    return Math.min(Math.max(Math.floor(wanted), slotsMin), slotsMax);
  }

  /** Nothing that was sent arrives: who has the only place may be one who takes nothing, so others are served besides. */
  #besides({ isAnyoneWaiting }: Served, nowMs: number): number {
    const isIdle = this.#wholeSpans === undefined && this.#sinceMs === undefined && isAnyoneWaiting;
    this.#idleSinceMs = isIdle ? (this.#idleSinceMs ?? nowMs) : undefined;
    const idleMs = nowMs - (this.#idleSinceMs ?? nowMs);
    return Math.min(Math.floor(idleMs / BESIDES_MS), this.#rules.slotsFirst - 1);
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
    if (bytesPerSecond > rateBefore * (isMore ? this.#stride.gainMin : LOSS_MAX)) {
      this.#nextRestMs = REST_MS;
      this.#try(bytesPerSecond);
      return;
    }
    this.#count = before;
    this.#isMoreNext = !isMore;
    this.#stride = STEADY;
    this.#restMs = this.#nextRestMs;
    this.#nextRestMs = Math.min(2 * this.#nextRestMs, REST_MS_MAX);
  }

  /** Our line is known to carry much more, so it is the others' that are narrow: nothing has to be tried. */
  #open(): void {
    const { slotsMax } = this.#rules;
    this.#count = Math.min(Math.max(this.#count * 2, this.#trial?.before ?? 0), slotsMax);
    this.#trial = undefined;
    this.#hasTried = true;
    this.#isMoreNext = true;
    this.#restMs = this.#nextRestMs = REST_MS;
  }

  #try(bytesPerSecond: number): void {
    const { slotsMax } = this.#rules;
    const slotsMin = Math.min(this.#first, FEW);
    this.#hasTried = true;
    const before = this.#count;
    const wanted = this.#isMoreNext
      ? Math.ceil(before * this.#stride.step)
      : Math.floor(before / this.#stride.step);
    this.#count = Math.min(Math.max(wanted, slotsMin), slotsMax);
    if (this.#count !== before) this.#trial = { before, bytesPerSecond };
    else this.#isMoreNext = !this.#isMoreNext;
  }
}

/** How it is tried. What is compared is so much, or took so long, that it is not chance: bytes are known to have arrived
 * 64 KiB at a time or more. */
interface Stride {
  readonly bytesMin: number;
  readonly msMin: number;
  readonly msMax: number;
  /** So many times as many are tried. */
  readonly step: number;
  /** They have to move so many times as much to be worth it. */
  readonly gainMin: number;
}

/** Where little moves at first: coarse and quick, since nobody knows yet whether it takes one or thirty. */
const RAMP: Stride = { bytesMin: 512 * 1024, msMin: 250, msMax: 3000, step: 2, gainMin: 1.3 };
const STEADY: Stride = {
  bytesMin: 2 * 1024 * 1024,
  msMin: 1000,
  msMax: 6000,
  step: 1.5,
  gainMin: 1.15,
};
/** Fewer may move so much less. */
const LOSS_MAX = 0.95;
const SETTLE_MS_MAX = 3000;
/** By so much, or what has come after so long, it is known what the line carries. */
const FIRST_BYTES = 256 * 1024;
const FIRST_MS_MAX = 1000;
/** At first, so few are served that a span is whole at each within this time, by what one gets. */
const WHOLE_MS = 500;
/** And that of so many who want something one is served. */
const OTHERS = 4;
/** Where so many are whole within that time, the next one has come before anybody could give one on. */
const QUICK_SPANS = 100;
/** While nothing arrives at first, one more is served after each. */
const BESIDES_MS = 500;
/** Fewer are not tried where there were more at first. */
const FEW = 2;
/** After a trial that was not worth it, and twice as long after each further one: on a slow line it is dear. */
const REST_MS = 10_000;
const REST_MS_MAX = 80_000;
/** With less than this share of the most that was moved lately, there is room for more. */
const ROOM = 0.7;
/** What was moved counts half after each: lines change, and others' buffers may have taken it at once. */
const FORGET_MS = 30_000;
