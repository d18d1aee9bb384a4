import { describe, expect, test } from "bun:test";
import { MemoryBudget, type SendShare } from "../../../peer/transfer/memory-budget.ts";
import { BLOCK_BYTES_MIN, PAYLOAD_BYTES_MAX } from "../../../protocol/limits.ts";
import { Random } from "../../support/fixtures.ts";

const MIB = 2 ** 20;

/** Shares of 64 MiB, of which 16 are for sending. */
function shares(count: number): { readonly memory: MemoryBudget; readonly all: SendShare[] } {
  const memory = new MemoryBudget(64 * MIB);
  return { memory, all: Array.from({ length: count }, () => memory.share()) };
}

describe("MemoryBudget", () => {
  test("MemoryBudget gives each who sends less when others send, and more when they stop", () => {
    const { memory, all } = shares(32);
    expect(memory.arrivingBytes).toBe(48 * MIB);
    for (const share of all) expect(share.blockBytes).toBe(PAYLOAD_BYTES_MAX);
    for (const share of all) share.hold(2 * 1000);
    for (const share of all) expect(share.blockBytes).toBe((16 * MIB) / 32 / 2);
    for (const share of all.slice(0, 24)) share.hold(0);
    expect(all[0]?.blockBytes).toBe(Math.floor((16 * MIB) / 9 / 2));
    expect(all[31]?.blockBytes).toBe(PAYLOAD_BYTES_MAX);
  });

  test("SRV-7: MemoryBudget gives the least block only where those who read nothing hold all there is", () => {
    const { all } = shares(50);
    for (const share of all.slice(0, 8)) share.hold(2 * MIB);
    expect(all[8]?.blockBytes).toBe(BLOCK_BYTES_MIN);
    // Who holds much already may go on with his equal share, so that he holds less.
    expect(all[0]?.blockBytes).toBe(MIB);
    all[8]?.hold(1);
    expect(all[0]?.blockBytes).toBe(Math.floor((16 * MIB) / 9 / 2));
  });

  test("MemoryBudget is not exceeded, whoever takes his share when, but by the least blocks", () => {
    const random = new Random(5);
    const { all } = shares(60);
    const held = new Map<SendShare, number>();
    for (let step = 0; step < 20_000; step++) {
      const share = all[random.below(all.length)];
      if (share === undefined) throw new Error("There is such a share");
      const bytes = random.below(4) === 0 ? 0 : 2 * random.below(share.blockBytes + 1);
      share.hold(bytes);
      held.set(share, bytes);
      const small = [...held.values()].filter((each) => each > 0 && each <= 2 * BLOCK_BYTES_MIN);
      const sum = [...held.values()].reduce((total, each) => total + each, 0);
      expect(sum).toBeLessThanOrEqual(16 * MIB + small.length * 2 * BLOCK_BYTES_MIN);
    }
  });

  test("a share that ends twice is counted out once", () => {
    const { memory, all } = shares(16);
    for (const share of all) share.hold(1000);
    for (let times = 0; times < 9; times++) all[0]?.[Symbol.dispose]();
    expect(all[1]?.blockBytes).toBe(Math.floor((16 * MIB) / 15 / 2));
    expect(memory.share().blockBytes).toBe((16 * MIB) / 16 / 2);
  });

  test("a share is never more than a piece of the limit", () => {
    expect(new MemoryBudget(64 * MIB).share(10_000).blockBytes).toBe(10_000);
  });
});
