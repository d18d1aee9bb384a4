import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { SleepOptions } from "../../../peer/clock.ts";
import { LimitRateStream, RateLimit } from "../../../peer/net/rate-limit.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { readAll } from "../../support/sockets.ts";

const never = new AbortController().signal;

/** Takes pieces one after the other for so long.
 * @returns bytes that passed */
async function takeFor(clock: FakeClock, limit: RateLimit, ms: number): Promise<number> {
  let passed = 0;
  const stop = new AbortController();
  const run = async () => {
    for (;;) {
      await limit.take(limit.pieceBytes, stop.signal);
      passed += limit.pieceBytes;
    }
  };
  const running = run().catch(() => undefined);
  await clock.advance(ms);
  stop.abort();
  await running;
  return passed;
}

/** Its timers fire late, by a number of milliseconds that turns. */
class LateClock extends FakeClock {
  readonly #lateMs: number;
  #sleeps = 0;

  constructor(lateMs: number) {
    super();
    this.#lateMs = lateMs;
  }

  override sleep(ms: number, options?: SleepOptions): Promise<void> {
    return super.sleep(ms + (this.#sleeps++ % 2 === 0 ? this.#lateMs : this.#lateMs / 3), options);
  }
}

/** Several take pieces of one size, each the next when it got the last.
 * @returns bytes that each got */
async function takeTogether(
  clock: FakeClock,
  limit: Pick<RateLimit, "take">,
  { takers, bytes, ms }: { readonly takers: number; readonly bytes: number; readonly ms: number },
): Promise<readonly number[]> {
  const stop = new AbortController();
  const passed = new Array<number>(takers).fill(0);
  const run = async (taker: number) => {
    for (;;) {
      await limit.take(bytes, stop.signal);
      passed[taker] = (passed[taker] ?? 0) + bytes;
    }
  };
  const running = passed.map((_, taker) => run(taker).catch(() => undefined));
  await clock.advance(ms);
  stop.abort();
  await Promise.all(running);
  return passed;
}

const SECONDS = 5;

describe("RateLimit", () => {
  test("isHoldingBack is so while somebody has to wait, and for a second more", async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(clock, 1000);
    expect(limit.isHoldingBack).toBe(false);
    const waiting = limit.take(2000, never);
    await clock.advance(1900);
    expect(limit.isHoldingBack).toBe(true);
    await clock.advance(200);
    await waiting;
    expect(limit.isHoldingBack).toBe(true);
    await clock.advance(1000);
    expect(limit.isHoldingBack).toBe(false);
  });

  test("take lets through its rate within 5 %, whatever the rate", async () => {
    for (const rate of [64 * 1024, 1_000_000, 10 * 2 ** 20, 2 ** 30]) {
      const clock = new FakeClock();
      const passed = await takeFor(clock, new RateLimit(clock, rate), 10_000);
      expect(Math.abs(passed / (rate * 10) - 1)).toBeLessThan(0.05);
    }
  });

  test("take after a long rest gives a fraction of a second's worth at once, not the whole rest's", async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(clock, 1_000_000);
    await clock.advance(3_600_000);
    const passed = await takeFor(clock, limit, 1000);
    expect(passed).toBeLessThan(1_150_000);
    expect(passed).toBeGreaterThan(1_000_000);
  });

  test("take is shared: together the takers get the rate, in the order of their calls", async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(clock, 100_000);
    const order: number[] = [];
    for (let taker = 0; taker < 20; taker++)
      void limit.take(10_000, never).then(() => order.push(taker));
    await clock.advance(1000);
    expect(order.length).toBeGreaterThanOrEqual(10);
    expect(order.length).toBeLessThanOrEqual(11);
    await clock.advance(1000);
    expect(order).toEqual([...order.keys()]);
    expect(order).toHaveLength(20);
  });

  test("take is exact within 5 % at any rate, in pieces of any size, by any number, with timers that are late", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(64, 100, 1024, 20 * 1024, 100 * 1024, 200 * 1024),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 0, max: 30 }),
        async (kibPerSecond, takers, percent, lateMs) => {
          const clock = new LateClock(lateMs);
          const rate = kibPerSecond * 1024;
          const limit = new RateLimit(clock, rate);
          const bytes = Math.max(1, Math.floor((limit.pieceBytes * percent) / 100));
          const passed = await takeTogether(clock, limit, { takers, bytes, ms: SECONDS * 1000 });
          const total = passed.reduce((sum, own) => sum + own, 0);
          // What an idle limit has saved up comes on top, once; who waits when time is over gets nothing any more.
          const slack = rate * 0.05 + takers * bytes;
          expect(total).toBeGreaterThan(rate * SECONDS * 0.95 - slack);
          expect(total).toBeLessThan(rate * SECONDS * 1.01 + slack);
          // Each in turn: nobody is ahead of another by more than a piece.
          expect(Math.max(...passed) - Math.min(...passed)).toBeLessThanOrEqual(bytes);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("take's control: a limit that starts anew after each piece falls behind by every timer's delay", async () => {
    const clock = new LateClock(15);
    const rate = 1024 * 1024;
    const naive = {
      pieceBytes: rate / 20,
      take: (bytes: number, signal: AbortSignal) => clock.sleep((bytes * 1000) / rate, { signal }),
    };
    const options = { takers: 1, bytes: naive.pieceBytes, ms: 5000 };
    const [passed = 0] = await takeTogether(clock, naive, options);
    expect(passed / (rate * 5)).toBeLessThan(0.9);
  });

  test("take ends with the signal's reason", async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(clock, 10);
    const stop = new AbortController();
    const taking = limit.take(1000, stop.signal);
    stop.abort(new Error("enough"));
    expect(taking).rejects.toThrow("enough");
    expect(clock.sleepers).toBe(0);
  });

  test("pieceBytes is a twentieth of a second's worth, and 4 KiB at least", () => {
    const clock = new FakeClock();
    expect(new RateLimit(clock, 1).pieceBytes).toBe(4096);
    expect(new RateLimit(clock, 2_000_000).pieceBytes).toBe(100_000);
  });
});

describe("LimitRateStream", () => {
  test("LimitRateStream passes all bytes in order at the rate, in pieces", async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(clock, 1_000_000);
    const bytes = Uint8Array.from({ length: 500_000 }, (_, at) => at >> 8);
    const source = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.subarray(0, 499_999));
        controller.enqueue(bytes.subarray(499_999));
        controller.close();
      },
    });
    let isDone = false;
    const reading = readAll(source.pipeThrough(new LimitRateStream(limit, never))).then((all) => {
      isDone = true;
      return all;
    });
    await clock.advance(420);
    expect(isDone).toBe(false);
    await clock.advance(100);
    expect(Buffer.compare(await reading, bytes)).toBe(0);
  });

  test("LimitRateStream holds its source back while nobody reads", async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(clock, 1_000_000);
    let pulled = 0;
    const source = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled++;
          controller.enqueue(new Uint8Array(50_000));
        },
      },
      { highWaterMark: 0 },
    );
    const limited = source.pipeThrough(new LimitRateStream(limit, never));
    await clock.advance(10_000);
    expect(pulled).toBeLessThanOrEqual(2);
    await limited.cancel("enough");
  });
});
