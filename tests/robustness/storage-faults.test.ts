import { describe, expect, test } from "bun:test";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../peer/clock.ts";
import { StorageError, type StorageErrorCode } from "../../peer/errors.ts";
import { decodeBitmap } from "../../peer/storage/bitmap-file.ts";
import type { Disk } from "../../peer/storage/disk.ts";
import type { SparseFile } from "../../peer/storage/sparse-file.ts";
import { systemDisk } from "../../peer/storage/system-disk.ts";
import { inspectTarget } from "../../peer/storage/target.ts";
import { Bitfield } from "../../protocol/bitfield.ts";
import {
  codeOf,
  crypto,
  failureOf,
  open,
  runOf,
  type Sample,
  sample,
  seededRandom,
  tempDir,
} from "../peer/storage/fixtures.ts";
import { type DiskCall, spyDisk } from "../peer/storage/spy-disk.ts";

const FROM = sample({ fileBytes: 2_400_000, partBytes: 300_000 });
const PART_COUNT = 8;

/** Whether the call changes anything on the disk. */
const CHANGING = new Set<DiskCall["op"]>([
  ...(["open", "write", "writeNow", "truncate", "datasync", "chmod"] as const),
  ...(["link", "rename", "unlink", "syncDirectory", "makeDirectory"] as const),
]);

/** Downloads in two sittings, the way a user would, and gives up at the first error.
 * @returns the parts whose write resolved */
async function download(dir: string, disk: Disk, written: Set<number>): Promise<void> {
  const parts = Array.from({ length: PART_COUNT }, (_, part) => part);
  for (const some of [parts.slice(0, 5), parts]) {
    await using store = await open(dir, FROM, { disk });
    try {
      await writeMissing(store, some, written);
      if (some.length === PART_COUNT) await store.publish();
    } finally {
      await store.close();
    }
  }
}

async function writeMissing(
  store: SparseFile,
  parts: readonly number[],
  written: Set<number>,
): Promise<void> {
  for (const part of parts) {
    if (store.recovered.has(part)) continue;
    await store.write(runOf(FROM, part));
    written.add(part);
    if (part % 3 === 2) await store.commit();
  }
}

function failAt(at: number, code: StorageErrorCode, isSticky: boolean) {
  let changes = 0;
  let opened = 0;
  let fired: DiskCall | undefined;
  const disk = spyDisk(systemDisk, {
    before(call) {
      if (!CHANGING.has(call.op)) return;
      changes++;
      if (changes !== at && !(isSticky && changes > at)) return;
      fired ??= call;
      throw new StorageError(code, `Cannot ${call.op}: injected`);
    },
    after({ op }) {
      if (op === "open") opened++;
      if (op === "close") opened--;
    },
  });
  return { disk, fired: () => fired, opened: () => opened };
}

/** Counts the parts that are said to be had and are not what they should be. */
async function countFalse(dir: string, from: Sample, have: Bitfield): Promise<number> {
  const work = await readFile(join(dir, "target.part"));
  return [...from.torrent.geometry.parts()].filter((part) => {
    const { offset, length } = from.torrent.geometry.partRange(part);
    const expected = from.content.subarray(offset, offset + length);
    return have.has(part) && !work.subarray(offset, offset + length).equals(expected);
  }).length;
}

/** One fault, then a healthy disk: nothing false, nothing lost that may not be, and the download completes. */
async function sweepOne(at: number, code: StorageErrorCode, isSticky: boolean): Promise<boolean> {
  await using dir = await tempDir();
  const fault = failAt(at, code, isSticky);
  const written = new Set<number>();
  const failure = await failureOf(download(dir.path, fault.disk, written));
  const fired = fault.fired();
  if (fired === undefined) {
    expect(failure).toBeUndefined();
    return false;
  }
  const where = `${at} ${fired.op} ${fired.path}`;
  if (failure !== undefined) expect([where, (failure as StorageError).code]).toEqual([where, code]);
  expect([where, fault.opened()]).toEqual([where, 0]);
  if (
    (await inspectTarget(systemDisk, systemClock, FROM.torrent, join(dir.path, "target"))).type !==
    "identical"
  ) {
    await resumeHealthy(dir.path, where, fired, written);
  }
  const content = await readFile(join(dir.path, "target"));
  expect([where, content.equals(FROM.content)]).toEqual([where, true]);
  return true;
}

async function resumeHealthy(
  dir: string,
  where: string,
  fired: DiskCall,
  written: ReadonlySet<number>,
): Promise<void> {
  await using store = await open(dir, FROM);
  expect([where, await countFalse(dir, FROM, store.recovered)]).toEqual([where, 0]);
  const isSyncLost = fired.op === "datasync" && fired.path.endsWith(".part");
  const lost = [...written].filter((part) => !store.recovered.has(part));
  if (!isSyncLost) expect([where, lost]).toEqual([where, []]);
  await writeMissing(
    store,
    Array.from({ length: PART_COUNT }, (_, part) => part),
    new Set(),
  );
  await store.publish();
}

