import { describe, expect, test } from "bun:test";
import {
  appendFile,
  open as openFile,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../../peer/clock.ts";
import type { Disk } from "../../../peer/storage/disk.ts";
import { openSeed, verifySeed } from "../../../peer/storage/seed-file.ts";
import type { PartSource } from "../../../peer/storage/store.ts";
import { systemDisk } from "../../../peer/storage/system-disk.ts";
import { codeOf, type Sample, sample, seededRandom, tempDir, writeSample } from "./fixtures.ts";
import { spyDisk } from "./spy-disk.ts";

function verify(from: Sample, path: string, options: Parameters<typeof verifySeed>[4] = {}) {
  return verifySeed(systemDisk, systemClock, from.torrent, path, options);
}

/** Ways in which an owner changes a file; each leaves other bytes, or none, in some place. */
const CHANGES: Readonly<Record<string, (path: string, from: Sample) => Promise<void>>> = {
  async flip(path, from) {
    const file = await openFile(path, "r+");
    await file.write(Uint8Array.of((from.content[5] ?? 0) ^ 1), 0, 1, 5);
    await file.close();
  },
  truncate: (path) => truncate(path, 4000),
  async "truncate and fill again"(path, from) {
    await truncate(path, 0);
    await writeFile(path, from.content.slice().fill(7));
  },
  async replace(path, from) {
    await writeFile(`${path}.new`, from.content.slice().fill(9));
    await rename(`${path}.new`, path);
  },
  append: (path) => appendFile(path, "more"),
  delete: (path) => rm(path),
  async "turn into a link"(path) {
    await rename(path, `${path}.moved`);
    await symlink(`${path}.moved`, path);
  },
};

describe("verifySeed", () => {
  test("verifySeed finds the parts, and hashes again only what has another identity", async () => {
    await using dir = await tempDir();
    const from = sample();
    const path = await writeSample(dir.path, from);
    let hashed = 0;
    const onProgress = (bytes: number): void => {
      hashed = bytes;
    };
    const known = await verify(from, path, { onProgress });
    expect([known.parts.isFull, hashed]).toEqual([true, 10_000]);
    hashed = 0;
    expect(await verify(from, path, { known, onProgress })).toBe(known);
    expect(hashed).toBe(0);
    await utimes(path, 1, 1);
    expect((await verify(from, path, { known, onProgress })).parts.isFull).toBe(true);
    expect(hashed).toBe(10_000);
    await CHANGES.flip?.(path, from);
    const flipped = await verify(from, path, { known });
    expect([flipped.parts.count, flipped.parts.has(0)]).toEqual([39, false]);
  });

  test("verifySeed does not believe the stamp of a file that was changed just now", async () => {
    await using dir = await tempDir();
    const from = sample();
    const path = await writeSample(dir.path, from);
    const changedMs = Number(((await systemDisk.facts(path))?.identity.ctimeNs ?? 0n) / 1_000_000n);
    const slept: number[] = [];
    const clock = {
      ...systemClock,
      now: () => changedMs + 5,
      sleep: async (ms: number) => {
        slept.push(ms);
      },
    };
    await verifySeed(systemDisk, clock, from.torrent, path);
    expect(slept).toEqual([16]);
    await verifySeed(systemDisk, { ...clock, now: () => changedMs + 21 }, from.torrent, path);
    expect(slept).toEqual([16]);
  });

  test("verifySeed refuses a file that changes while it is hashed", async () => {
    await using dir = await tempDir();
    const from = sample();
    for (const change of ["flip", "truncate", "append"]) {
      const path = await writeSample(dir.path, from);
      const pending: Promise<void>[] = [];
      const disk = spyDisk(systemDisk, {
        before: ({ op }) => {
          if (op === "read") pending.push(CHANGES[change]?.(path, from) ?? Promise.resolve());
        },
      });
      const slowDisk = waitingForChange(disk, pending);
      const verified = verifySeed(slowDisk, systemClock, from.torrent, path);
      expect([change, await codeOf(verified)]).toEqual([change, "changed"]);
    }
  });

  test("SRV-13: verifySeed and openSeed take regular files only, and follow no link", async () => {
    await using dir = await tempDir();
    const from = sample();
    const path = await writeSample(dir.path, from);
    const { identity } = await verify(from, path);
    const link = join(dir.path, "link");
    await symlink(path, link);
    const fifo = join(dir.path, "fifo");
    expect(Bun.spawnSync(["mkfifo", fifo]).exitCode).toBe(0);
    for (const wrong of [link, fifo, dir.path, "/dev/zero"]) {
      expect([wrong, await codeOf(verify(from, wrong))]).toEqual([wrong, "not_a_file"]);
      expect(await codeOf(openSeed(systemDisk, wrong, identity))).toBe("not_a_file");
    }
    expect(await codeOf(verify(from, join(dir.path, "no")))).toBe("missing");
  });
});

/** Holds every second look at a file back until what was set going is done. */
function waitingForChange(disk: Disk, pending: readonly Promise<void>[]): Disk {
  return {
    ...disk,
    async open(path, mode) {
      const file = await disk.open(path, mode);
      const facts = file.facts.bind(file);
      file.facts = async () => {
        await Promise.all(pending);
        return await facts();
      };
      return file;
    },
  };
}

describe("openSeed", () => {
  test("openSeed reads what was verified", async () => {
    await using dir = await tempDir();
    const from = sample();
    const path = await writeSample(dir.path, from);
    const { identity } = await verify(from, path);
    const seed = await openSeed(systemDisk, path, identity);
    const into = new Uint8Array(5000);
    await seed.read(2500, into);
    expect(into).toEqual(from.content.subarray(2500, 7500));
    expect(await codeOf(seed.read(9_000, new Uint8Array(1001)))).toBe("short_read");
    await seed.close();
    await seed.close();
  });

  test("SRV-11: openSeed refuses a file that is not the one that was verified", async () => {
    for (const [name, change] of Object.entries(CHANGES)) {
      await using dir = await tempDir();
      const from = sample();
      const path = await writeSample(dir.path, from);
      const { identity } = await verify(from, path);
      await change(path, from);
      const code = await codeOf(openSeed(systemDisk, path, identity));
      expect([name, ["changed", "missing", "not_a_file"].includes(code)]).toEqual([name, true]);
    }
  });

  test("SRV-11: read gives no wrong byte while the file is truncated, replaced, appended to, flipped or deleted", async () => {
    for (const [name, change] of Object.entries(CHANGES)) {
      const outcome = await readWhileChanging(change, systemDisk);
      expect([name, outcome.wrong]).toEqual([name, 0]);
      expect(outcome.refused).toBeGreaterThan(0);
      expect(outcome.right).toBeGreaterThan(0);
    }
  }, 60_000);

  test("SRV-11's control: without the look at the name, read gives wrong bytes", async () => {
    let wrong = 0;
    for (const name of ["flip", "truncate and fill again"]) {
      const change = CHANGES[name];
      if (change === undefined) throw new Error("No such change");
      wrong += (await readWhileChanging(change, blindDisk())).wrong;
    }
    expect(wrong).toBeGreaterThan(0);
  }, 60_000);
});

/** Looks at a name once, and answers the same ever after. */
function blindDisk(): Disk {
  const seen = new Map<string, ReturnType<Disk["facts"]>>();
  return {
    ...systemDisk,
    facts(path) {
      const facts = seen.get(path) ?? systemDisk.facts(path);
      seen.set(path, facts);
      return facts;
    },
  };
}

interface Outcome {
  reads: number;
  right: number;
  wrong: number;
  refused: number;
}

/** Reads in several tasks at once, and has the file changed in the midst of it. */
async function readWhileChanging(
  change: (path: string, from: Sample) => Promise<void>,
  disk: Disk,
): Promise<Outcome> {
  const outcome: Outcome = { reads: 0, right: 0, wrong: 0, refused: 0 };
  const from = sample({ fileBytes: 600_000, partBytes: 1000 });
  for (let round = 0; round < 6; round++) {
    await using dir = await tempDir();
    const path = await writeSample(dir.path, from);
    const { identity } = await verify(from, path);
    const seed = await openSeed(disk, path, identity);
    // The disk that looks only once has to look now, while the file is as it was.
    await seed.read(0, new Uint8Array(1));
    const midst = Promise.withResolvers<void>();
    const changeAt = outcome.reads + 10 + round * 9;
    const onRead = (): void => {
      if (++outcome.reads === changeAt) midst.resolve();
    };
    const readers = [1, 2, 3].map((at) => readOften(seed, from, round * 3 + at, outcome, onRead));
    const changed = midst.promise.then(() => change(path, from));
    await Promise.all([...readers, changed]);
    await seed.read(0, new Uint8Array(1000)).catch(() => outcome.refused++);
    await seed.close();
  }
  return outcome;
}

async function readOften(
  seed: PartSource,
  from: Sample,
  seedOfRandom: number,
  outcome: Outcome,
  onRead: () => void,
): Promise<void> {
  const random = seededRandom(seedOfRandom);
  const into = new Uint8Array(100_000);
  for (let read = 0; read < 60; read++) {
    const offset = read % 2 === 0 ? 0 : random.below(500_000);
    const expected = from.content.subarray(offset, offset + into.length);
    try {
      await seed.read(offset, into);
      if (Buffer.compare(into, expected) === 0) outcome.right++;
      else outcome.wrong++;
    } catch {
      outcome.refused++;
    }
    onRead();
  }
}
