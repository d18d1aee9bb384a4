import { describe, expect, test } from "bun:test";
import { RateMeter } from "../../../peer/swarm/rate-meter.ts";

const START_MS = 123_456;

/** @returns the meter after `bytes` every `everyMs` for `forMs` */
function fed(everyMs: number, bytes: number, forMs: number): RateMeter {
  const meter = new RateMeter(START_MS);
  for (let at = everyMs; at <= forMs; at += everyMs) meter.add(bytes, START_MS + at);
  return meter;
}

describe("RateMeter", () => {
  test("bytesPerSecond of a steady flow is its rate within 10 %, early and late", () => {
    for (const forMs of [500, 1000, 4000, 20_000, 100_010]) {
      const rate = fed(10, 1000, forMs).bytesPerSecond(START_MS + forMs);
      expect(Math.abs(rate - 100_000)).toBeLessThan(10_000);
    }
  });

  test("bytesPerSecond follows a change within the window", () => {
    const meter = fed(10, 1000, 10_000);
    for (let at = 10_010; at <= 14_500; at += 10) meter.add(5000, START_MS + at);
    expect(Math.abs(meter.bytesPerSecond(START_MS + 14_500) - 500_000)).toBeLessThan(50_000);
  });

  test("bytesPerSecond falls to nothing when nothing comes for four seconds", () => {
    const meter = fed(10, 1000, 10_000);
    expect(meter.bytesPerSecond(START_MS + 12_000)).toBeLessThan(60_000);
    expect(meter.bytesPerSecond(START_MS + 14_001)).toBe(0);
  });

  test("bytesPerSecond of the first bytes is not infinite", () => {
    const meter = new RateMeter(START_MS);
    expect(meter.bytesPerSecond(START_MS)).toBe(0);
    meter.add(1000, START_MS);
    expect(meter.bytesPerSecond(START_MS)).toBe(20_000);
  });

  test("add after a pause of any length counts only what came since", () => {
    for (const pauseMs of [4000, 4250, 60_000, 3_600_000]) {
      const meter = fed(10, 1000, 1000);
      const nowMs = START_MS + 1000 + pauseMs;
      meter.add(400, nowMs);
      expect(meter.bytesPerSecond(nowMs)).toBeLessThan(120);
      expect(meter.bytesPerSecond(nowMs)).toBeGreaterThan(90);
    }
  });

  test("bytesPerSecond since a moment divides by what has passed since, and not by more than the window", () => {
    const meter = new RateMeter(0);
    meter.add(1000, 20_500);
    expect(meter.bytesPerSecond(21_000)).toBeLessThan(300);
    expect(meter.bytesPerSecond(21_000, 20_000)).toBe(1000);
    expect(meter.bytesPerSecond(22_000, 1000)).toBe(meter.bytesPerSecond(22_000));
  });
});
