import { describe, expect, test } from "bun:test";
import { RULES } from "../../../peer/swarm/rules.ts";
import { UploadSlots } from "../../../peer/swarm/upload-slots.ts";

/** Runs for so many seconds over lines of a given rate.
 * @param rateOf bytes a second that so many peers at a time take
 * @returns how many were served in each second */
function serve(seconds: number, rateOf: (slots: number) => number): number[] {
  const slots = new UploadSlots(RULES);
  const counts: number[] = [];
  for (let nowMs = 0; nowMs < seconds * 1000; nowMs += 250) {
    slots.review(true, nowMs);
    slots.onSent(rateOf(slots.count) / 4);
    if (nowMs % 1000 === 0) counts.push(slots.count);
  }
  return counts;
}

describe("UploadSlots", () => {
  test("count stays small where our own line is the narrow place", () => {
    const counts = serve(300, () => 10_000_000);
    expect(counts[0]).toBe(RULES.slotsMin);
    const tries = counts.filter((count) => count > RULES.slotsMin);
    expect(Math.max(...counts)).toBeLessThanOrEqual(Math.ceil(RULES.slotsMin * 1.5));
    // It tries now and then, and goes back.
    expect(tries.length).toBeGreaterThan(5);
    expect(tries.length).toBeLessThan(counts.length / 4);
  });

  test("count grows to what fills our line where the others' are narrow", () => {
    const rateOf = (slots: number) => Math.min(slots * 1_000_000, 30_000_000);
    const counts = serve(120, rateOf);
    const rates = counts.slice(30).map(rateOf);
    expect(rates.reduce((sum, rate) => sum + rate, 0) / rates.length).toBeGreaterThan(25_000_000);
  });

  test("count comes down again when the line has become narrow", () => {
    let lineBytes = 100_000_000;
    let seconds = 0;
    const counts = serve(400, (slots) => {
      seconds += 0.25;
      if (seconds > 60) lineBytes = 4_000_000;
      return Math.min(slots * 1_000_000, lineBytes);
    });
    expect(Math.max(...counts.slice(0, 60))).toBeGreaterThan(30);
    expect(counts.at(-1)).toBeLessThan(10);
  });

  test("count is left alone while nobody waits", () => {
    const slots = new UploadSlots(RULES);
    for (let nowMs = 0; nowMs < 60_000; nowMs += 250) {
      slots.onSent(slots.count * 1000);
      slots.review(false, nowMs);
    }
    expect(slots.count).toBe(RULES.slotsMin);
  });
});
