import { describe, expect, test } from "bun:test";
import { MemoryBudget } from "../../../peer/transfer/memory-budget.ts";
import { PAYLOAD_BYTES_MAX } from "../../../protocol/limits.ts";

const MIB = 2 ** 20;

describe("MemoryBudget", () => {
  test("MemoryBudget gives each connection less when others come, and more when they go", () => {
    const memory = new MemoryBudget(64 * MIB);
    expect(memory.arrivingBytes).toBe(48 * MIB);
    expect(memory.blockBytes).toBe(PAYLOAD_BYTES_MAX);
    const members = Array.from({ length: 32 }, () => memory.join());
    expect(memory.blockBytes).toBe((16 * MIB) / 32 / 2);
    for (const member of members.slice(0, 24)) member[Symbol.dispose]();
    expect(memory.blockBytes).toBe(PAYLOAD_BYTES_MAX);
  });

  test("a member that leaves twice is counted out once", () => {
    const memory = new MemoryBudget(64 * MIB);
    const members = Array.from({ length: 16 }, () => memory.join());
    for (let times = 0; times < 9; times++) members[0]?.[Symbol.dispose]();
    expect(memory.blockBytes).toBe(Math.floor((16 * MIB) / 15 / 2));
  });
});
