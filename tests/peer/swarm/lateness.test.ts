import { describe, expect, test } from "bun:test";
import { TICK_MS } from "../../../peer/swarm/engine-options.ts";
import { Lateness } from "../../../peer/swarm/lateness.ts";

/** @returns how late it is after ticks that came so much later than they were due */
function lateMsAfter(latenessMs: readonly number[]): number {
  const lateness = new Lateness();
  let nowMs = 1_000_000;
  lateness.onTick(nowMs);
  for (const lateMs of latenessMs) {
    nowMs += TICK_MS + lateMs;
    lateness.onTick(nowMs);
  }
  return lateness.ms;
}

describe("Lateness", () => {
  test("ms are what ticks came late by for some time, and none when they come late no longer", () => {
    expect(lateMsAfter(Array.from({ length: 20 }, () => 80))).toBeWithin(79, 81);
    expect(lateMsAfter([80, 80, 80, 80, ...Array.from({ length: 20 }, () => 0)])).toBeLessThan(1);
  });

  test("ms are little for one that is late, and none before the first or for ticks that come early", () => {
    expect(lateMsAfter([80])).toBe(20);
    for (const latenessMs of [[], [0], [-250, -250]]) expect(lateMsAfter(latenessMs)).toBe(0);
  });

  test("ms are no more after an hour's rest than after one tick that is late, and as many at the most for ever", () => {
    expect(lateMsAfter([3_600_000])).toBe(30);
    expect(lateMsAfter(Array.from({ length: 40 }, () => 5000))).toBeWithin(119, 121);
  });
});
