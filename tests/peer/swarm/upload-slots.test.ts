import { describe, expect, test } from "bun:test";
import { RULES } from "../../../peer/swarm/rules.ts";
import { type Served, UploadSlots } from "../../../peer/swarm/upload-slots.ts";
import { fractionsOf } from "../../support/swarm-fixtures.ts";

const SPAN_BYTES = 256 * 1024;
/** A seed with many who want something of it. */
const WAITING: Served = { isAnyoneWaiting: true, customers: 100, roundTripMs: 0, isSeed: true };

function createSlots(): UploadSlots {
  return new UploadSlots(RULES, SPAN_BYTES);
}

/** Runs for so many seconds over lines of a given rate.
 * @param rateOf bytes a second that so many peers at a time take
 * @returns how many were served in each second */
function serve(seconds: number, rateOf: (slots: number) => number): number[] {
  const slots = createSlots();
  const counts: number[] = [];
  for (let nowMs = 0; nowMs < seconds * 1000; nowMs += 250) {
    slots.review(WAITING, nowMs);
    slots.onArrived(rateOf(slots.count) / 4, nowMs);
    if (nowMs % 1000 === 0) counts.push(slots.count);
  }
  return counts;
}

describe("UploadSlots", () => {
  test.each([
    ["of 10 MB/s", 10_000_000, { first: RULES.slotsFirst, few: 2, most: 6 }],
    // A span takes a second there.
    ["of 256 KiB/s", SPAN_BYTES, { first: 1, few: 1, most: 2 }],
  ])(
    "count stays small where our own line is the narrow place: one %s",
    (_, rate, { first, few, most }) => {
      const counts = serve(600, () => rate);
      expect(counts[0]).toBe(1);
      expect(counts[3]).toBe(first);
      expect(Math.max(...counts)).toBe(most);
      expect(Math.min(...counts.slice(3))).toBe(few);
      // It tries more now and then, and goes back; the longer that was no use, the more seldom.
      const tries = counts.flatMap((count, at) => (count > (counts[at - 1] ?? count) ? [at] : []));
      expect(tries.length).toBeGreaterThan(4);
      expect(tries.length).toBeLessThan(20);
      expect(counts.filter((count) => count > few).length).toBeLessThan(counts.length / 5);
    },
  );

  test.each([
    ["a seed among many", { customers: 100, isSeed: true }, 20, RULES.slotsFirst],
    ["a seed among eight", { customers: 8, isSeed: true }, 20, 2],
    // Who is served beside everybody else has nobody to give it on to.
    ["a seed among four", { customers: 4, isSeed: true }, 20, 1],
    ["one that has not everything, among four", { customers: 4, isSeed: false }, 20, 4],
    ["a seed whose line carries 400 spans a second", { customers: 4, isSeed: true }, 400, 4],
    ["a line of 4 spans a second", { customers: 100, isSeed: true }, 4, 2],
    ["a line of a span a second", { customers: 100, isSeed: false }, 1, 1],
  ])("count is one until the line is known, then what suits %s", (_, who, spans, first) => {
    const slots = createSlots();
    const served = { ...WAITING, ...who };
    for (let nowMs = 0; nowMs < 500; nowMs += 50) {
      slots.review(served, nowMs);
      expect(slots.count).toBe(1);
      slots.onArrived(0, nowMs);
    }
    slots.onArrived(spans * SPAN_BYTES, 1000);
    slots.review(served, 1000);
    expect(slots.count).toBe(first);
  });

  test("SRV-7: count rises while nothing arrives at all, and falls to one when something does", () => {
    const slots = createSlots();
    const counts: number[] = [];
    for (let nowMs = 0; nowMs < 4000; nowMs += 250) {
      slots.review(WAITING, nowMs);
      if (nowMs % 500 === 0) counts.push(slots.count);
    }
    expect(counts).toEqual([1, 2, 3, 4, 4, 4, 4, 4]);
    slots.onArrived(65_536, 4000);
    slots.review(WAITING, 4000);
    expect(slots.count).toBe(1);
    // Negative control: nobody waits who could be served besides.
    const alone = createSlots();
    for (let nowMs = 0; nowMs < 4000; nowMs += 250)
      alone.review({ ...WAITING, isAnyoneWaiting: false }, nowMs);
    expect(alone.count).toBe(1);
  });

  test("count grows to what fills our line where the others' are narrow", () => {
    const rateOf = (slots: number) => Math.min(slots * 1_000_000, 30_000_000);
    const counts = serve(120, rateOf);
    const rates = counts.slice(30).map(rateOf);
    expect(rates.reduce((sum, rate) => sum + rate, 0) / rates.length).toBeGreaterThan(25_000_000);
  });

  test("count is tried anew as soon as much less moves than when more were not worth it", () => {
    /** What others' buffers and limits take at once hides for two seconds that more would move more. */
    const serveAfter = (bytesPerSecond: (slots: number) => number): number[] => {
      let quarters = 0;
      return serve(20, (slots) => (quarters++ < 8 ? 1_700_000 : bytesPerSecond(slots)));
    };
    const counts = serveAfter((slots) => Math.min(slots, 4) * 500_000);
    expect(counts[3]).toBe(1);
    expect(Math.max(...counts.slice(0, 10))).toBeGreaterThan(1);
    expect(counts.at(-1)).toBeGreaterThanOrEqual(4);
    // Negative control: as long as as much moves as then, the count rests.
    expect(Math.max(...serveAfter(() => 1_700_000).slice(3, 12))).toBe(1);
  });

  test("count grows without a trial while far less moves than our line is known to carry", () => {
    /** At first each takes 8 MB/s; then less, and each second another's line is busy, so that no trial shows anything. */
    const serveAfter = (each: number): number[] => {
      let quarters = 0;
      return serve(20, (slots) => {
        const second = Math.floor(quarters++ / 4);
        if (second < 4) return 8_000_000;
        return Math.min(slots * each, 8_000_000) * (second % 2 === 0 ? 1 : 0.85);
      });
    };
    const counts = serveAfter(500_000);
    expect(counts.at(-1)).toBeGreaterThanOrEqual(12);
    // Then it rests for ten seconds before it tries anything.
    const enough = counts.indexOf(Math.max(...counts.slice(0, 10)));
    expect(new Set(counts.slice(enough, enough + 10)).size).toBe(1);
    // Negative control: when few fill it, they stay few.
    expect(serveAfter(4_000_000).at(-1)).toBeLessThanOrEqual(4);
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
      const slots = createSlots();
      const known: number[] = Array.from({ length: 6 }, () => 0);
      const counts: number[] = [];
      for (let nowMs = 0; nowMs < 18_000; nowMs += 250) {
        slots.review({ ...WAITING, roundTripMs }, nowMs);
        known.push(Math.min(slots.count * 1_000_000, 30_000_000) / 4);
        slots.onArrived(known.shift() ?? 0, nowMs);
        counts.push(slots.count);
      }
      return counts.slice(-20).reduce((sum, count) => sum + count, 0) / 20;
    };
    expect(atTheEnd(1500)).toBeGreaterThan(25);
    // Negative control: judged at once, no more seem to move any more.
    expect(atTheEnd(0)).toBeLessThan(5);
  });

  test("count is taken back, too, when all have a place by what was tried, and it moved nothing more", () => {
    const atTheEnd = (bytesPerSecond: (slots: number) => number): number => {
      const slots = createSlots();
      for (let nowMs = 0; nowMs < 60_000; nowMs += 250) {
        const isAnyoneWaiting = slots.count < 6;
        slots.review({ ...WAITING, isAnyoneWaiting, customers: 6, roundTripMs: 20 }, nowMs);
        slots.onArrived(bytesPerSecond(slots.count) / 4, nowMs);
      }
      return slots.count;
    };
    expect(atTheEnd(() => 250_000)).toBeLessThanOrEqual(RULES.slotsFirst);
    // Negative control: it moved more.
    expect(atTheEnd((slots) => Math.min(slots, 6) * 250_000)).toBeGreaterThanOrEqual(6);
  });

  test("count is not raised for what moves too little when nobody waits any more", () => {
    /** 8 s of them; what is more than at first moves next to nothing. */
    const afterTrial = (isAnyoneWaiting: boolean): number => {
      const slots = createSlots();
      const first = RULES.slotsFirst;
      for (let nowMs = 0; nowMs < 8000; nowMs += 250) {
        const isTried = slots.count > first;
        slots.review({ ...WAITING, isAnyoneWaiting: !isTried || isAnyoneWaiting }, nowMs);
        slots.onArrived(isTried ? 100_000 : 2_000_000, nowMs);
      }
      return slots.count / first;
    };
    expect(afterTrial(false)).toBe(1);
    // Negative control.
    expect(afterTrial(true)).toBeGreaterThan(1);
  });

  test("count is not raised by a line that only begins to carry", () => {
    const slots = createSlots();
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
    const slots = createSlots();
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
    const slots = createSlots();
    for (let nowMs = 0; nowMs < 60_000; nowMs += 250) {
      slots.onArrived(slots.count * 1_000_000, nowMs);
      slots.review({ ...WAITING, isAnyoneWaiting: false }, nowMs);
    }
    expect(slots.count).toBe(RULES.slotsMin);
  });
});
