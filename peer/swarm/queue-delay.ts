/** How long what is sent waits on its way there, told by the clock of whoever reads it: what holds up the answer on the way
 * back says nothing of that. The two clocks stand any time apart, so the shortest way of the last minutes is taken for one
 * without waiting (one-way delays, as in LEDBAT, RFC 6817). */
export class QueueDelay {
  /** The first way, which the others are told by. */
  #firstMs: number | undefined;
  /** The shortest way of each minute, the newest last. */
  readonly #shortest: { readonly minute: number; ms: number }[] = [];

  /** @param sentAtMs by our clock
   * @param readAtMs by the other's, modulo 2^32
   * @param nowMs by our clock, when the answer is here
   * @returns for how many milliseconds it waited, from 0 to what there and back took; 0 of the first */
  onAnswer(sentAtMs: number, readAtMs: number, nowMs: number): number {
    const apartMs = readAtMs - Math.floor(sentAtMs);
    this.#firstMs ??= apartMs;
    // As a signed number of 32 bits, since the other's clock begins anew after as many.
    const ms = (apartMs - this.#firstMs) | 0;
    return Math.min(ms - this.#least(ms, nowMs), nowMs - sentAtMs);
  }

  #least(ms: number, nowMs: number): number {
    const minute = Math.floor(nowMs / 60_000);
    const last = this.#shortest.at(-1);
    if (last?.minute === minute) last.ms = Math.min(last.ms, ms);
    else this.#shortest.push({ minute, ms });
    while ((this.#shortest[0]?.minute ?? minute) <= minute - MINUTES) this.#shortest.shift();
    return Math.min(...this.#shortest.map((shortest) => shortest.ms));
  }
}

/** Clocks drift apart: what was the shortest way long ago may be shorter than any can be now. */
const MINUTES = 10;
