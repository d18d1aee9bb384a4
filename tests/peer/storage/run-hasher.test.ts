import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RunHasher } from "../../../peer/storage/run-hasher.ts";
import { Geometry, type PartRun } from "../../../protocol/geometry.ts";
import { PART_DIGEST_BYTES } from "../../../protocol/part-algorithm.ts";
import { PART_ALGORITHMS } from "../../support/blake3.ts";
import { partDigest } from "../../support/crypto.ts";
import { concat, Random, randomBytes } from "../../support/fixtures.ts";

describe("RunHasher", () => {
  test("RunHasher gives each part of its runs the digest that a naive one gives, however the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PART_ALGORITHMS),
        fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1000, max: 1100 })),
        fc.integer({ min: 1, max: 60 }),
        fc.nat({ max: 11 }),
        fc.integer(),
        (algorithm, partBytes, partCount, short, seed) => {
          const fileBytes = partCount * partBytes - (short % partBytes);
          const geometry = new Geometry({ fileBytes, partBytes });
          const content = randomBytes(seed, fileBytes);
          const random = new Random(seed);
          const runs = drawRuns(geometry, random);
          const flow = concat(runs.map((run) => bytesOf(geometry, content, run)));
          const digests = new Map<number, string>();
          const hasher = new RunHasher(geometry, algorithm, runs, (run, some) => {
            const digestBytes = PART_DIGEST_BYTES[algorithm];
            expect(some.length).toBe(run.count * digestBytes);
            for (let at = 0; at < run.count; at++) {
              expect(digests.has(run.first + at)).toBe(false);
              const digest = some.subarray(at * digestBytes, (at + 1) * digestBytes);
              digests.set(run.first + at, digest.toHex());
            }
          });
          let fed = 0;
          while (fed < flow.length) {
            const end = Math.min(flow.length, fed + 1 + random.below(4 * partBytes));
            hasher.update(flow.subarray(fed, end));
            fed = end;
          }
          const parts = runs.flatMap((run) => [...geometry.partsOf(run)]);
          expect([...digests.keys()]).toEqual(parts.map(Number));
          for (const part of parts) {
            const { offset, length } = geometry.partRange(part);
            const expected = partDigest(algorithm, content.subarray(offset, offset + length));
            expect(digests.get(part)).toBe(expected.toHex());
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test("RunHasher tells of every part that is whole when its bytes end in the middle of one", () => {
    const geometry = new Geometry({ fileBytes: 100, partBytes: 10 });
    const runs = [geometry.run(0, 10)].flatMap((run) => run ?? []);
    const told: PartRun[] = [];
    const hasher = new RunHasher(geometry, "sha256", runs, (run) => told.push(run));
    hasher.update(new Uint8Array(35));
    expect(told.map(({ first, count }) => [Number(first), count])).toEqual([[0, 3]]);
    hasher.update(new Uint8Array(65));
    expect(told.reduce((sum, { count }) => sum + count, 0)).toBe(10);
  });

  test("RunHasher tells of at most some thousand parts at once, in order", () => {
    const geometry = new Geometry({ fileBytes: 20_000, partBytes: 1 });
    const runs = [geometry.run(0, 20_000)].flatMap((run) => run ?? []);
    let next = 0;
    const hasher = new RunHasher(geometry, "sha1", runs, ({ first, count }) => {
      expect(Number(first)).toBe(next);
      expect(count).toBeLessThanOrEqual(4096);
      next += count;
    });
    hasher.update(new Uint8Array(20_000));
    expect(next).toBe(20_000);
  });
});

/** @returns some runs in ascending order, perhaps with gaps */
function drawRuns(geometry: Geometry, random: Random): readonly PartRun[] {
  const runs: PartRun[] = [];
  for (let at = random.below(3); at < geometry.partCount; ) {
    const count = Math.min(1 + random.below(30), geometry.partCount - at);
    const run = geometry.run(at, count);
    if (run !== undefined) runs.push(run);
    at += count + random.below(3);
  }
  return runs;
}

function bytesOf(geometry: Geometry, content: Uint8Array, run: PartRun): Uint8Array {
  const { offset, length } = geometry.runRange(run);
  return content.subarray(offset, offset + length);
}
