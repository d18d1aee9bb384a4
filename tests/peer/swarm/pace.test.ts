import { describe, expect, test } from "bun:test";
import { Pace, type Sharer } from "../../../peer/swarm/pace.ts";

const MIB = 2 ** 20;

function paceOf(bytesPerSecond: number | undefined): Pace {
  return new Pace({ bytesPerSecond, paceMs: 4000 });
}

function sharer(given: Partial<Sharer>): Sharer {
  return { owedBytes: 2 * MIB, busyMs: 5000, bytesPerSecond: 1000, ...given };
}

describe("Pace", () => {
  test("share counts of a slow peer what it will deliver, and of all others what they owe", () => {
    const pace = paceOf(MIB);
    const share = (given: Partial<Sharer>, sharers = 4) => pace.share(sharer(given), sharers);
    expect(share({ bytesPerSecond: 1000 })).toBe(4000);
    // One that has said nothing at all will not begin now.
    expect(share({ bytesPerSecond: 0 })).toBe(0);
    expect(share({ bytesPerSecond: 100_000, owedBytes: 300_000 })).toBe(300_000);
    // Half of what is its own: the limit makes it look slow, and it is not.
    expect(share({ bytesPerSecond: MIB / 8 })).toBe(2 * MIB);
    expect(share({ bytesPerSecond: MIB / 8 - 1 })).toBeLessThan(MIB);
    // It has hardly been asked.
    expect(share({ bytesPerSecond: 0, busyMs: 1999 })).toBe(2 * MIB);
  });

  test("isSlow says nothing where a turn of the limit takes as long as what was measured", () => {
    const slow = sharer({ bytesPerSecond: 0 });
    expect(paceOf(MIB).isSlow(slow, 20)).toBe(true);
    expect(paceOf(MIB).isSlow(slow, 21)).toBe(false);
    expect(paceOf(20_480).isSlow(slow, 5)).toBe(true);
    expect(paceOf(20_480).isSlow(slow, 6)).toBe(false);
    expect(paceOf(1024).isSlow(slow, 1)).toBe(false);
    expect(paceOf(undefined).isSlow(slow, 1)).toBe(false);
  });

  test("allows what the limit lets pass in the time, and one request while less than half of it is under way", () => {
    const pace = paceOf(MIB);
    expect(pace.allows(MIB, 3 * MIB, 0)).toBe(true);
    expect(pace.allows(MIB, 3 * MIB + 1, 0)).toBe(false);
    expect(pace.allows(16 * MIB, 2 * MIB, 0)).toBe(true);
    expect(pace.allows(16 * MIB, 2 * MIB + 1, 0)).toBe(false);
    expect(pace.runsDry(MIB - 1)).toBe(true);
    expect(pace.runsDry(MIB)).toBe(false);
  });

  test("allows any amount once the limit has made nobody wait for the time", () => {
    const pace = paceOf(MIB);
    expect(pace.allows(MIB, 9 * MIB, 1000)).toBe(false);
    expect(pace.allows(MIB, 9 * MIB, 4999)).toBe(false);
    expect(pace.allows(MIB, 9 * MIB, 5000)).toBe(true);
    pace.review(true, 6000);
    expect(pace.allows(MIB, 9 * MIB, 9999)).toBe(false);
    pace.review(false, 9999);
    expect(pace.allows(MIB, 9 * MIB, 10_000)).toBe(true);
  });

  test("a pace without a limit allows everything and calls nobody slow", () => {
    const pace = paceOf(undefined);
    expect(pace.isLimited).toBe(false);
    expect(pace.allows(MIB, 2 ** 50, 0)).toBe(true);
    expect(pace.share(sharer({ bytesPerSecond: 0 }), 3)).toBe(2 * MIB);
  });
});
