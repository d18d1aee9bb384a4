import { describe, expect, test } from "bun:test";
import { QueueDelay } from "../../../peer/swarm/queue-delay.ts";

/** What is sent waits so long, one after another a second apart, over a way of 20 ms.
 * @param apartMs how far the other's clock is ahead of ours
 * @param backMs the way back
 * @returns for how long it seems to have waited */
function seen(waitedMs: readonly number[], apartMs: number, backMs = 20): number[] {
  const delay = new QueueDelay();
  return waitedMs.map((waited, at) => {
    const sentAtMs = 1000 * at + 0.7;
    const readAtMs = sentAtMs + 20 + waited;
    const clockMs = (((Math.floor(readAtMs) + apartMs) % 2 ** 32) + 2 ** 32) % 2 ** 32;
    return delay.onAnswer(sentAtMs, clockMs, readAtMs + backMs);
  });
}

const WAITED = [40, 0, 250, 10, 0, 3000];
/** Nothing is known before the second, which came sooner. */
const SEEN = [0, 0, 250, 10, 0, 3000];

describe("QueueDelay", () => {
  test.each([0, 1, -5000, 2 ** 31, 2 ** 32 - 500, 2 ** 32 - 21])(
    "onAnswer says how long it waited on the way there, by a clock that is %d ms ahead",
    (apartMs) => expect(seen(WAITED, apartMs)).toEqual(SEEN),
  );

  test("onAnswer says the same whatever holds up the way back", () => {
    expect(seen(WAITED, 77, 5000)).toEqual(SEEN);
  });

  test("onAnswer says no more than how long it took, and no less than nothing, whatever a remote says", () => {
    const delay = new QueueDelay();
    for (const [at, readAtMs] of [0, 2 ** 32 - 1, 5, 2 ** 31, 2 ** 31 - 1, 7, 0].entries()) {
      const waited = delay.onAnswer(1000 * at, readAtMs, 1000 * at + 300);
      expect(waited).toBeGreaterThanOrEqual(0);
      expect(waited).toBeLessThanOrEqual(300);
    }
  });

  test("onAnswer goes by the last ten minutes, since clocks drift apart", () => {
    const delay = new QueueDelay();
    const waitedAfter = (minutes: number, readLateMs: number) =>
      delay.onAnswer(60_000 * minutes, 60_000 * minutes + readLateMs, 60_000 * minutes + 1000);
    expect(waitedAfter(0, 0)).toBe(0);
    // A clock that gains 6 ms a minute.
    for (let minute = 1; minute < 10; minute++)
      expect(waitedAfter(minute, 6 * minute)).toBe(6 * minute);
    for (let minute = 10; minute < 100; minute++) expect(waitedAfter(minute, 6 * minute)).toBe(54);
  });
});
