import { describe, expect, test } from "bun:test";
import { renameSync, unlinkSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../../peer/clock.ts";
import { acquireLock, type Lock } from "../../../peer/storage/lock.ts";
import { systemDisk } from "../../../peer/storage/system-disk.ts";
import { codeOf, failureOf, open, sample, tempDir } from "./fixtures.ts";
import { spyDisk } from "./spy-disk.ts";

const DEPENDENCIES = { disk: systemDisk, clock: systemClock, random: systemRandom };
const HOLDER = join(import.meta.dir, "lock-holder.ts");

function acquire(path: string): Promise<Lock> {
  return acquireLock(DEPENDENCIES, path, "the thing");
}

/** A process that tries to get the lock and says how that went. */
async function startHolder(path: string) {
  const child = Bun.spawn([process.execPath, HOLDER, path], { stdin: "pipe", stdout: "pipe" });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  return { child, said: new TextDecoder().decode(value).trim() };
}

async function end(child: Bun.Subprocess): Promise<void> {
  child.kill("SIGKILL");
  await child.exited;
}

describe("acquireLock", () => {
  test("acquireLock lets one in at a time, and release removes its files", async () => {
    await using dir = await tempDir();
    const path = join(dir.path, "lock");
    const first = await acquire(path);
    const failure = await failureOf(acquire(path));
    expect(String(failure)).toContain(`Cannot lock the thing: this process (${process.pid})`);
    expect(await codeOf(Promise.reject(failure))).toBe("busy");
    await first.release();
    expect(await readdir(dir.path)).toEqual([]);
    const second = await acquire(path);
    await first.release();
    expect(await codeOf(acquire(path))).toBe("busy");
    await second.release();
  });

  test("RES-4: acquireLock by 20 tasks of one process lets exactly one in", async () => {
    await using dir = await tempDir();
    for (let round = 0; round < 5; round++) {
      const path = join(dir.path, `lock${round}`);
      const tries = await Promise.allSettled(Array.from({ length: 20 }, () => acquire(path)));
      const won = tries.filter((one) => one.status === "fulfilled");
      expect(won).toHaveLength(1);
      for (const one of won) await one.value.release();
    }
  });

  test("RES-4: acquireLock by 20 processes lets exactly one in, and names it to the others", async () => {
    await using dir = await tempDir();
    const path = join(dir.path, "lock");
    const started = await Promise.all(Array.from({ length: 20 }, () => startHolder(path)));
    const won = started.filter(({ said }) => said === "won");
    expect(won).toHaveLength(1);
    const [winner] = won;
    const lost = started.filter((one) => one !== winner).map(({ said }) => said);
    expect(new Set(lost)).toEqual(
      new Set([`busy Cannot lock it: process ${winner?.child.pid} works on it`]),
    );
    await Promise.all(started.map(({ child }) => end(child)));
  }, 30_000);

  test("RES-4: acquireLock succeeds at once after the holder was killed with -9", async () => {
    await using dir = await tempDir();
    const path = join(dir.path, "lock");
    for (let round = 0; round < 3; round++) {
      const { child, said } = await startHolder(path);
      expect(said).toBe("won");
      expect(await codeOf(acquire(path))).toBe("busy");
      await end(child);
      const lock = await acquire(path);
      await lock.release();
    }
  }, 20_000);

  test("RES-4: acquireLock handed from one to the next is never held by two", async () => {
    await using dir = await tempDir();
    const path = join(dir.path, "lock");
    const children = await Promise.all(
      Array.from({ length: 3 }, () => runContender(path, join(dir.path, "inside"))),
    );
    expect(children.map(({ said }) => said)).toEqual(new Array(3).fill("done 0 collisions"));
    expect(children.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
  }, 30_000);

  test("RES-4's control: without the lock they meet", async () => {
    await using dir = await tempDir();
    const contenders = [0, 1].map(() => runContender("", join(dir.path, "inside")));
    const said = (await Promise.all(contenders)).map((one) => one.said);
    expect(said).toContain("done 1 collisions");
  }, 30_000);

  test("RES-4: acquireLock tries again when the file was removed while SQLite looked at it", async () => {
    await using dir = await tempDir();
    const path = join(dir.path, "lock");
    const garbage = join(dir.path, "garbage");
    // SQLite refuses these, as it refuses (in other words) a file without a name.
    await writeFile(garbage, "no database at all ".repeat(100));
    const steps = [
      { op: "close", run: () => renameSync(garbage, path) },
      // Asked whether it is still the file that it was.
      { op: "facts", run: () => unlinkSync(path) },
    ];
    const disk = spyDisk(systemDisk, {
      after({ op, path: of }) {
        if (of === path && steps[0]?.op === op) steps.shift()?.run();
      },
    });
    const lock = await acquireLock({ ...DEPENDENCIES, disk }, path, "the thing");
    expect(steps).toEqual([]);
    await lock.release();
  });

  test("acquireLock does not trip over garbage in the lock's files", async () => {
    await using dir = await tempDir();
    const path = join(dir.path, "lock");
    await writeFile(`${path}.pid`, "\u001b]52;c;evil");
    const { child, said } = await startHolder(path);
    expect(said).toBe("won");
    await writeFile(`${path}.pid`, "\u001b]52;c;evil");
    expect(String(await failureOf(acquire(path)))).toEndWith("another process works on it");
    await end(child);
    const garbage = join(dir.path, "garbage");
    await writeFile(garbage, "no database at all ".repeat(100));
    expect(await codeOf(acquire(garbage))).toBe("io");
    await mkdir(join(dir.path, "directory"));
    expect(await codeOf(acquire(join(dir.path, "directory")))).toBe("not_a_file");
    expect(await codeOf(acquire(join(dir.path, "no", "lock")))).toBe("missing");
  });

  test("RES-4: openDownload of one target by two at once is busy for the second, whatever path it names", async () => {
    await using dir = await tempDir();
    const from = sample();
    await using store = await open(dir.path, from);
    expect(store.recheck.reason).toBe("fresh");
    const again = open(dir.path, from, { target: join(dir.path, "state", "..", "target") });
    expect(await codeOf(again)).toBe("busy");
    await store.close();
    await using third = await open(dir.path, from);
    expect(third.recheck.reason).toBe("clean");
  });
});

async function runContender(path: string, inside: string) {
  const child = Bun.spawn([process.execPath, HOLDER, path, inside], { stdout: "pipe" });
  const said = (await new Response(child.stdout).text()).trim();
  return { said, exitCode: await child.exited };
}
