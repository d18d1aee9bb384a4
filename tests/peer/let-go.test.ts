import { describe, expect, test } from "bun:test";
import { letGo } from "../../peer/let-go.ts";

describe("letGo", () => {
  test("letGo frees a large chunk, and one cut off its buffer's front", () => {
    const whole = new Uint8Array(100_000);
    const rest = new Uint8Array(100_000).subarray(1000);
    for (const chunk of [whole, rest]) {
      letGo(chunk);
      expect([chunk.length, chunk.buffer.byteLength]).toEqual([0, 0]);
    }
  });

  test("letGo leaves alone what others may use: what does not end its buffer, is small, or is shared", () => {
    const buffer = new Uint8Array(200_000);
    const chunks = [
      buffer.subarray(0, 100_000),
      new Uint8Array(1000),
      new Uint8Array(new SharedArrayBuffer(100_000)),
    ];
    const lengths = chunks.map((chunk) => chunk.length);
    for (const chunk of chunks) letGo(chunk);
    expect(chunks.map((chunk) => chunk.length)).toEqual(lengths);
  });
});
