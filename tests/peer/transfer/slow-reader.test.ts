import { describe, expect, test } from "bun:test";
import { SlowReader } from "../../../peer/transfer/slow-reader.ts";

/** @returns after how many seconds it is found too slow, asked four times a second for ten minutes */
function slowAfter(at: (second: number) => { isWaiting: boolean; bytesTaken: number }): number {
  const reader = new SlowReader();
  for (let quarter = 0; quarter < 4 * 600; quarter++)
    if (reader.isTooSlow(at(quarter / 4), 5000 + quarter * 250)) return quarter / 4;
  return Number.POSITIVE_INFINITY;
}

describe("SlowReader", () => {
  test("SRV-7: isTooSlow finds who takes less than a KiB a second for a minute", () => {
    expect(slowAfter(() => ({ isWaiting: true, bytesTaken: 7e6 }))).toBe(60);
    expect(slowAfter((second) => ({ isWaiting: true, bytesTaken: second * 1000 }))).toBe(60);
    // It was fast once.
    const stops = (second: number) => ({ isWaiting: true, bytesTaken: Math.min(second, 30) * 1e6 });
    expect(slowAfter(stops)).toBe(120);
  });

  test("SRV-7's control: isTooSlow lets be who takes more, or is held back by ourselves", () => {
    expect(slowAfter((second) => ({ isWaiting: true, bytesTaken: second * 1100 }))).toBe(
      Number.POSITIVE_INFINITY,
    );
    expect(slowAfter(() => ({ isWaiting: false, bytesTaken: 0 }))).toBe(Number.POSITIVE_INFINITY);
    const rests = (second: number) => ({ isWaiting: second % 50 > 1, bytesTaken: 0 });
    expect(slowAfter(rests)).toBe(Number.POSITIVE_INFINITY);
  });
});
