import { describe, expect, test } from "bun:test";
import { RULES } from "../../../peer/swarm/rules.ts";
import { UploadSlots } from "../../../peer/swarm/upload-slots.ts";
import { fractionsOf } from "../../support/swarm-fixtures.ts";

const WAITING = { isAnyoneWaiting: true, roundTripMs: 0 };

/** Runs for so many seconds over lines of a given rate.
 * @param rateOf bytes a second that so many peers at a time take
 * @returns how many were served in each second */
function serve(seconds: number, rateOf: (slots: number) => number): number[] {
  const slots = new UploadSlots(RULES);
  const counts: number[] = [];
  for (let nowMs = 0; nowMs < seconds * 1000; nowMs += 250) {
    slots.review(WAITING, nowMs);
    slots.onArrived(rateOf(slots.count) / 4, nowMs);
    if (nowMs % 1000 === 0) counts.push(slots.count);
  }
  return counts;
}

describe("UploadSlots", () => {
  test("count stays small where our own line is the narrow place", () => {
    const counts = serve(300, () => 10_000_000);
    expect(counts[0]).toBe(RULES.slotsFirst);
    expect(Math.max(...counts)).toBeLessThanOrEqual(Math.ceil(RULES.slotsFirst * 1.5));
    expect(Math.min(...counts)).toBe(RULES.slotsMin);
    // It tries more now and then, and goes back.
    const tries = counts.filter((count, second) => count > (counts[second - 1] ?? count));
    expect(tries.length).toBeGreaterThan(5);
    expect(counts.filter((count) => count > RULES.slotsMin).length).toBeLessThan(counts.length / 3);
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

  test("count is judged by what was sent since it changed, over a long way too", () => {
    // What so many take at a time is known a second later.
    const atTheEnd = (roundTripMs: number): number => {
      const slots = new UploadSlots(RULES);
      const known: number[] = Array.from({ length: 6 }, () => 0);
      const counts: number[] = [];
      for (let nowMs = 0; nowMs < 60_000; nowMs += 250) {
        slots.review({ isAnyoneWaiting: true, roundTripMs }, nowMs);
        known.push(Math.min(slots.count * 1_000_000, 30_000_000) / 4);
        slots.onArrived(known.shift() ?? 0, nowMs);
        counts.push(slots.count);
      }
      return counts.slice(-40).reduce((sum, count) => sum + count, 0) / 40;
    };
    expect(atTheEnd(1500)).toBeGreaterThan(25);
    // Negative control: judged at once, no more seem to move any more.
    expect(atTheEnd(0)).toBeLessThan(20);
  });

  test("count is taken back, too, when all have a place by what was tried, and it moved nothing more", () => {
    const atTheEnd = (bytesPerSecond: (slots: number) => number): number => {
      const slots = new UploadSlots(RULES);
      for (let nowMs = 0; nowMs < 60_000; nowMs += 250) {
        slots.review({ isAnyoneWaiting: slots.count < 6, roundTripMs: 20 }, nowMs);
        slots.onArrived(bytesPerSecond(slots.count) / 4, nowMs);
      }
      return slots.count;
    };
    expect(atTheEnd(() => 250_000)).toBeLessThanOrEqual(RULES.slotsFirst);
    // Negative control: it moved more.
    expect(atTheEnd((slots) => Math.min(slots, 6) * 250_000)).toBe(6);
  });

  test("count is not raised by a line that only begins to carry", () => {
    const slots = new UploadSlots(RULES);
    let most = 0;
    for (let nowMs = 0; nowMs < 20_000; nowMs += 250) {
      slots.review(WAITING, nowMs);
      // What is sent first is on its way for three quarters of the first second.
      if (nowMs >= 750) slots.onArrived(1_000_000, nowMs);
      if (nowMs < 4000) most = Math.max(most, slots.count);
    }
    expect(most).toBeLessThanOrEqual(6);
    expect(slots.count).toBeLessThanOrEqual(RULES.slotsFirst);
  });

  test("count is not raised by chance where little arrives", () => {
    // A line of 256 KiB a second; it is known 64 KiB at a time, sometimes a second late.
    const random = fractionsOf(1);
    const slots = new UploadSlots(RULES);
    let late = 0;
    const counts: number[] = [];
    for (let nowMs = 0; nowMs < 600_000; nowMs += 250) {
      slots.review(WAITING, nowMs);
      late += 65_536;
      if (random() < 0.5) {
        slots.onArrived(late, nowMs);
        late = 0;
      }
      counts.push(slots.count);
    }
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    expect(mean).toBeLessThan(RULES.slotsFirst);
    expect(Math.max(...counts)).toBeLessThan(10);
  });

  test("count is left alone while nobody waits", () => {
    const slots = new UploadSlots(RULES);
    for (let nowMs = 0; nowMs < 60_000; nowMs += 250) {
      slots.onArrived(slots.count * 1000, nowMs);
      slots.review({ ...WAITING, isAnyoneWaiting: false }, nowMs);
    }
    expect(slots.count).toBe(RULES.slotsFirst);
  });
});
