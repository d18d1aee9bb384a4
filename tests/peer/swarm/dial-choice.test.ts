import { describe, expect, test } from "bun:test";
import type { Entry } from "../../../peer/swarm/address-entry.ts";
import { chooseToDial } from "../../../peer/swarm/dial-choice.ts";
import { addressOf, fractionsOf } from "../../support/swarm-fixtures.ts";

const DRAWS = 3000;

function entries(count: number, fields: Partial<Entry>): readonly Entry[] {
  return Array.from({ length: count }, (_, at) => ({
    address: addressOf(at),
    source: "tracker" as const,
    teller: undefined,
    state: "idle" as const,
    failures: 0,
    dialAfterMs: 0,
    attemptsMs: [],
    joinedAtMs: 0,
    isProven: false,
    isVerified: false,
    isGood: false,
    reason: undefined,
    ...fields,
  }));
}

const VERIFIED = entries(5, { isVerified: true });
const UNVERIFIED = entries(500, {});
const EXCHANGED = entries(50, { source: "exchange" });

/** @returns which part of many choices falls on each kind */
function shares(
  kinds: readonly (readonly Entry[])[],
  mayTake: Parameters<typeof chooseToDial>[1] = () => true,
): readonly number[] {
  const random = fractionsOf(1);
  const counts = kinds.map(() => 0);
  for (let draw = 0; draw < DRAWS; draw++) {
    const chosen = chooseToDial(kinds.flat(), mayTake, random);
    const kind = kinds.findIndex((some) => some.some((entry) => entry === chosen));
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts.map((count) => count / DRAWS);
}

describe("chooseToDial", () => {
  test("takes as many of each kind, however many of it there are", () => {
    for (const share of shares([VERIFIED, UNVERIFIED, EXCHANGED]))
      expect(share).toBeCloseTo(1 / 3, 1);
    for (const share of shares([VERIFIED, UNVERIFIED])) expect(share).toBeCloseTo(1 / 2, 1);
    expect(shares([UNVERIFIED])).toEqual([1]);
  });

  test("takes only those of the user, or that gave something, while there are any", () => {
    const good = entries(1, { isGood: true });
    const named = entries(1, { source: "user" });
    const [ofGood = 0, ofNamed = 0, ofOthers] = shares([good, named, VERIFIED]);
    expect(ofOthers).toBe(0);
    expect(ofGood).toBeCloseTo(1 / 2, 1);
    expect(ofNamed).toBeCloseTo(1 / 2, 1);
  });

  test("takes none of a source that has as many under way as it may, and nobody when there is nobody", () => {
    const notTracked = (source: string) => source !== "tracker";
    expect(shares([VERIFIED, UNVERIFIED, EXCHANGED], notTracked)).toEqual([0, 0, 1]);
    expect(chooseToDial(VERIFIED, notTracked, fractionsOf(1))).toBeUndefined();
    expect(chooseToDial([], () => true, fractionsOf(1))).toBeUndefined();
  });
});
