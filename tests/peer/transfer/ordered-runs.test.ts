import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type OrderedBytes, OrderedRuns } from "../../../peer/transfer/ordered-runs.ts";
import { HeldBuffers, PartBuffers } from "../../../peer/transfer/part-buffers.ts";
import type { HeldRun } from "../../../peer/transfer/receive.ts";
import { InvariantError } from "../../../protocol/errors.ts";
import { Geometry, type PartRun } from "../../../protocol/geometry.ts";
import { concat, randomBytes } from "../../support/fixtures.ts";
import { runOf } from "../../support/swarm-fixtures.ts";

const PART_BYTES = 7;
const PARTS = 12;
const CONTENT = randomBytes(3, PARTS * PART_BYTES - 4);
const GEOMETRY = new Geometry({ fileBytes: CONTENT.length, partBytes: PART_BYTES });
const WHOLE = { offset: 0, length: CONTENT.length };

/** A run with its right bytes, counting what becomes of its memory. */
class FakeRun implements HeldRun {
  readonly run: PartRun;
  readonly bytes: Uint8Array;
  releases = 0;
  isKept = false;

  constructor(first: number, count = 1) {
    this.run = runOf(GEOMETRY, first, count);
    const { offset, length } = GEOMETRY.runRange(this.run);
    this.bytes = CONTENT.slice(offset, offset + length);
  }

  keep(): void {
    this.isKept = true;
  }

  release(): void {
    this.releases++;
    // Whoever reads it after this reads something else.
    this.bytes.fill(0xee);
  }
}

/** Takes all that comes, one after the other, as a pipe does. */
async function readAll(runs: OrderedRuns): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const { bytes, done } of runs.readable) {
    chunks.push(bytes.slice());
    done();
  }
  return concat(chunks);
}

