import { describe, expect, test } from "bun:test";
import { open, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestRuns } from "../../../peer/storage/digest-runs.ts";
import type { DiskFile } from "../../../peer/storage/disk.ts";
import { systemDisk } from "../../../peer/storage/system-disk.ts";
import { Geometry } from "../../../protocol/geometry.ts";
import type { PartAlgorithm } from "../../../protocol/part-algorithm.ts";
import { HAS_BLAKE3 } from "../../support/blake3.ts";
import { partDigest } from "../../support/crypto.ts";
import { tempDir } from "./fixtures.ts";

const MIB = 1024 * 1024;
/** Above what is worth threads, and no multiple of anything. */
const FILE_BYTES = 130 * MIB + 4321;

/** @returns each part's digest in hex, "" where there is none */
async function digestsOf(
  file: DiskFile,
  geometry: Geometry,
  options: { signal?: AbortSignal; algorithm?: PartAlgorithm } = {},
) {
  const whole = geometry.run(0, geometry.partCount);
  const digests = Array.from({ length: geometry.partCount }, () => "");
  const progress: number[] = [];
  const runs = whole === undefined ? [] : [whole];
  const request = {
    geometry,
    algorithm: "sha256" as const,
    runs,
    onProgress: (bytes: number) => progress.push(bytes),
    ...options,
  };
  await digestRuns(file, request, (run, some) => {
    const digestBytes = some.length / run.count;
    for (let at = 0; at < run.count; at++) {
      expect(digests[run.first + at]).toBe("");
      digests[run.first + at] = some.subarray(at * digestBytes, (at + 1) * digestBytes).toHex();
    }
  });
  return { digests, progress };
}

/** The same file without a descriptor that threads could use. */
function withoutThreads(file: DiskFile): DiskFile {
  return { ...bound(file) };
}

function bound(file: DiskFile): Omit<DiskFile, "fd"> {
  return {
    read: (into, offset) => file.read(into, offset),
    write: (bytes, offset) => file.write(bytes, offset),
    writeNow: (bytes, offset) => file.writeNow(bytes, offset),
    truncate: (bytes) => file.truncate(bytes),
    datasync: () => file.datasync(),
    facts: () => file.facts(),
    chmod: (mode) => file.chmod(mode),
    close: () => file.close(),
  };
}

/** Mostly a hole, with marks so that no two parts are alike. */
async function makeLargeFile(path: string): Promise<void> {
  await writeFile(path, "");
  await truncate(path, FILE_BYTES);
  const file = await open(path, "r+");
  for (let at = 0; at < FILE_BYTES; at += MIB) await file.write(String(at), at);
  await file.close();
}

describe("digestRuns", () => {
  test.each([1, 3, 16].map((mib) => [mib * MIB + (mib === 3 ? 7 : 0)]))(
    "digestRuns in threads agrees with one thread, parts of %d bytes",
    async (partBytes) => {
      await using dir = await tempDir();
      const path = join(dir.path, "large");
      await makeLargeFile(path);
      const geometry = new Geometry({ fileBytes: FILE_BYTES, partBytes });
      const file = await systemDisk.open(path, "read");
      try {
        const threaded = await digestsOf(file, geometry);
        const single = await digestsOf(withoutThreads(file), geometry);
        expect(threaded.digests).toEqual(single.digests);
        expect(new Set(threaded.digests).size).toBe(geometry.partCount);
        expect(threaded.progress.at(-1)).toBe(FILE_BYTES);
        expect(threaded.progress.length).toBeGreaterThan(1);
        expect(threaded.progress.toSorted((left, right) => left - right)).toEqual(
          threaded.progress,
        );
      } finally {
        await file.close();
      }
    },
  );

  test.skipIf(!HAS_BLAKE3)(
    "digestRuns in threads hashes with BLAKE3 too, as one thread and as a plain BLAKE3 do",
    async () => {
      await using dir = await tempDir();
      const path = join(dir.path, "large");
      await makeLargeFile(path);
      const geometry = new Geometry({ fileBytes: FILE_BYTES, partBytes: MIB });
      const file = await systemDisk.open(path, "read");
      try {
        const threaded = await digestsOf(file, geometry, { algorithm: "blake3" });
        const single = await digestsOf(withoutThreads(file), geometry, { algorithm: "blake3" });
        expect(threaded.digests).toEqual(single.digests);
        for (const part of [0, 63, 130]) {
          const content = await Bun.file(path)
            .slice(part * MIB, (part + 1) * MIB)
            .bytes();
          expect(threaded.digests[part]).toBe(partDigest("blake3", content).toHex());
        }
      } finally {
        await file.close();
      }
    },
  );

  test("digestRuns in threads gives no digest for parts beyond the file's end, and the rest all the same", async () => {
    await using dir = await tempDir();
    const path = join(dir.path, "short");
    await makeLargeFile(path);
    await truncate(path, 100 * MIB + 5);
    const geometry = new Geometry({ fileBytes: FILE_BYTES, partBytes: MIB });
    const file = await systemDisk.open(path, "read");
    try {
      const { digests } = await digestsOf(file, geometry);
      expect(digests.map((digest) => digest !== "")).toEqual(digests.map((_, part) => part < 100));
    } finally {
      await file.close();
    }
  });

  test("digestRuns in threads ends with the signal's reason, and with an error when it cannot read", async () => {
    await using dir = await tempDir();
    const path = join(dir.path, "large");
    await makeLargeFile(path);
    const geometry = new Geometry({ fileBytes: FILE_BYTES, partBytes: MIB });
    const file = await systemDisk.open(path, "read");
    const reason = new Error("stopped");
    await expect(digestsOf(file, geometry, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    await file.close();
    const directory = await open(dir.path, "r");
    const unreadable = { ...bound(file), fd: directory.fd };
    await expect(digestsOf(unreadable, geometry)).rejects.toMatchObject({ name: "StorageError" });
    await directory.close();
  });
});
