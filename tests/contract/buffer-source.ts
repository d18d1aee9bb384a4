import { describe, expect, test } from "bun:test";
import type { BufferSource, PartBuffer } from "../../peer/transfer/part-buffers.ts";
import { failureOf } from "../support/eventually.ts";
import { Random } from "../support/fixtures.ts";

/** Of every source under test: the longest buffer, and how many of that length there are. */
export const LONGEST_BYTES = 1000;
export const LONGEST_COUNT = 16;

/** What every BufferSource promises, however it shares its memory out. */
export function describeBufferSource(name: string, create: () => BufferSource): void {
  const never = new AbortController().signal;

  function drain(source: BufferSource): PartBuffer[] {
    const all: PartBuffer[] = [];
    for (let next = source.tryTake(LONGEST_BYTES); next !== undefined; ) {
      all.push(next);
      next = source.tryTake(LONGEST_BYTES);
    }
    return all;
  }

  /** What its holder wrote stands in it still. */
  function giveBack(buffer: PartBuffer | undefined): void {
    for (const byte of buffer?.bytes ?? []) expect(byte).toBe(buffer?.bytes[0] ?? -1);
    buffer?.release();
  }

  describe(`BufferSource ${name}`, () => {
    test("tryTake gives exactly the length, and never a byte twice", () => {
      const random = new Random(5);
      const source = create();
      const held: PartBuffer[] = [];
      for (let step = 0; step < 2000; step++) {
        const bytes = 1 + random.below(LONGEST_BYTES);
        const taken = random.below(3) > 0 ? source.tryTake(bytes) : undefined;
        if (taken === undefined) {
          giveBack(held.splice(random.below(Math.max(1, held.length)), 1)[0]);
          continue;
        }
        expect([taken.isHeld, taken.bytes.length]).toEqual([true, bytes]);
        held.push(taken);
        taken.bytes.fill(step);
      }
      expect(held.length).toBeGreaterThan(3);
    });

    test("tryTake gives all there is, and again when it was given back", () => {
      const source = create();
      for (let round = 0; round < 3; round++) {
        const all = drain(source);
        expect(all).toHaveLength(LONGEST_COUNT);
        for (const buffer of all) buffer.release();
      }
    });

    test("release twice gives back once", () => {
      const source = create();
      const [first] = drain(source);
      first?.release();
      const second = source.tryTake(LONGEST_BYTES);
      first?.release();
      expect([first?.isHeld, second?.isHeld]).toEqual([false, true]);
      expect(source.tryTake(LONGEST_BYTES)).toBeUndefined();
    });

    test("take waits for room, in turn, and tryTake does not overtake it", async () => {
      const source = create();
      const all = drain(source);
      const order: number[] = [];
      const waiting = [1, 2].map((number) =>
        source.take(LONGEST_BYTES, never).then(() => order.push(number)),
      );
      expect(source.tryTake(1)).toBeUndefined();
      for (const buffer of all.slice(0, 2)) buffer.release();
      await Promise.all(waiting);
      expect(order).toEqual([1, 2]);
    });

    test("take fails with the signal's reason, and leaves the line to the next", async () => {
      const source = create();
      const all = drain(source);
      const stop = new AbortController();
      const first = failureOf(source.take(LONGEST_BYTES, stop.signal));
      const second = source.take(LONGEST_BYTES, never);
      stop.abort(new Error("enough"));
      expect(await first).toEqual(new Error("enough"));
      all[0]?.release();
      expect((await second).isHeld).toBe(true);
    });
  });
}
