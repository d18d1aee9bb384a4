import { describe, expect, test } from "bun:test";
import { assert, InvariantError } from "../../protocol/errors.ts";
import * as limits from "../../protocol/limits.ts";

describe("limits", () => {
  test("every limit is a whole number above zero", () => {
    const numbers = Object.entries(limits).filter(([, value]) => typeof value === "number");
    expect(numbers.length).toBeGreaterThan(20);
    for (const [name, value] of numbers) {
      expect([name, Number.isSafeInteger(value) && Number(value) > 0]).toEqual([name, true]);
    }
  });

  test("the memory's two shares stay within it while blocks can shrink, and blocks within a payload", () => {
    const { arrivingBytesMax, blockBytesFor, BLOCK_BYTES_MIN, MEMORY_BYTES_MIN } = limits;
    for (const memory of [MEMORY_BYTES_MIN, limits.MEMORY_BYTES_DEFAULT, 2 ** 32]) {
      for (const connections of [0, 1, 7, 50, 5000]) {
        const block = blockBytesFor(memory, connections);
        expect(block).toBeGreaterThanOrEqual(BLOCK_BYTES_MIN);
        expect(block).toBeLessThanOrEqual(limits.PAYLOAD_BYTES_MAX);
        const sending = block * limits.BLOCKS_PER_CONNECTION * connections;
        if (block > BLOCK_BYTES_MIN)
          expect(arrivingBytesMax(memory) + sending).toBeLessThanOrEqual(memory);
      }
    }
  });

  test("a torrent of the most SHA-1 parts fits TORRENT_BYTES_MAX", () => {
    // Two quotes and a comma around 40 digits; the largest SHA-256 torrent has 1,001,000 parts or so.
    expect(limits.PARTS_MAX * 43 + 4096).toBeLessThanOrEqual(limits.TORRENT_BYTES_MAX);
  });
});

describe("assert", () => {
  test("assert throws an InvariantError with its message, and only when the condition fails", () => {
    expect(() => assert(true, "holds")).not.toThrow();
    expect(() => assert(false, "does not hold")).toThrow(new InvariantError("does not hold"));
    const error = new InvariantError("why");
    expect([error.name, error.code, error.message]).toEqual(["InvariantError", "invariant", "why"]);
  });
});
