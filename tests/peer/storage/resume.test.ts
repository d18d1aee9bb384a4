import { describe, expect, test } from "bun:test";
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Random } from "../../../peer/clock.ts";
import { decodeBitmap, encodeBitmap, type SavedBitmap } from "../../../peer/storage/bitmap-file.ts";
import { readProgress } from "../../../peer/storage/resume.ts";
import type { SparseFile } from "../../../peer/storage/sparse-file.ts";
import { systemDisk } from "../../../peer/storage/system-disk.ts";
import { Bitfield } from "../../../protocol/bitfield.ts";
import { crypto, open, runOf, type Sample, sample, seededRandom, tempDir } from "./fixtures.ts";

/** 40 parts of 256 bytes in one span. */
const SMALL = sample();
/** 12 parts that are a span each. */
const LARGE = sample({ fileBytes: 12 * 300_000, partBytes: 300_000 });

function bits(length: number, ...set: readonly number[]): Bitfield {
  const field = new Bitfield(length);
  for (const bit of set) field.set(bit);
  return field;
}

function indices(field: Bitfield): number[] {
  return Array.from({ length: field.length }, (_, at) => at).filter((at) => field.has(at));
}

async function filesOf(dir: string, ending: string): Promise<string[]> {
  const names = await readdir(join(dir, "state"));
  return names.filter((name) => name.endsWith(ending)).map((name) => join(dir, "state", name));
}

async function fileOf(dir: string, ending: string): Promise<string> {
  const [path] = await filesOf(dir, ending);
  if (path === undefined) throw new Error(`No ${ending} in ${dir}`);
  return path;
}

/** Makes a directory look as a kill leaves it: everything as it is now, but no lock. */
async function killed(dir: string, into: string, store: SparseFile): Promise<void> {
  const bitmap = await readFile(await fileOf(dir, ".bitmap"));
  const intent = await readFile(await fileOf(dir, ".intent"));
  const names = [await fileOf(dir, ".bitmap"), await fileOf(dir, ".intent")];
  await store.close();
  await writeFile(names[0] ?? "", bitmap);
  await writeFile(names[1] ?? "", intent);
  if (into !== dir) await cp(dir, into, { recursive: true });
}

/** @returns a copy with up to six bytes changed, sometimes cut short */
function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  const mutated = bytes.slice(0, random.below(4) === 0 ? random.below(bytes.length) : undefined);
  for (let count = random.below(6); count >= 0; count--) {
    if (mutated.length > 0) mutated[random.below(mutated.length)] = random.below(256);
  }
  return mutated;
}

/** Makes the checksum right again; false when there is no room for one. */
function reseal(bytes: Uint8Array): boolean {
  if (bytes.length < 32) return false;
  const checked = bytes.length - 32;
  bytes.set(crypto.sha256(bytes.subarray(0, checked)), checked);
  return true;
}

describe("SavedBitmap", () => {
  const saved: SavedBitmap = {
    generation: 77,
    isClean: true,
    file: { dev: 2n ** 63n + 5n, ino: 123n, mtimeNs: 1_795_338_653_063_958_763n },
    have: bits(40, 0, 3, 39),
    last: bits(40, 3),
  };

  test("encodeBitmap and decodeBitmap agree", () => {
    const decoded = decodeBitmap(crypto, SMALL.torrent, encodeBitmap(crypto, SMALL.torrent, saved));
    expect(decoded).toEqual(saved);
  });

  test("RES-2: decodeBitmap doubts every single flipped bit and every truncation", () => {
    const bytes = encodeBitmap(crypto, SMALL.torrent, saved);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeBitmap(crypto, SMALL.torrent, flipped)).toBe("bad_journal");
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeBitmap(crypto, SMALL.torrent, bytes.subarray(0, length))).toBe("bad_journal");
    }
  });

  test("RES-2: decodeBitmap doubts 100,000 random mutations, also those with a right checksum", () => {
    const random = seededRandom(3);
    const bytes = encodeBitmap(crypto, SMALL.torrent, saved);
    let believed = 0;
    for (let round = 0; round < 100_000; round++) {
      const mutated = mutate(bytes, random);
      const isResealed = round % 2 === 0 && reseal(mutated);
      const decoded = decodeBitmap(crypto, SMALL.torrent, mutated);
      if (typeof decoded === "string") continue;
      // Whoever can make the checksum right can set bits, nothing else: the torrent and the sizes hold.
      believed++;
      expect(isResealed || Buffer.compare(mutated, bytes) === 0).toBe(true);
      expect(decoded.have.length).toBe(40);
    }
    expect(believed).toBeGreaterThan(0);
  });

  test("decodeBitmap doubts what was saved for another torrent, size or part size", () => {
    const bytes = encodeBitmap(crypto, SMALL.torrent, saved);
    for (const other of [
      sample({ seed: 2 }),
      sample({ fileBytes: 9_999 }),
      sample({ fileBytes: 40 * 128, partBytes: 128 }),
    ]) {
      expect(decodeBitmap(crypto, other.torrent, bytes)).toBe("other_torrent");
    }
  });
});

