import { describe, expect, test } from "bun:test";
import { ChunkList } from "../../../peer/transfer/chunk-list.ts";
import { concat, Random, randomBytes } from "../../support/fixtures.ts";

describe("ChunkList", () => {
  test("ChunkList gives back what it was given, whatever the sizes, again and again", () => {
    const random = new Random(1);
    const list = new ChunkList();
    for (let round = 0; round < 50; round++) {
      const chunks = Array.from({ length: random.below(60) }, () =>
        randomBytes(
          random.below(1e6),
          random.below(2) === 0 ? random.below(9) : random.below(9000),
        ),
      );
      for (const chunk of chunks) list.add(chunk);
      expect(Buffer.compare(concat(list.take()), concat(chunks))).toBe(0);
      expect(list.take()).toEqual([]);
    }
  });

  test("ChunkList copies small chunks, so they hold none of the buffer they came in", () => {
    const list = new ChunkList();
    const small = new Uint8Array([1, 2, 3]);
    list.add(small);
    small.fill(9);
    expect(concat(list.take())).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("SRV-1: ChunkList holds little more memory than bytes, also for small chunks between large ones", () => {
    const list = new ChunkList();
    const large = new Uint8Array(4096);
    let bytes = 0;
    for (let times = 0; times < 256; times++) {
      list.add(large);
      list.add(Uint8Array.of(1));
      bytes += large.length + 1;
    }
    const held = list.take().reduce((sum, chunk) => sum + chunk.buffer.byteLength, 0);
    expect(held).toBeLessThan(1.1 * bytes);
  });
});
