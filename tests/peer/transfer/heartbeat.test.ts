import { describe, expect, test } from "bun:test";
import { Heartbeat } from "../../../peer/transfer/heartbeat.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** Lets everything that is due happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

function start(reasons: readonly boolean[]) {
  const clock = new FakeClock();
  const stop = new AbortController();
  let beats = 0;
  const heartbeat = new Heartbeat(clock, 250, () => reasons[beats++] ?? false);
  return { clock, stop, heartbeat, running: heartbeat.run(stop.signal), beats: () => beats };
}

describe("Heartbeat", () => {
  test("Heartbeat beats while there is reason to, rests without a timer, and beats again when woken", async () => {
    const { clock, stop, heartbeat, running, beats } = start([true, true, false, true, false]);
    expect(beats()).toBe(1);
    for (let step = 0; step < 10; step++) {
      await settle();
      await clock.advance(250);
    }
    await settle();
    expect([beats(), clock.sleepers]).toEqual([3, 0]);
    heartbeat.wake();
    await settle();
    expect([beats(), clock.sleepers]).toEqual([4, 1]);
    await clock.advance(250);
    await settle();
    expect([beats(), clock.sleepers]).toEqual([5, 0]);
    stop.abort();
    await running;
  });

  test("Heartbeat ends when it is stopped, resting or not", async () => {
    for (const reasons of [[], [true]]) {
      const { clock, stop, running } = start(reasons);
      await settle();
      stop.abort();
      await running;
      expect(clock.sleepers).toBe(0);
    }
  });

  test("Heartbeat woken while it beats just goes on", async () => {
    const { clock, stop, heartbeat, running, beats } = start([true, true]);
    heartbeat.wake();
    await settle();
    expect([beats(), clock.sleepers]).toEqual([1, 1]);
    stop.abort();
    await running;
  });
});
