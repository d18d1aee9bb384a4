import { describe, expect, test } from "bun:test";
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

describe("RateLimit", () => {
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