describe("openDownload", () => {
  test("openDownload believes a download that was closed in order, without hashing", async () => {
    await using dir = await tempDir();
    const first = await open(dir.path, SMALL);
    expect(first.recheck).toEqual({ reason: "fresh", bytesHashed: 0 });
    await first.write(runOf(SMALL, 5, 10));
    await first.close();
    await using second = await open(dir.path, SMALL);
    expect(second.recheck).toEqual({ reason: "clean", bytesHashed: 0 });
    expect(indices(second.recovered)).toEqual([5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
  });

  test("openDownload after a kill hashes what was begun, not the holes", async () => {
    await using dir = await tempDir();
    const first = await open(dir.path, LARGE);
    for (const part of [2, 3, 7]) await first.write(runOf(LARGE, part));
    await killed(dir.path, dir.path, first);
    await using second = await open(dir.path, LARGE);
    expect(second.recheck).toEqual({ reason: "unclean", bytesHashed: 3 * 300_000 });
    expect(indices(second.recovered)).toEqual([2, 3, 7]);
  });

  test("openDownload after a kill hashes the last generation and some of the rest again", async () => {
    await using dir = await tempDir();
    const first = await open(dir.path, LARGE);
    for (const parts of [[0, 1], [4], [8, 9]]) {
      for (const part of parts) await first.write(runOf(LARGE, part));
      if (!parts.includes(8)) await first.commit();
    }
    await killed(dir.path, dir.path, first);
    const random = { ...seededRandom(1), below: () => 0 };
    await using second = await open(dir.path, LARGE, { random });
    // Not had: 8, 9. Last generation: 4. Drawn: always the first, 0.
    expect(second.recheck).toEqual({ reason: "unclean", bytesHashed: 4 * 300_000 });
    expect(indices(second.recovered)).toEqual([0, 1, 4, 8, 9]);
  });

  test("openDownload hashes everything when a spot check fails, and loses only what is wrong", async () => {
    await using dir = await tempDir();
    const first = await open(dir.path, LARGE);
    for (const part of [0, 1, 2]) await first.write(runOf(LARGE, part));
    await first.commit();
    await first.write(runOf(LARGE, 3));
    await first.commit();
    await killed(dir.path, dir.path, first);
    const work = join(dir.path, "target.part");
    const bytes = await readFile(work);
    bytes[10] = (bytes[10] ?? 0) ^ 1;
    await writeFile(work, bytes);
    const random = { ...seededRandom(1), below: () => 0 };
    await using second = await open(dir.path, LARGE, { random });
    expect(second.recheck).toEqual({ reason: "spot_check_failed", bytesHashed: 12 * 300_000 });
    expect(indices(second.recovered)).toEqual([1, 2, 3]);
  });

  test("openDownload hashes everything when the journal is missing, or the intent is", async () => {
    for (const [ending, reason] of [
      [".bitmap", "no_journal"],
      [".intent", "no_intent"],
    ] as const) {
      await using dir = await tempDir();
      const first = await open(dir.path, LARGE);
      for (const part of [2, 3, 7]) await first.write(runOf(LARGE, part));
      await killed(dir.path, dir.path, first);
      await rm(await fileOf(dir.path, ending));
      await using second = await open(dir.path, LARGE);
      expect(second.recheck).toEqual({ reason, bytesHashed: 12 * 300_000 });
      expect(indices(second.recovered)).toEqual([2, 3, 7]);
    }
  });

  test("openDownload hashes everything when the file changed since it was closed", async () => {
    await using dir = await tempDir();
    const first = await open(dir.path, SMALL);
    await first.write(runOf(SMALL, 0, 40));
    await first.close();
    const work = join(dir.path, "target.part");
    const bytes = await readFile(work);
    bytes[300] = (bytes[300] ?? 0) ^ 1;
    await writeFile(work, bytes);
    await using second = await open(dir.path, SMALL);
    expect(second.recheck.reason).toBe("file_changed");
    expect(second.recovered.count).toBe(39);
    expect(second.recovered.has(1)).toBe(false);
  });

  test("openDownload takes what fits of a file that was cut short or grew", async () => {
    for (const [bytes, count] of [
      [256 * 7 + 100, 7],
      [20_000, 40],
      [0, 0],
    ] as const) {
      await using dir = await tempDir();
      const first = await open(dir.path, SMALL);
      await first.write(runOf(SMALL, 0, 40));
      await first.close();
      await truncate(join(dir.path, "target.part"), bytes);
      await using second = await open(dir.path, SMALL);
      expect(second.recovered.count).toBe(count);
      expect((await stat(join(dir.path, "target.part"))).size).toBe(SMALL.content.length);
    }
  });

  test("RES-3: openDownload believes nothing of a bitmap whose file was made anew", async () => {
    await using dir = await tempDir();
    const first = await open(dir.path, SMALL);
    await first.write(runOf(SMALL, 0, 40));
    await first.close();
    const work = join(dir.path, "target.part");
    const hole = new Uint8Array(SMALL.content.length);
    for (const remake of [() => rm(work), () => writeFile(work, hole)]) {
      await remake();
      const reopened = await open(dir.path, SMALL);
      expect(reopened.recovered.count).toBe(0);
      await reopened.write(runOf(SMALL, 0, 40));
      await reopened.close();
    }
  });

  test("RES-3: openDownload believes nothing of a bitmap after another torrent worked on the same file", async () => {
    const other = sample({ seed: 99 });
    await using dir = await tempDir();
    const first = await open(dir.path, SMALL);
    await first.write(runOf(SMALL, 0, 20));
    await first.close();
    const rival = await open(dir.path, other);
    expect(rival.recovered.count).toBe(0);
    await rival.write(runOf(other, 0, 10));
    await rival.close();
    expect(await filesOf(dir.path, ".bitmap")).toHaveLength(1);
    await using again = await open(dir.path, SMALL);
    expect(again.recheck.reason).toBe("no_journal");
    expect(indices(again.recovered)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  test("RES-2: openDownload with a garbage journal recovers the truth, whatever the garbage", async () => {
    await using dir = await tempDir();
    const from = sample({ fileBytes: 3000, partBytes: 100 });
    const store = await open(dir.path, from);
    await store.write(runOf(from, 3, 4));
    await store.commit();
    await store.write(runOf(from, 20, 2));
    await killed(dir.path, dir.path, store);
    const bitmapPath = await fileOf(dir.path, ".bitmap");
    const intentPath = await fileOf(dir.path, ".intent");
    const [bitmap, intent] = [await readFile(bitmapPath), await readFile(intentPath)];
    const random = seededRandom(11);
    const truth = [3, 4, 5, 6, 20, 21];
    for (let round = 0; round < 150; round++) {
      await writeFile(bitmapPath, mutate(bitmap, random));
      await writeFile(intentPath, round % 5 === 0 ? random.bytes(random.below(9)) : intent);
      const reopened = await open(dir.path, from);
      const found = indices(reopened.recovered);
      expect(found.filter((part) => !truth.includes(part))).toEqual([]);
      // A believable bitmap beside a lying intent may lose what the kill left, never more.
      expect(found.length).toBeGreaterThanOrEqual(reopened.recheck.reason === "unclean" ? 4 : 6);
      await reopened.close();
    }
  }, 30_000);

  test("openDownload's control: without the checks a stale bitmap would be believed", async () => {
    await using dir = await tempDir();
    const first = await open(dir.path, SMALL);
    await first.write(runOf(SMALL, 0, 40));
    await first.close();
    const location = {
      journalDir: join(dir.path, "state"),
      torrent: SMALL.torrent,
      target: join(dir.path, "target"),
    };
    await writeFile(join(dir.path, "target.part"), new Uint8Array(SMALL.content.length));
    expect((await readProgress(systemDisk, crypto, location))?.count).toBe(40);
    await using second = await open(dir.path, SMALL);
    expect(second.recovered.count).toBe(0);
  });
});

async function recoveredAfterKill(from: Sample, parts: readonly number[]): Promise<number[]> {
  await using dir = await tempDir();
  const store = await open(dir.path, from);
  for (const part of parts) await store.write(runOf(from, part));
  await killed(dir.path, dir.path, store);
  await using again = await open(dir.path, from);
  return indices(again.recovered);
}

describe("recover", () => {
  test("recover finds the written parts for parts of 1 byte to 16 MiB", async () => {
    for (const [fileBytes, partBytes] of [
      [1000, 1],
      [100_000, 256],
      [1_000_000, 100_000],
      [33 * 1024 * 1024, 16 * 1024 * 1024],
    ] as const) {
      const from = sample({ fileBytes, partBytes });
      const last = from.torrent.geometry.partCount - 1;
      // Beside them, holes may be what the torrent wants: zeros that are right are right.
      expect(await recoveredAfterKill(from, [0, last])).toEqual(expect.arrayContaining([0, last]));
    }
  }, 20_000);
});