/** Lets what can go on go on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe("OrderedRuns", () => {
  test("OrderedRuns gives a range's bytes in order and once, whatever came when and how often", async () => {
    const pieces = fc.array(
      fc.record({ first: fc.nat({ max: PARTS - 1 }), count: fc.integer({ min: 1, max: 4 }) }),
    );
    const range = fc.record({
      from: fc.nat({ max: CONTENT.length }),
      to: fc.nat({ max: CONTENT.length }),
    });
    await fc.assert(
      fc.asyncProperty(pieces, range, async (some, { from, to }) => {
        const [offset, end] = [Math.min(from, to), Math.max(from, to)];
        const runs = new OrderedRuns(GEOMETRY, { offset, length: end - offset });
        const taken: PartRun[] = [];
        runs.onTaken((run) => taken.push(run));
        const read = readAll(runs);
        const given = some.map(
          ({ first, count }) => new FakeRun(first, Math.min(count, PARTS - first)),
        );
        for (let part = 0; part < PARTS; part++) given.push(new FakeRun(part));
        for (const run of given) {
          runs.take(run);
          await settle();
        }
        expect(await read).toEqual(CONTENT.slice(offset, end));
        runs[Symbol.dispose]();
        expect(given.map(({ releases }) => releases)).toEqual(given.map(() => 1));
        for (const run of taken) expect(given.some((held) => held.run === run)).toBe(true);
        expect(new Set(taken).size).toBe(taken.length);
      }),
      { numRuns: 300 },
    );
  });

  test("OrderedRuns tells each run as taken, also one of which nothing was left to take", async () => {
    const runs = new OrderedRuns(GEOMETRY, WHOLE);
    const taken: number[] = [];
    runs.onTaken(({ first, count }) => taken.push(first * 100 + count));
    const read = readAll(runs);
    for (const [first, count] of [
      [4, 2],
      [1, 2],
      [0, 4],
      [2, 2],
      [6, 6],
    ] as const) // prettier
      runs.take(new FakeRun(first, count));
    expect(await read).toEqual(CONTENT);
    // Of 1 and 2 all came with the four from 0 on.
    expect(taken).toEqual([4, 102, 202, 402, 606]);
  });

  test("OrderedRuns gives memory back only when the reader is done with it", async () => {
    const runs = new OrderedRuns(GEOMETRY, WHOLE);
    const [first, second] = [new FakeRun(0, 6), new FakeRun(6, 6)];
    runs.take(first);
    runs.take(second);
    expect([first.isKept, second.isKept]).toEqual([true, true]);
    const reader = runs.readable.getReader();
    const chunk = await reader.read();
    expect([first.releases, chunk.value?.bytes]).toEqual([0, CONTENT.slice(0, 42)]);
    chunk.value?.done();
    chunk.value?.done();
    expect([first.releases, second.releases]).toEqual([1, 0]);
  });

  test("OrderedRuns says that it waits for the reader only while what comes next is here", async () => {
    const runs = new OrderedRuns(GEOMETRY, WHOLE);
    expect(runs.isReaderBehind).toBe(false);
    runs.take(new FakeRun(1, 5));
    expect(runs.isReaderBehind).toBe(false);
    runs.take(new FakeRun(0));
    expect(runs.isReaderBehind).toBe(true);
    const reader = runs.readable.getReader();
    for (const isBehind of [true, false]) {
      const { value } = await reader.read();
      expect(runs.isReaderBehind).toBe(true);
      value?.done();
      expect(runs.isReaderBehind).toBe(isBehind);
    }
  });

  test("OrderedRuns holds nobody back: what is not next waits in memory, and nothing is read ahead", async () => {
    const runs = new OrderedRuns(GEOMETRY, WHOLE);
    const given = Array.from({ length: PARTS }, (_, at) => new FakeRun(PARTS - 1 - at));
    for (const run of given) runs.take(run);
    const out: OrderedBytes[] = [];
    const stuck = Promise.withResolvers<void>();
    const piped = runs.readable.pipeTo(
      new WritableStream({
        write: async (chunk) => {
          out.push(chunk);
          await stuck.promise;
          chunk.done();
        },
      }),
    );
    await settle();
    expect(out).toHaveLength(1);
    expect(given.every(({ releases }) => releases === 0)).toBe(true);
    stuck.resolve();
    await piped;
    expect(given.every(({ releases }) => releases === 1)).toBe(true);
  });

  test("OrderedRuns that is over gives all back, and what comes afterwards", async () => {
    const runs = new OrderedRuns(GEOMETRY, WHOLE);
    const [waiting, late] = [new FakeRun(5), new FakeRun(6)];
    runs.take(waiting);
    await runs.readable.cancel("enough");
    runs.take(late);
    expect([waiting.releases, late.releases]).toEqual([1, 1]);
  });

  test("unwanted are the parts outside the range, and none of those that touch it", () => {
    const unwanted = (offset: number, length: number) =>
      [...new OrderedRuns(GEOMETRY, { offset, length }).unwanted().runs(true)].flat();
    expect(unwanted(0, CONTENT.length)).toEqual([]);
    expect(unwanted(7, 7)).toEqual([0, 1, 2, 10]);
    expect(unwanted(6, 9)).toEqual([3, 9]);
    expect(unwanted(20, 0)).toEqual([0, 12]);
    expect(unwanted(CONTENT.length - 1, 1)).toEqual([0, 11]);
    expect(() => new OrderedRuns(GEOMETRY, { offset: 1, length: CONTENT.length })).toThrow(
      InvariantError,
    );
  });

  test("a run that was kept outlives its connection's memory, and one that was not does not", () => {
    for (const isKept of [true, false]) {
      const shared = new PartBuffers(1024);
      const held = new HeldBuffers(shared);
      const buffer = held.tryTake(1024);
      if (isKept) buffer?.keep();
      held[Symbol.dispose]();
      expect([isKept, buffer?.isHeld]).toEqual([isKept, isKept]);
      expect(shared.tryTake(1024) === undefined).toBe(isKept);
      buffer?.release();
    }
  });
});
