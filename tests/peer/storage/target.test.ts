import { describe, expect, test } from "bun:test";
import { mkdir, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../../peer/clock.ts";
import { systemDisk } from "../../../peer/storage/system-disk.ts";
import { inspectTarget } from "../../../peer/storage/target.ts";
import { codeOf, open, runOf, type Sample, sample, tempDir } from "./fixtures.ts";

const FROM = sample();
const WHOLE = runOf(FROM, 0, 40);

async function inspect(target: string, from: Sample = FROM): Promise<string> {
  return (await inspectTarget(systemDisk, systemClock, from.torrent, target)).type;
}

async function content(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path));
}

function makeFifo(path: string): void {
  expect(Bun.spawnSync(["mkfifo", path]).exitCode).toBe(0);
}

describe("inspectTarget", () => {
  test("OUT-1: inspectTarget tells absent, identical and different apart", async () => {
    await using dir = await tempDir();
    const target = join(dir.path, "a file ünd more");
    expect(await inspect(target)).toBe("absent");
    await writeFile(target, FROM.content);
    expect(await inspect(target)).toBe("identical");
    const flipped = FROM.content.slice();
    flipped[9999] = (flipped[9999] ?? 0) ^ 1;
    for (const other of [flipped, FROM.content.subarray(1), new Uint8Array(0)]) {
      await writeFile(target, other);
      expect(await inspect(target)).toBe("different");
    }
    await writeFile(target, "");
    expect(await inspect(target, sample({ fileBytes: 0 }))).toBe("identical");
  });

  test("OUT-1: inspectTarget and openDownload refuse whatever is no regular file", async () => {
    await using dir = await tempDir();
    const at = (name: string): string => join(dir.path, name);
    await writeFile(at("real"), FROM.content);
    await symlink(at("real"), at("link"));
    await symlink(at("nowhere"), at("dangling"));
    await symlink("loop", at("loop"));
    await mkdir(at("directory"));
    makeFifo(at("fifo"));
    const names = ["link", "dangling", "loop", "directory", "fifo"].map(at);
    for (const target of [...names, "/dev/full", "/dev/null", `${at("real")}/`, "/"]) {
      expect([target, await codeOf(inspect(target))]).toEqual([target, "not_a_file"]);
      const opened = open(dir.path, FROM, { target, overwrite: true });
      expect([target, await codeOf(opened)]).toEqual([target, "not_a_file"]);
    }
    expect(await content(at("real"))).toEqual(FROM.content);
    expect((await readdir(dir.path)).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  test("OUT-1: inspectTarget and openDownload report a missing directory, and one that is a file", async () => {
    await using dir = await tempDir();
    await writeFile(join(dir.path, "file"), "x");
    for (const target of [join(dir.path, "no", "target"), join(dir.path, "file", "target")]) {
      expect(await codeOf(inspect(target))).toBe("missing");
      expect(await codeOf(open(dir.path, FROM, { target }))).toBe("missing");
    }
  });

  test("OUT-1: inspectTarget removes the second name that a kill in the midst of publishing leaves", async () => {
    await using dir = await tempDir();
    const target = join(dir.path, "target");
    await writeFile(target, FROM.content);
    await systemDisk.link(target, `${target}.part`);
    expect(await inspect(target)).toBe("identical");
    expect(await readdir(dir.path)).toEqual(["target"]);
    await writeFile(`${target}.part`, FROM.content);
    expect(await inspect(target)).toBe("identical");
    expect(await readdir(dir.path)).toEqual(["target", "target.part"]);
  });
});

describe("publish", () => {
  test("OUT-1: publish keeps the work to its owner until it is complete, then gives it the usual permissions", async () => {
    await using dir = await tempDir();
    const mask = process.umask(0o027);
    try {
      await using store = await open(dir.path, FROM);
      expect((await stat(join(dir.path, "target.part"))).mode & 0o777).toBe(0o600);
      await store.write(WHOLE);
      await store.publish();
      expect((await stat(join(dir.path, "target"))).mode & 0o777).toBe(0o640);
    } finally {
      process.umask(mask);
    }
  });

  test("OUT-1: publish leaves no trace of the work", async () => {
    await using dir = await tempDir();
    await using store = await open(dir.path, FROM);
    await store.write(WHOLE);
    await store.publish();
    await store.close();
    expect((await readdir(dir.path)).toSorted()).toEqual(["state", "target"]);
    expect(await readdir(join(dir.path, "state"))).toEqual([]);
    expect(await content(join(dir.path, "target"))).toEqual(FROM.content);
  });

  test("OUT-1: openDownload refuses an existing file, with overwrite it is replaced only when the new one is complete", async () => {
    await using dir = await tempDir();
    const target = join(dir.path, "target");
    await writeFile(target, "old");
    expect(await codeOf(open(dir.path, FROM))).toBe("exists");
    expect(await readdir(join(dir.path, "state"))).toEqual([]);
    await using store = await open(dir.path, FROM, { overwrite: true });
    await store.write(WHOLE);
    expect(await readFile(target, "utf8")).toBe("old");
    await store.publish();
    expect(await content(target)).toEqual(FROM.content);
  });

  test("OUT-1: publish never replaces what appeared meanwhile, and can be tried again", async () => {
    await using dir = await tempDir();
    const target = join(dir.path, "target");
    await using store = await open(dir.path, FROM);
    await store.write(WHOLE);
    await writeFile(target, "someone else's");
    expect(await codeOf(store.publish())).toBe("exists");
    expect(await readFile(target, "utf8")).toBe("someone else's");
    expect((await stat(`${target}.part`)).mode & 0o777).toBe(0o600);
    await rm(target);
    await store.publish();
    expect(await content(target)).toEqual(FROM.content);
  });

  test("OUT-1: publish never replaces what appears at the last moment, with and without hard links", async () => {
    for (const hasLinks of [true, false]) {
      await using dir = await tempDir();
      const target = join(dir.path, "target");
      const disk = {
        ...systemDisk,
        async link(from: string, to: string) {
          await writeFile(target, "someone else's");
          return hasLinks ? await systemDisk.link(from, to) : ("unsupported" as const);
        },
      };
      await using store = await open(dir.path, FROM, { disk });
      await store.write(WHOLE);
      expect(await codeOf(store.publish())).toBe("exists");
      expect(await readFile(target, "utf8")).toBe("someone else's");
    }
  });

  test("OUT-1's control: a plain rename would have replaced it", async () => {
    await using dir = await tempDir();
    const target = join(dir.path, "target");
    const disk = {
      ...systemDisk,
      async link(from: string, to: string) {
        await writeFile(target, "someone else's");
        await systemDisk.rename(from, to);
        return "linked" as const;
      },
    };
    await using store = await open(dir.path, FROM, { disk });
    await store.write(WHOLE);
    await store.publish();
    expect(await content(target)).toEqual(FROM.content);
  });

  test("OUT-1: publish works without hard links, and takes its placeholder back when it fails", async () => {
    await using dir = await tempDir();
    const target = join(dir.path, "target");
    let isBroken = true;
    const disk = {
      ...systemDisk,
      link: async () => "unsupported" as const,
      async rename(from: string, to: string) {
        if (isBroken && to === target) throw new Error("broken");
        await systemDisk.rename(from, to);
      },
    };
    await using store = await open(dir.path, FROM, { disk });
    await store.write(WHOLE);
    expect(await codeOf(store.publish())).toBe("Error: broken");
    expect(await systemDisk.facts(target)).toBeUndefined();
    isBroken = false;
    await store.publish();
    expect(await content(target)).toEqual(FROM.content);
    expect(await systemDisk.facts(`${target}.part`)).toBeUndefined();
  });

  test("OUT-1: publish with overwrite refuses a link or a directory that appeared meanwhile", async () => {
    await using dir = await tempDir();
    const target = join(dir.path, "target");
    await using store = await open(dir.path, FROM, { overwrite: true });
    await store.write(WHOLE);
    await symlink("/etc/hostname", target);
    expect(await codeOf(store.publish())).toBe("not_a_file");
    expect(await readlink(target)).toBe("/etc/hostname");
    await rm(target);
    await mkdir(target);
    expect(await codeOf(store.publish())).toBe("not_a_file");
  });

  test("OUT-1: publish goes where the target's directory was at the start, though a link was turned since", async () => {
    await using dir = await tempDir();
    await mkdir(join(dir.path, "meant"));
    await mkdir(join(dir.path, "evil"));
    const turned = join(dir.path, "turned");
    await symlink("meant", turned);
    await using store = await open(dir.path, FROM, { target: join(turned, "target") });
    await store.write(WHOLE);
    await rm(turned);
    await symlink("evil", turned);
    await store.publish();
    expect(await content(join(dir.path, "meant", "target"))).toEqual(FROM.content);
    expect(await readdir(join(dir.path, "evil"))).toEqual([]);
  });

  test("OUT-1: openDownload refuses a work file that is a link, a directory or a pipe", async () => {
    await using dir = await tempDir();
    const work = join(dir.path, "target.part");
    await writeFile(join(dir.path, "victim"), "precious");
    const makers = [
      () => symlink("victim", work),
      () => mkdir(work),
      async () => makeFifo(work),
      () => symlink("/dev/full", work),
    ];
    for (const make of makers) {
      await make();
      expect(await codeOf(open(dir.path, FROM))).toBe("not_a_file");
      await rm(work, { recursive: true });
    }
    expect(await readFile(join(dir.path, "victim"), "utf8")).toBe("precious");
  });

  test("OUT-1: openDownload leaves a strange file called TARGET.part alone unless told to overwrite", async () => {
    await using dir = await tempDir();
    const work = join(dir.path, "target.part");
    await writeFile(work, "the part of another program");
    expect(await codeOf(open(dir.path, FROM))).toBe("exists");
    expect(await readFile(work, "utf8")).toBe("the part of another program");
    await using store = await open(dir.path, FROM, { overwrite: true });
    expect(store.recovered.count).toBe(0);
  });

  test("OUT-1: publish refuses when the work file was replaced under it", async () => {
    await using dir = await tempDir();
    await using store = await open(dir.path, FROM);
    await store.write(WHOLE);
    await rm(join(dir.path, "target.part"));
    await writeFile(join(dir.path, "target.part"), "evil");
    expect(await codeOf(store.publish())).toBe("changed");
    expect(await systemDisk.facts(join(dir.path, "target"))).toBeUndefined();
  });
});
