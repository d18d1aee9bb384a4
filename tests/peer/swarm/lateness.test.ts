import { describe, expect, test } from "bun:test";
import { TICK_MS } from "../../../peer/swarm/engine-options.ts";
import { Lateness } from "../../../peer/swarm/lateness.ts";

/** @returns whether it is late after ticks that came so much later than they were due */
function isLateAfter(latenessMs: readonly number[]): boolean {
  const lateness = new Lateness();
  let nowMs = 1_000_000;
  lateness.onTick(nowMs);
  for (const lateMs of latenessMs) {
    nowMs += TICK_MS + lateMs;
    lateness.onTick(nowMs);
  }
  return lateness.isLate;
}

describe("Lateness", () => {
  test("isLate when ticks come late for some time, and no longer when they do not", () => {
    expect(isLateAfter(Array.from({ length: 8 }, () => 30))).toBe(true);
    expect(isLateAfter([30, 30, 30, 30, 30, 30, 0, 0, 0, 0, 0, 0])).toBe(false);
  });

  test("isLate not for one that is late, for little, before the first or for ticks that come early", () => {
    for (const latenessMs of [[], [0], [35], Array.from({ length: 50 }, () => 5), [-250, -250]])
      expect({ latenessMs, isLate: isLateAfter(latenessMs) }).toEqual({
        latenessMs,
        isLate: false,
      });
  });
});
