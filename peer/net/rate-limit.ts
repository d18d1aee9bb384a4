import type { Clock } from "../clock.ts";

/** A token bucket in bytes, shared by all connections of a process: first come, first served. */
export class RateLimit {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  /** When the bucket will have paid for all that was taken, in monotonic ms. */
  #paidAtMs: number;

  /** @param bytesPerSecond at least 1; bursts are at most BURST_MS worth of it */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
    this.#paidAtMs = clock.monotonic();
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

const BURST_MS = 50;

/** A stage that lets chunks pass at the limit's rate; without a limit it is not there. */
export class LimitRateStream extends TransformStream<Uint8Array, Uint8Array> {
  constructor(limit: RateLimit, signal: AbortSignal) {
    super(
      {
        async transform(chunk, controller) {
          await limit.take(chunk.length, signal);
          controller.enqueue(chunk);
        },
      },
      new CountQueuingStrategy({ highWaterMark: 1 }),
      new CountQueuingStrategy({ highWaterMark: 0 }),
    );
  }
}
