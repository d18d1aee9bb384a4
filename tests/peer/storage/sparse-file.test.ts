import { describe, expect, test } from "bun:test";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../../peer/clock.ts";
import { StorageError } from "../../../peer/errors.ts";
import { systemDisk } from "../../../peer/storage/system-disk.ts";
import { Geometry } from "../../../protocol/geometry.ts";
import { createTorrent } from "../../../protocol/torrent.ts";
import { codeOf, crypto, failureOf, open, runOf, sample, tempDir, toRun } from "./fixtures.ts";
import { ManualClock } from "./manual-clock.ts";
import { type DiskCall, spyDisk } from "./spy-disk.ts";

const GIB = 1024 ** 3;

/** Waits for something that other tasks bring about, one turn of the event loop after the other. */
async function until(isSo: () => boolean): Promise<void> {
  const deadline = systemClock.monotonic() + 20_000;
  while (!isSo() && systemClock.monotonic() < deadline) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(isSo()).toBe(true);
}

describe("SparseFile", () => {
  test("SparseFile commits on its own one second after a write, once, and keeps no timer when idle", async () => {
    await using dir = await tempDir();
    const clock = new ManualClock();
    const syncs: DiskCall[] = [];
    const disk = spyDisk(systemDisk, {
      after: (call) => {
        if (call.op === "rename" && call.to?.endsWith(".bitmap")) syncs.push(call);
      },
    });
    const from = sample();
    await using store = await open(dir.path, from, { clock, disk });
    const atStart = syncs.length;
    expect(clock.sleepers).toBe(0);
    await store.write(runOf(from, 0));
    await store.write(runOf(from, 1));
    expect(clock.sleepers).toBe(1);
    clock.advance(999);
    expect(clock.sleepers).toBe(1);
    expect(syncs.length).toBe(atStart);
    clock.advance(1);
    await until(() => syncs.length === atStart + 1);
    expect(clock.sleepers).toBe(0);
  });

  test("SparseFile commits on its own every 64 MiB", async () => {
    await using dir = await tempDir();
    const clock = new ManualClock();
    let saves = 0;
    const disk = spyDisk(systemDisk, {
      after: ({ op, to }) => {
        if (op === "rename" && to?.endsWith(".bitmap")) saves++;
      },
    });
    const partBytes = 16 * 1024 * 1024;
    const from = sample({ fileBytes: 5 * partBytes, partBytes });
    await using store = await open(dir.path, from, { clock, disk });
    const atStart = saves;
    for (const part of [0, 1, 2]) await store.write(runOf(from, part));
    expect(saves).toBe(atStart);
    await store.write(runOf(from, 3));
    await until(() => saves === atStart + 1);
  }, 20_000);

  test("SparseFile never runs two commits at once", async () => {
    await using dir = await tempDir();
    let running = 0;
    let mostRunning = 0;
    let commits = 0;
    const disk = spyDisk(systemDisk, {
      before: ({ op, path }) => {
        if (op !== "datasync" || !path.endsWith(".part")) return;
        running++;
        commits++;
        mostRunning = Math.max(mostRunning, running);
      },
      after: ({ op, to }) => {
        if (op === "rename" && to?.endsWith(".bitmap")) running = Math.max(0, running - 1);
      },
    });
    const from = sample();
    await using store = await open(dir.path, from, { disk });
    const all: Promise<void>[] = [];
    for (let part = 0; part < 40; part++) {
      all.push(store.write(runOf(from, part)).then(() => store.commit()));
    }
    await Promise.all(all);
    expect(commits).toBeGreaterThan(1);
    expect(mostRunning).toBe(1);
  });

  test("SparseFile keeps at most 8 writes in flight", async () => {
    await using dir = await tempDir();
    let inFlight = 0;
    let most = 0;
    const disk = spyDisk(systemDisk, {
      before: ({ op, path }) => {
        if (op === "write" && path.endsWith(".part")) most = Math.max(most, ++inFlight);
      },
      after: ({ op, path }) => {
        if (op === "write" && path.endsWith(".part")) inFlight--;
      },
    });
    const from = sample();
    await using store = await open(dir.path, from, { disk });
    await Promise.all(Array.from({ length: 40 }, (_, part) => store.write(runOf(from, part))));
    expect(most).toBe(8);
  });

  test("SparseFile goes on where a write came up short without an error", async () => {
    await using dir = await tempDir();
    let shorts = 0;
    const disk = {
      ...systemDisk,
      async open(path: string, mode: Parameters<typeof systemDisk.open>[1]) {
        const file = await systemDisk.open(path, mode);
        const write = file.write.bind(file);
        file.write = (bytes, offset) => {
          shorts++;
          return write(bytes.subarray(0, Math.ceil(bytes.length / 3)), offset);
        };
        return file;
      },
    };
    const from = sample();
    await using store = await open(dir.path, from, { disk });
    await store.write(runOf(from, 0, 40));
    await store.publish();
    expect(shorts).toBeGreaterThan(15);
    expect(new Uint8Array(await readFile(join(dir.path, "target")))).toEqual(from.content);
  });

  test("SparseFile whose sync failed once stays failed, and what was written then is not recovered", async () => {
    await using dir = await tempDir();
    let fails = 0;
    const disk = spyDisk(systemDisk, {
      before: ({ op, path }) => {
        if (op !== "datasync" || !path.endsWith(".part") || fails !== 1) return;
        fails++;
        throw new StorageError("io", "Cannot sync: EIO");
      },
    });
    const from = sample({ fileBytes: 12 * 300_000, partBytes: 300_000 });
    await using store = await open(dir.path, from, { disk });
    await store.write(runOf(from, 0));
    await store.commit();
    fails = 1;
    await store.write(runOf(from, 5));
    expect(await codeOf(store.commit())).toBe("io");
    expect(await codeOf(store.commit())).toBe("io");
    expect(await codeOf(store.write(runOf(from, 6)))).toBe("io");
    expect(await codeOf(store.close())).toBe("io");
    expect(fails).toBe(2);
    await using again = await open(dir.path, from);
    expect(again.recheck.reason).toBe("unclean");
    expect(again.recovered.has(0)).toBe(true);
    expect(again.recovered.has(5)).toBe(false);
  });

  test("SparseFile whose write failed goes on, the run not counted as written", async () => {
    await using dir = await tempDir();
    let isFull = false;
    const disk = spyDisk(systemDisk, {
      before: ({ op, path }) => {
        if (isFull && op === "write" && path.endsWith(".part"))
          throw new StorageError("no_space", "Cannot write: ENOSPC");
      },
    });
    const from = sample();
    await using store = await open(dir.path, from, { disk });
    await store.write(runOf(from, 0, 10));
    isFull = true;
    expect(await codeOf(store.write(runOf(from, 10, 10)))).toBe("no_space");
    isFull = false;
    await store.write(runOf(from, 20, 20));
    await store.close();
    await using again = await open(dir.path, from);
    expect(again.recovered.count).toBe(30);
    expect(again.recovered.has(10)).toBe(false);
  });

  test("publish hashes what an earlier run wrote, not what this one did", async () => {
    await using dir = await tempDir();
    const from = sample({ fileBytes: 400_000, partBytes: 10_000 });
    const first = await open(dir.path, from);
    await first.write(runOf(from, 0, 25));
    await first.close();
    const reads: number[] = [];
    const disk = spyDisk(systemDisk, {
      before: ({ op, path, offset }) => {
        if (op === "read" && path.endsWith(".part")) reads.push(offset ?? 0);
      },
    });
    await using second = await open(dir.path, from, { disk });
    await second.write(runOf(from, 25, 15));
    await second.publish();
    expect(reads).toEqual([0]);
    expect(new Uint8Array(await readFile(join(dir.path, "target")))).toEqual(from.content);
  });

  test("publish that is aborted while proving publishes nothing, and can be tried again", async () => {
    await using dir = await tempDir();
    const from = sample({ fileBytes: 400_000, partBytes: 10_000 });
    const first = await open(dir.path, from);
    await first.write(runOf(from, 0, 40));
    await first.close();
    await using second = await open(dir.path, from);
    const abort = new AbortController();
    abort.abort(new Error("enough"));
    expect(await codeOf(second.publish({ signal: abort.signal }))).toBe("Error: enough");
    expect(await systemDisk.facts(join(dir.path, "target"))).toBeUndefined();
    const told: number[] = [];
    await second.publish({ onProgress: (bytes) => told.push(bytes) });
    expect(told.at(-1)).toBe(400_000);
  });

  test("RES-9: publish finds rot in what was believed, publishes nothing, and the part is fetched again", async () => {
    await using dir = await tempDir();
    const from = sample();
    const first = await open(dir.path, from);
    await first.write(runOf(from, 0, 30));
    await first.close();
    await using store = await open(dir.path, from);
    expect(store.recheck.reason).toBe("clean");
    const work = await systemDisk.open(join(dir.path, "target.part"), "work");
    await work.write(Uint8Array.of((from.content[1000] ?? 0) ^ 1), 1000);
    await work.close();
    await store.write(runOf(from, 30, 10));
    expect(await codeOf(store.publish())).toBe("file_mismatch");
    expect(await systemDisk.facts(join(dir.path, "target"))).toBeUndefined();
    await store.close();
    await using again = await open(dir.path, from);
    expect(again.recovered.count).toBe(39);
    expect(again.recovered.has(3)).toBe(false);
    await again.write(runOf(from, 3));
    await again.publish();
    expect(new Uint8Array(await readFile(join(dir.path, "target")))).toEqual(from.content);
  });

  test("verified names the published file so that it need not be hashed again", async () => {
    await using dir = await tempDir();
    const from = sample();
    await using store = await open(dir.path, from);
    await store.write(runOf(from, 0, 40));
    await store.publish();
    const { identity, parts } = await store.verified();
    expect(parts.isFull).toBe(true);
    expect((await systemDisk.facts(store.path))?.identity).toEqual(identity);
  });

  test("SparseFile holds parts beyond 4 GiB of a file of 6 GiB, sparse", async () => {
    await using dir = await tempDir();
    const partBytes = 4 * 1024 * 1024;
    const fileBytes = 6 * GIB + 12_345;
    const small = sample({ fileBytes: partBytes, partBytes });
    const digest = small.torrent.partDigests;
    const geometry = new Geometry({ fileBytes, partBytes });
    const partDigests = new Uint8Array(geometry.partCount * digest.length);
    for (const part of geometry.parts()) partDigests.set(digest, part * digest.length);
    const torrent = createTorrent(crypto, { ...small.torrent, geometry, partDigests });
    const from = { torrent, content: small.content };
    await using store = await open(dir.path, from);
    for (const part of [0, 1023, 1024, 1535]) {
      await store.write({ run: toRun(torrent, part, 1), bytes: small.content });
    }
    const read = new Uint8Array(1000);
    await store.read(1024 * partBytes + 5000, read);
    expect(read).toEqual(small.content.subarray(5000, 6000));
    await store.close();
    const facts = await stat(join(dir.path, "target.part"));
    expect(facts.size).toBe(fileBytes);
    expect(facts.blocks * 512).toBeLessThan(40 * 1024 * 1024);
    await using again = await open(dir.path, from);
    expect(again.recheck.bytesHashed).toBe(0);
    expect([0, 1023, 1024, 1535].map((part) => again.recovered.has(part))).toEqual(
      new Array(4).fill(true),
    );
    expect(again.recovered.count).toBe(4);
  });

  test("openDownload refuses, before anything is written, what will not fit, naming path and need", async () => {
    await using dir = await tempDir();
    const from = sample();
    const disk = { ...systemDisk, freeBytes: async () => from.content.length - 1 };
    const failure = await failureOf(open(dir.path, from, { disk }));
    expect(failure).toBeInstanceOf(StorageError);
    expect(String(failure)).toContain(`${dir.path}/target.part: 10000 bytes are needed, 9999 are`);
    const enough = { ...systemDisk, freeBytes: async () => from.content.length };
    await using store = await open(dir.path, from, { disk: enough });
    expect(store.recheck.reason).toBe("fresh");
  });
});
