import { pieceBytesFor } from "../../protocol/limits.ts";

/** One of those who share a limit. */
export interface Sharer {
  /** What it was asked for and has not sent. */
  readonly owedBytes: number;
  /** For how long it has owed something without a break, in milliseconds. */
  readonly busyMs: number;
  /** What came from it in the last seconds, or since it owes something. */
  readonly bytesPerSecond: number;
}

/** How much may be under way where a limit of our own sets the pace: what passes in a few seconds.
 *
 * What the limit holds back lies in the buffers of the way, before all that its senders say, and all connections share the
 * limit: asked of many at once, nothing would be whole for a long time, and whoever sends would take us for stuck. What a
 * slow peer owes lies with the peer, and keeps nobody waiting. */
export class Pace {
  readonly #bytesPerSecond: number;
  readonly #bytesMax: number;
  readonly #paceMs: number;
  /** Until when the limit counts as what sets the pace. */
  #untilMs: number | undefined;

  /** @param options.bytesPerSecond the limit; undefined when there is none
   * @param options.paceMs what passes in so many milliseconds may be under way; infinity is any amount */
  constructor(options: { readonly bytesPerSecond: number | undefined; readonly paceMs: number }) {
    const { bytesPerSecond = Number.POSITIVE_INFINITY, paceMs } = options;
    this.#bytesPerSecond = bytesPerSecond;
    this.#bytesMax = (bytesPerSecond * paceMs) / 1000;
    this.#paceMs = paceMs;
  }

  /** Whether there is a limit at all. */
  get isLimited(): boolean {
    return this.#bytesMax !== Number.POSITIVE_INFINITY;
  }

  /** @param sharers how many share the limit
   * @returns how much of what the peer owes will wait for the limit: of a slow one no more than it delivers in the time of
   * the pace */
  share(peer: Sharer, sharers: number): number {
    if (!this.isSlow(peer, sharers)) return peer.owedBytes;
    return Math.min(peer.owedBytes, (peer.bytesPerSecond * this.#paceMs) / 1000);
  }

  /** Whether the peer is slow by itself, though a limit makes all look slow: it gives less than half its part of the limit. */
  isSlow(peer: Sharer, sharers: number): boolean {
    if (!this.#isMeasured(peer, sharers)) return false;
    return peer.bytesPerSecond * sharers * SLOW_FACTOR < this.#bytesPerSecond;
  }

  /** Whether so little is under way that the limit will soon have nothing to let pass. */
  runsDry(underWay: number): boolean {
    return underWay < (this.#bytesPerSecond * DRY_MS) / 1000;
  }

  /** All get a piece in turn: where a turn takes long, nothing can be said of a few seconds. */
  #isMeasured({ busyMs }: Sharer, sharers: number): boolean {
    if (!this.isLimited || busyMs < MEASURED_MS) return false;
    const turnBytes = sharers * pieceBytesFor(this.#bytesPerSecond);
    return turnBytes <= (this.#bytesPerSecond * TURN_MS_MAX) / 1000;
  }

  /** @param isHeldBack whether the limit makes what arrives wait */
  review(isHeldBack: boolean, nowMs: number): void {
    if (isHeldBack) this.#untilMs = nowMs + this.#paceMs;
  }

  /** Whether so many bytes may be asked for beside those that are under way: one request, however large, while no more than half
   * of what may be is. Until it shows that those who are asked give less than the limit lets pass, it is taken to set the
   * pace. */
  allows(bytes: number, underWay: number, nowMs: number): boolean {
    if (underWay <= this.#bytesMax / 2 || underWay + bytes <= this.#bytesMax) return true;
    this.#untilMs ??= nowMs + this.#paceMs;
    return nowMs >= this.#untilMs;
  }
}

const MEASURED_MS = 2000;
const TURN_MS_MAX = 1000;
const SLOW_FACTOR = 2;
const DRY_MS = 1000;
