import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import {
  type BufferSource,
  EqualBuffers,
  HeldBuffers,
  type PartBuffer,
  PartBuffers,
} from "../../../peer/transfer/part-buffers.ts";
import { failureOf } from "../../support/eventually.ts";
import { Random } from "../../support/fixtures.ts";

const NEVER = new AbortController().signal;

/** @returns what the collector takes for living, right after it has looked */
function livingBytes(): number {
  Bun.gc(true);
  return heapStats().heapSize;
}

function overlaps(left: PartBuffer, right: PartBuffer): boolean {
  const [from, to] = [left, right].map(({ bytes }) => bytes.byteOffset) as [number, number];
  return from < to + right.bytes.length && to < from + left.bytes.length;
}

describe("PartBuffers", () => {
  test("PartBuffers never gives out a byte twice, and all of it again in the end, whatever the order", () => {
    const random = new Random(3);
    const buffers = new PartBuffers(100_000);
    const held: PartBuffer[] = [];
    for (let step = 0; step < 5000; step++) {
      if (random.below(5) < 3) {
        const bytes = 1 + random.below(2 ** random.below(16));
        const taken = buffers.tryTake(bytes);
        if (taken === undefined) continue;
        expect(taken.bytes.length).toBe(bytes);
        expect(held.some((other) => overlaps(other, taken))).toBe(false);
        held.push(taken);
      } else held.splice(random.below(Math.max(1, held.length)), 1)[0]?.release();
    }
    expect(held.length).toBeGreaterThan(3);
    for (const buffer of held) buffer.release();
    expect(buffers.usedBytes).toBe(0);
    expect(buffers.tryTake(100_000)?.bytes.length).toBe(100_000);
  });

  test("PartBuffers gives the lowest memory first, so that what is never needed is never touched", () => {
    const buffers = new PartBuffers(1_000_000);
    for (let round = 0; round < 100; round++) {
      const two = [buffers.tryTake(1000), buffers.tryTake(1000)];
      for (const buffer of two) expect(buffer?.bytes.byteOffset).toBeLessThan(2048);
      for (const buffer of two) buffer?.release();
    }
  });

  test("PartBuffers grows as far as it is used", () => {
    const mib = 2 ** 20;
    const buffers = new PartBuffers(48 * mib);
    expect(buffers.memory.byteLength).toBe(0);
    const taken = Array.from({ length: 10 }, () => buffers.tryTake(mib));
    for (const buffer of taken) buffer?.bytes.fill(7);
    expect(buffers.memory.byteLength).toBe(10 * mib);
    expect(buffers.tryTake(38 * mib)?.bytes.length).toBe(38 * mib);
    expect(buffers.tryTake(1)).toBeUndefined();
    expect(taken.map((buffer) => buffer?.bytes[mib - 1])).toEqual(taken.map(() => 7));
  });

  test("PartBuffers that is hardly used is hardly anything to the collector, however large it may grow", () => {
    const [mib, before] = [2 ** 20, livingBytes()];
    const buffers = new PartBuffers(48 * mib);
    buffers.tryTake(mib)?.bytes.fill(7);
    const after = livingBytes();
    expect(after - before).toBeLessThan(5 * mib);
    expect(buffers.usedBytes).toBe(mib);
    // Negative control: all of it at once.
    const whole = new SharedArrayBuffer(48 * mib);
    expect(livingBytes() - after).toBeGreaterThan(40 * mib);
    expect(whole.byteLength).toBe(48 * mib);
  });

  test("release twice gives back once", () => {
    const buffers = new PartBuffers(2048);
    const first = buffers.tryTake(1024);
    first?.release();
    const second = buffers.tryTake(1024);
    first?.release();
    expect([first?.isHeld, second?.isHeld, buffers.usedBytes]).toEqual([false, true, 1024]);
  });

  test("take waits its turn: a small one does not overtake a large one", async () => {
    const buffers = new PartBuffers(4096);
    const all = [0, 1, 2, 3].map(() => buffers.tryTake(1024));
    const order: string[] = [];
    const large = buffers.take(3072, NEVER).then((buffer) => {
      order.push("large");
      return buffer;
    });
    const small = buffers.take(64, NEVER).then(() => order.push("small"));
    all[0]?.release();
    await Bun.sleep(1);
    expect([order, buffers.tryTake(64)]).toEqual([[], undefined]);
    all[1]?.release();
    all[2]?.release();
    (await large).release();
    await small;
    expect(order).toEqual(["large", "small"]);
  });

  test("take that is aborted leaves the line to the next", async () => {
    const buffers = new PartBuffers(1024);
    const half = buffers.tryTake(512);
    const stop = new AbortController();
    const large = failureOf(buffers.take(1024, stop.signal));
    const small = buffers.take(512, NEVER);
    stop.abort(new Error("enough"));
    expect(await large).toEqual(new Error("enough"));
    expect((await small).bytes.length).toBe(512);
    expect(await failureOf(buffers.take(1, stop.signal))).toEqual(new Error("enough"));
    half?.release();
    expect(buffers.usedBytes).toBe(512);
  });
});

/** A short run, then long ones until the memory is full; then the short one goes.
 * @returns whether there is room for a long one again */
function fitsAfterShort(source: BufferSource, longs: number): boolean {
  const short = source.tryTake(64);
  for (let count = 0; count < longs; count++) expect(source.tryTake(1024)).toBeDefined();
  short?.release();
  return source.tryTake(1024) !== undefined;
}

describe("EqualBuffers", () => {
  test("EqualBuffers has room for as many as it says, whatever short ones were among them", () => {
    const buffers = new EqualBuffers(new PartBuffers(4096), 1024);
    expect(buffers.count).toBe(4);
    expect(fitsAfterShort(buffers, 3)).toBe(true);
    // The control: of lengths as they come, the hole that is left is too short.
    expect(fitsAfterShort(new PartBuffers(4096), 3)).toBe(false);
  });

  test("EqualBuffers counts what its buffers take, not what is asked for", () => {
    expect(new EqualBuffers(new PartBuffers(4096), 1025).count).toBe(3);
    expect(new EqualBuffers(new PartBuffers(4096), 4096).count).toBe(1);
  });
});

describe("HeldBuffers", () => {
  test("HeldBuffers gives all back at its end, also what it gets only afterwards", async () => {
    const shared = new PartBuffers(4096);
    const held = new HeldBuffers(shared);
    const one = held.tryTake(1024);
    const two = held.tryTake(1024);
    two?.release();
    const filler = shared.tryTake(3072);
    const late = held.take(512, NEVER);
    held[Symbol.dispose]();
    expect([one?.isHeld, two?.isHeld]).toEqual([false, false]);
    expect((await late).isHeld).toBe(false);
    filler?.release();
    expect(shared.usedBytes).toBe(0);
  });
});