describe("RES-6", () => {
  for (const code of ["no_space", "io", "denied"] as const) {
    for (const isSticky of [false, true]) {
      test(`RES-6: a download whose n-th change of the disk fails with ${code}${isSticky ? ", as all after it" : ""}, resumes and completes, for every n`, async () => {
        let at = 1;
        while (at < 500 && (await sweepOne(at, code, isSticky))) at++;
        expect(at).toBeGreaterThan(40);
        expect(at).toBeLessThan(500);
      }, 120_000);
    }
  }

  test("RES-6: a full file system stops a download with no_space, keeps what was verified, and lets it go on after room was made", async () => {
    await using dir = await tempDir();
    const mount = await mountTmpfs(join(dir.path, "small"), "2m");
    if (mount === undefined) return;
    await using _ = mount;
    const from = sample({ fileBytes: 3_000_000, partBytes: 100_000 });
    const target = join(mount.path, "target");
    const journalDir = join(dir.path, "state");
    expect(await codeOf(open(dir.path, from, { target, journalDir }))).toBe("no_space");
    // Looked at beforehand there was room; another program took it since.
    const hopeful = { ...systemDisk, freeBytes: async () => Number.MAX_SAFE_INTEGER };
    await using store = await open(dir.path, from, { target, journalDir, disk: hopeful });
    let [kept, code] = [0, "no failure"];
    for (; kept < 30 && code === "no failure"; kept++) {
      code = await codeOf(store.write(runOf(from, kept)));
    }
    kept--;
    expect([code, kept > 10 && kept < 25]).toEqual(["no_space", true]);
    await store.close();
    expect(Bun.spawnSync(["mount", "-o", "remount,size=8m", mount.path]).exitCode).toBe(0);
    await using again = await open(dir.path, from, { target, journalDir });
    expect(again.recheck.reason).toBe("clean");
    expect(again.recovered.count).toBe(kept);
    for (let part = kept; part < 30; part++) await again.write(runOf(from, part));
    await again.publish();
    expect((await readFile(target)).equals(from.content)).toBe(true);
  });
});

/** @returns a small file system of the test's own, undefined (and says so) where it may not make one */
async function mountTmpfs(path: string, size: string) {
  await mkdir(path);
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path]);
  if (mounted.exitCode !== 0) {
    process.stderr.write(`skipped: no tmpfs can be mounted here: ${mounted.stderr}\n`);
    return undefined;
  }
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      expect(Bun.spawnSync(["umount", path]).exitCode).toBe(0);
    },
  };
}

/** Watches that no bitmap is written with a bit whose bytes were not synced before (SECURITY 2.2's checker). */
class OrderChecker {
  readonly #from: Sample;
  readonly #synced: Bitfield;
  #written = new Set<number>();
  #beingSynced = new Set<number>();
  bitmaps = 0;
  bits = 0;
  lies = 0;

  constructor(from: Sample) {
    this.#from = from;
    this.#synced = new Bitfield(from.torrent.geometry.partCount);
  }

  before(call: DiskCall): void {
    if (call.op === "datasync" && call.path.endsWith(".part")) {
      this.#beingSynced = this.#written;
      this.#written = new Set();
    }
    if (call.op === "write" && call.path.endsWith(".bitmap.tmp")) this.#look(call.bytes);
  }

  after(call: DiskCall): void {
    if (call.op === "datasync" && call.path.endsWith(".part")) {
      for (const part of this.#beingSynced) this.#synced.set(part);
    }
    if (call.op === "write" && call.path.endsWith(".part")) {
      this.#written.add((call.offset ?? 0) / this.#from.torrent.geometry.partBytes);
    }
  }

  #look(bytes: Uint8Array | undefined): void {
    const bitmap = decodeBitmap(crypto, this.#from.torrent, bytes ?? new Uint8Array(0));
    if (typeof bitmap === "string") throw new Error(`A bitmap was written that is ${bitmap}`);
    this.bitmaps++;
    for (const part of this.#from.torrent.geometry.parts()) {
      if (!bitmap.have.has(part)) continue;
      this.bits++;
      if (!this.#synced.has(part)) this.lies++;
    }
  }
}

/** Writes with many commits, several writes in flight, closings and reopenings, under the checker's eyes. */
async function downloadWatched(checker: OrderChecker, disk: Disk): Promise<void> {
  const from = sample({ fileBytes: 200_000, partBytes: 1000 });
  await using dir = await tempDir();
  const random = seededRandom(17);
  const watched = spyDisk(disk, checker);
  for (let sitting = 0; sitting < 5; sitting++) {
    await using store = await open(dir.path, from, { disk: watched });
    const writers = [0, 1, 2, 3].map(async () => {
      for (let turn = 0; turn < 25; turn++) {
        const part = random.below(200);
        await store.write(runOf(from, part));
        if (random.below(5) === 0) await store.commit();
      }
    });
    await Promise.all(writers);
    await store.close();
  }
}

describe("Committer", () => {
  const from = sample({ fileBytes: 200_000, partBytes: 1000 });

  test("SECURITY 2.2: Committer writes no bitmap with a bit whose bytes were not synced before", async () => {
    const checker = new OrderChecker(from);
    await downloadWatched(checker, systemDisk);
    expect(checker.bitmaps).toBeGreaterThan(20);
    expect(checker.bits).toBeGreaterThan(1000);
    expect(checker.lies).toBe(0);
  });

  test("SECURITY 2.2's control: the checker sees a bitmap that comes before its sync", async () => {
    const checker = new OrderChecker(from);
    const after = checker.after.bind(checker);
    checker.after = (call) => {
      if (call.op !== "datasync") after(call);
    };
    await downloadWatched(checker, systemDisk);
    expect(checker.lies).toBeGreaterThan(1000);
  });
});
