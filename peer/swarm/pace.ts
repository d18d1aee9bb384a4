/** How much may be under way where a limit of our own sets the pace: what passes in a few seconds.
 *
 * What the limit holds back lies in the buffers of the way, before all that its senders say, and all connections share the
 * limit: asked of many at once, nothing would be whole for a long time, and whoever sends would take us for stuck. */
export class Pace {
  readonly #bytesMax: number;
  readonly #paceMs: number;
  /** Until when the limit counts as what sets the pace. */
  #untilMs: number | undefined;

  /** @param options.bytesPerSecond the limit; undefined when there is none
   * @param options.paceMs what passes in so many milliseconds may be under way; infinity is any amount */
  constructor(options: { readonly bytesPerSecond: number | undefined; readonly paceMs: number }) {
    const { bytesPerSecond = Number.POSITIVE_INFINITY, paceMs } = options;
    this.#bytesMax = (bytesPerSecond * paceMs) / 1000;
    this.#paceMs = paceMs;
  }

  /** @param isHeldBack whether the limit makes what arrives wait */
  review(isHeldBack: boolean, nowMs: number): void {
    if (isHeldBack) this.#untilMs = nowMs + this.#paceMs;
  }

  /** Whether so many bytes may be asked for beside those that are under way; one request in any case. Until it shows that
   * those who are asked give less than the limit lets pass, it is taken to set the pace. */
  allows(bytes: number, underWay: number, nowMs: number): boolean {
    if (underWay === 0 || underWay + bytes <= this.#bytesMax) return true;
    this.#untilMs ??= nowMs + this.#paceMs;
    return nowMs >= this.#untilMs;
  }
}
