import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Random } from "../../peer/clock.ts";
import type { SparseFile } from "../../peer/storage/sparse-file.ts";
import type { Bitfield } from "../../protocol/bitfield.ts";
import {
  failureOf,
  open,
  runOf,
  type Sample,
  sample,
  seededRandom,
  tempDir,
} from "../peer/storage/fixtures.ts";
import { spyDisk } from "../peer/storage/spy-disk.ts";
import { ModelDisk, type ModelOptions } from "./model-disk.ts";

/** More only make the long run. Each life of a disk is cut at a random call and found in a random legal state. */
const LIVES = Number(process.env.STORAGE_POWER_LIVES ?? 1500);
const SEED = Number(process.env.SEED ?? 20_260_102);
const FROM = sample({ fileBytes: 4800, partBytes: 200 });
const PART_COUNT = 24;
/** Draws the same part at every spot check: with so few parts, fair draws would look at all of them and hide a lie. */
const BLIND: Random = { bytes: (count) => new Uint8Array(count), below: () => 0 };

interface Counts {
  cuts: number;
  falseHaves: number;
  lostCommitted: number;
  completed: number;
  corrupt: number;
}

/** Downloads until the power is cut: some writes at once, a commit now and then, at last publishing. */
async function live(store: SparseFile, random: Random, committed: Set<number>): Promise<void> {
  const missing = Array.from({ length: PART_COUNT }, (_, part) => part).filter(
    (part) => !store.recovered.has(part),
  );
  missing.sort(() => random.below(3) - 1);
  const written: number[] = [];
  while (missing.length > 0) {
    const some = missing.splice(0, 1 + random.below(4));
    await Promise.all(some.map((part) => store.write(runOf(FROM, part))));
    written.push(...some);
    if (random.below(3) > 0) continue;
    await store.commit();
    for (const part of written) committed.add(part);
  }
  if (random.below(4) > 0) await store.publish();
}

function countFalse(from: Sample, have: Bitfield, content: Uint8Array | undefined): number {
  return [...from.torrent.geometry.parts()].filter((part) => {
    if (!have.has(part)) return false;
    const { offset, length } = from.torrent.geometry.partRange(part);
    const bytes = (content ?? new Uint8Array(0)).subarray(offset, offset + length);
    return Buffer.compare(bytes, from.content.subarray(offset, offset + length)) !== 0;
  }).length;
}

/** One download over as many lives as it takes, the power cut at the end of each but the last. */
async function survive(
  dir: string,
  random: Random,
  options: ModelOptions,
  counts: Counts,
): Promise<void> {
  let disk = new ModelDisk(options);
  const committed = new Set<number>();
  const target = join(dir, "target");
  for (let life = 0; life < 40; life++) {
    const found = disk.content(target);
    if (found !== undefined) {
      counts.completed++;
      if (Buffer.compare(found, FROM.content) !== 0) counts.corrupt++;
      return;
    }
    let calls = 0;
    const cutAt = 1 + random.below(160);
    const now = disk;
    let after: ModelDisk | undefined;
    const watched = spyDisk(now, {
      before() {
        if (++calls === cutAt) after = now.cut(random);
      },
    });
    await failureOf(liveOnce(dir, watched, now, random, committed, counts));
    if (after !== undefined) counts.cuts++;
    disk = after ?? now.cut(random);
  }
}

async function liveOnce(
  dir: string,
  watched: ReturnType<typeof spyDisk>,
  disk: ModelDisk,
  random: Random,
  committed: Set<number>,
  counts: Counts,
): Promise<void> {
  await using store = await open(dir, FROM, { disk: watched, random: BLIND });
  const content = disk.content(join(dir, "target.part"));
  counts.falseHaves += countFalse(FROM, store.recovered, content);
  counts.lostCommitted += [...committed].filter((part) => !store.recovered.has(part)).length;
  await live(store, random, committed);
}

async function run(lives: number, options: ModelOptions): Promise<Counts> {
  const counts = { cuts: 0, falseHaves: 0, lostCommitted: 0, completed: 0, corrupt: 0 };
  const random = seededRandom(SEED);
  await using dir = await tempDir();
  while (counts.cuts < lives) await survive(dir.path, random, options, counts);
  return counts;
}

describe("RES-1b", () => {
  test(`RES-1b: a download over ${LIVES} power cuts has no false part, no committed part lost, and ends complete (SEED=${SEED})`, async () => {
    const counts = await run(LIVES, {});
    expect(counts).toEqual({
      cuts: counts.cuts,
      falseHaves: 0,
      lostCommitted: 0,
      completed: counts.completed,
      corrupt: 0,
    });
    expect(counts.completed).toBeGreaterThan(LIVES / 20);
  }, 300_000);

  test("RES-1b's control: on a disk that lies about syncing the data, this test finds false parts and corrupt files", async () => {
    const counts = await run(300, { liesAbout: ".part" });
    expect(counts.falseHaves).toBeGreaterThan(0);
    expect(counts.lostCommitted).toBeGreaterThan(0);
    expect(counts.corrupt).toBeGreaterThan(0);
  }, 60_000);

  test("RES-1b: a bitmap that never really reached the disk costs hashing, not parts", async () => {
    const counts = await run(300, { liesAbout: ".bitmap.tmp" });
    expect([counts.falseHaves, counts.lostCommitted, counts.corrupt]).toEqual([0, 0, 0]);
  }, 60_000);
});
