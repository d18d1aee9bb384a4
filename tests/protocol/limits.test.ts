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

  test("worstCaseBufferBytes grows with every peer and stays finite at the default", () => {
    const { worstCaseBufferBytes: bytes, PEERS_PER_SWARM_DEFAULT: peers } = limits;
    const perPeer =
      limits.SOCKET_READ_BUFFER_BYTES + limits.SOCKET_CHUNK_BYTES_MAX + limits.SEND_BUFFER_BYTES;
    expect(bytes(0)).toBe(limits.IN_FLIGHT_BYTES_MAX);
    expect(bytes(peers) - bytes(peers - 1)).toBe(perPeer);
    expect(bytes(peers)).toBeLessThanOrEqual(192 * 2 ** 20);
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
