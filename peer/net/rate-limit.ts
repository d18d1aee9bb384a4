import { pieceBytesFor } from "../../protocol/limits.ts";
import type { Clock } from "../clock.ts";

/** A token bucket in bytes, shared by all connections of a process: they are served in turn, each for one piece, so that all
 * that always want more get as much. A timer that fires late is made up for by the next. */
export class RateLimit {
  /** What should pass at once at most. */
  readonly pieceBytes: number;
  readonly bytesPerSecond: number;
  readonly #clock: Clock;
  readonly #waiting: Turn[] = [];
  #isServing = false;
  /** Ends the sleep of who is next. */
  #sleep = new AbortController();
  /** When the bucket will have paid for all that passed, in monotonic ms. */
  #paidAtMs: number;
  /** When somebody last had waited. */
  #heldBackAtMs = Number.NEGATIVE_INFINITY;

  /** @param bytesPerSecond at least 1 */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.bytesPerSecond = bytesPerSecond;
    this.#paidAtMs = clock.monotonic();
    this.pieceBytes = pieceBytesFor(bytesPerSecond);
  }

  /** Whether somebody waits, or had to within the last second: then it is the limit that sets the pace. */
  get isHoldingBack(): boolean {
    return this.#waiting.length > 0 || this.#clock.monotonic() - this.#heldBackAtMs < HELD_BACK_MS;
  }

  /** Waits until the bytes may pass; callers are served in the order of their calls.
   * @throws the signal's reason when it is aborted: then nothing was taken */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const turn: Turn = { bytes, pass: resolve };
    const onAbort = () => {
      this.#giveUp(turn);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiting.push(turn);
    if (!this.#isServing) void this.#serve();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #giveUp(turn: Turn): void {
    const at = this.#waiting.indexOf(turn);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (at === 0) this.#sleep.abort();
  }

  /** Lets one after the other pass while anybody waits. */
  async #serve(): Promise<void> {
    this.#isServing = true;
    for (let turn = this.#waiting[0]; turn !== undefined; turn = this.#waiting[0]) {
      const nowMs = this.#clock.monotonic();
      this.#paidAtMs = Math.max(this.#paidAtMs, nowMs - BURST_MS);
      const dueMs = this.#paidAtMs + (turn.bytes * 1000) / this.bytesPerSecond;
      if (dueMs > nowMs) {
        this.#sleep = new AbortController();
        const { signal } = this.#sleep;
        await this.#clock.sleep(dueMs - nowMs, { signal }).catch(() => undefined);
        this.#heldBackAtMs = this.#clock.monotonic();
        // Who gave up meanwhile took nothing.
        if (signal.aborted) continue;
      }
      this.#waiting.shift();
      this.#paidAtMs = dueMs;
      turn.pass();
    }
    this.#isServing = false;
  }
}

/** One caller's piece. */
interface Turn {
  readonly bytes: number;
  pass(): void;
}

/** What an idle bucket saves up at most. */
const BURST_MS = 50;
const HELD_BACK_MS = 1000;

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
