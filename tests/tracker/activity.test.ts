import { describe, expect, test } from "bun:test";
import { Activity, SPAN_COUNT, SPAN_SECONDS } from "../../tracker/activity.ts";
import { FakeClock } from "../support/tracker.ts";

function count(activity: Activity, times: number): void {
  for (let at = 0; at < times; at++) activity.count();
}

describe("Activity", () => {
  test("is quiet at the start", () => {
    const activity = new Activity(new FakeClock());
    expect(activity.total).toBe(0);
    expect(activity.perSecond()).toBe(0);
    expect(activity.series()).toEqual(Array(SPAN_COUNT).fill(0));
  });

  test("tells the mean of the last ten whole seconds, not of the one that runs", async () => {
    const clock = new FakeClock();
    const activity = new Activity(clock);
    for (let second = 0; second < 20; second++) {
      count(activity, second < 10 ? 1000 : 7);
      await clock.advance(1000);
    }
    expect(activity.perSecond()).toBe(7);
    count(activity, 500);
    expect(activity.perSecond()).toBe(7);
    await clock.advance(1000);
    expect(activity.perSecond()).toBe(56.3);
    expect(activity.total).toBe(10_570);
  });

  test("tells the mean since the start while that is shorter", async () => {
    const clock = new FakeClock();
    const activity = new Activity(clock);
    count(activity, 8);
    await clock.advance(2000);
    expect(activity.perSecond()).toBe(4);
  });

  test("forgets what is over, however long nobody asked or counted", async () => {
    for (const pauseSeconds of [11, 300, 304, 305, 306, 1000, 10_000_000]) {
      const clock = new FakeClock();
      const activity = new Activity(clock);
      for (let second = 0; second < 400; second++) {
        count(activity, 3);
        await clock.advance(1000);
      }
      await clock.advance(pauseSeconds * 1000);
      expect({ pauseSeconds, mean: activity.perSecond() }).toEqual({ pauseSeconds, mean: 0 });
      const spans = activity.series().filter((value) => value > 0).length;
      expect(spans).toBe(Math.max(0, Math.ceil(SPAN_COUNT - pauseSeconds / SPAN_SECONDS)));
      expect(activity.total).toBe(1200);
    }
  });

  test("tells spans that do not change any more once they are over", async () => {
    const clock = new FakeClock();
    const activity = new Activity(clock);
    const told = new Map<number, number>();
    for (let second = 0; second < 700; second++) {
      count(activity, (second * 7) % 23);
      await clock.advance(1000);
      const end = Math.floor(clock.now() / 1000 / SPAN_SECONDS);
      for (const [at, value] of activity.series().entries()) {
        const span = end - SPAN_COUNT + at;
        expect(value).toBe(told.get(span) ?? value);
        told.set(span, value);
      }
    }
    const sum = [...told.values()].reduce((total, value) => total + value * SPAN_SECONDS, 0);
    expect(Math.round(sum)).toBe(activity.total);
  });

  test("goes on counting when the clock is set back", async () => {
    const clock = new FakeClock();
    const activity = new Activity(clock);
    await clock.advance(5000);
    count(activity, 10);
    await clock.advance(-3_600_000);
    count(activity, 10);
    expect(activity.total).toBe(20);
    expect(activity.perSecond()).toBe(0);
    await clock.advance(3_601_000);
    expect(activity.perSecond()).toBe(3.3);
  });
});
