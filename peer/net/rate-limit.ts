import type { Clock } from "../clock.ts";

/** A token bucket in bytes, shared by all connections of a process: first come, first served. */
export class RateLimit {
  /** What should pass at once at most, so that nobody waits long for his turn: a fraction of a second's worth. */
  readonly pieceBytes: number;
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  /** When the bucket will have paid for all that was taken, in monotonic ms. */
  #paidAtMs: number;

  /** @param bytesPerSecond at least 1 */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
    this.#paidAtMs = clock.monotonic();
    this.pieceBytes = Math.max(PIECE_BYTES_MIN, Math.floor(bytesPerSecond / PIECES_PER_SECOND));
  }

  /** Waits until the bytes may pass; callers are served in the order of their calls.
   * @throws the signal's reason when it is aborted */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    this.#paidAtMs =
      Math.max(this.#paidAtMs, now - BURST_MS) + (bytes * 1000) / this.#bytesPerSecond;
    const waitMs = this.#paidAtMs - now;
    if (waitMs > 0) await this.#clock.sleep(waitMs, { signal });
  }
}

/** What an idle bucket saves up at most. */
const BURST_MS = 50;
const PIECES_PER_SECOND = 20;
const PIECE_BYTES_MIN = 4096;

/** A stage that lets chunks pass at the limit's rate, in small pieces; without a limit there is no such stage. */
export class LimitRateStream extends TransformStream<Uint8Array, Uint8Array> {
  constructor(limit: RateLimit, signal: AbortSignal) {
    super(
      {
        async transform(chunk, controller) {
          for (let at = 0; at < chunk.length; at += limit.pieceBytes) {
            const piece = chunk.subarray(at, at + limit.pieceBytes);
            await limit.take(piece.length, signal);
            controller.enqueue(piece);
          }
        },
      },
      { highWaterMark: 1 },
      { highWaterMark: 0 },
    );
  }
}
