import { describe, expect, test } from "bun:test";
import { SlowReader, type Taking } from "../../../peer/transfer/slow-reader.ts";

type Sending = (second: number) => { isWaiting: boolean; bytesTaken: number };

/** @returns what it is found to be, asked four times a second for ten minutes */
function judge(at: Sending): Taking[] {
  const reader = new SlowReader();
  return Array.from({ length: 4 * 600 }, (_, quarter) =>
    reader.judge(at(quarter / 4), 5000 + quarter * 250),
  );
}

/** @returns after how many seconds it is first found so */
function foundAfter(taking: Taking, at: Sending): number {
  const quarter = judge(at).indexOf(taking);
  return quarter < 0 ? Number.POSITIVE_INFINITY : quarter / 4;
}

function slowAfter(at: Sending): number {
  return foundAfter("tooSlow", at);
}

describe("SlowReader", () => {
  test("SRV-7: judge finds who takes less than a KiB a second for a minute", () => {
    expect(slowAfter(() => ({ isWaiting: true, bytesTaken: 7e6 }))).toBe(60);
    expect(slowAfter((second) => ({ isWaiting: true, bytesTaken: second * 1000 }))).toBe(60);
    // It was fast once.
    const stops = (second: number) => ({ isWaiting: true, bytesTaken: Math.min(second, 30) * 1e6 });
    expect(slowAfter(stops)).toBe(120);
  });

  test("SRV-7's control: judge lets be who takes more, or is held back by ourselves", () => {
    expect(slowAfter((second) => ({ isWaiting: true, bytesTaken: second * 1100 }))).toBe(
      Number.POSITIVE_INFINITY,
    );
    expect(slowAfter(() => ({ isWaiting: false, bytesTaken: 0 }))).toBe(Number.POSITIVE_INFINITY);
    const rests = (second: number) => ({ isWaiting: second % 50 > 1, bytesTaken: 0 });
    expect(slowAfter(rests)).toBe(Number.POSITIVE_INFINITY);
  });

  test("judge finds who has taken nothing for two seconds stuck, until it takes something", () => {
    // Takes 1 MB in each of the first five seconds, and 1 byte in the 20th.
    const stops = (second: number) => ({
      isWaiting: true,
      bytesTaken: Math.min(Math.floor(second), 5) * 1e6 + (second < 20 ? 0 : 1),
    });
    const found = judge(stops);
    expect(found.slice(0, 7 * 4)).toEqual(found.slice(0, 7 * 4).map(() => "well"));
    expect(found.slice(7 * 4, 20 * 4)).toEqual(found.slice(7 * 4, 20 * 4).map(() => "stuck"));
    expect(found.slice(20 * 4, 23 * 4)).toEqual([
      ...Array.from({ length: 8 }, () => "well" as const),
      ...Array.from({ length: 4 }, () => "stuck" as const),
    ]);
    // Nothing is being sent: nothing has to be taken.
    expect(foundAfter("stuck", () => ({ isWaiting: false, bytesTaken: 0 }))).toBe(
      Number.POSITIVE_INFINITY,
    );
    // One that takes a little every second, as on a slow line, is not stuck.
    const slow = (second: number) => ({ isWaiting: true, bytesTaken: Math.floor(second) * 5000 });
    expect(foundAfter("stuck", slow)).toBe(Number.POSITIVE_INFINITY);
  });
});
