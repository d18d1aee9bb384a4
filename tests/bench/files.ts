import { mkdir, mkdtemp, open, readFile, rm, stat, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MIB } from "./options.ts";

/** Where a bench puts its files, and the files that it moves. */

/** Memory-backed where there is such a place, so that no disk is measured. */
export function workRoot(): string {
  return process.env.BENCH_DIR ?? (process.platform === "linux" ? "/dev/shm" : tmpdir());
}

/** @returns the place for so many bytes: the usual one when it and the memory behind it can take them, else a disk */
export async function rootFor(bytes: number): Promise<string> {
  const root = workRoot();
  if (process.env.BENCH_DIR !== undefined || process.platform !== "linux") return root;
  const { bavail, bsize } = await statfs(root);
  const available = /MemAvailable:\s+(\d+)/.exec(await readFile("/proc/meminfo", "latin1"))?.[1];
  const room = Math.min(bavail * bsize, Number(available ?? 0) * 1024);
  return bytes * ROOM_MARGIN < room ? root : "/var/tmp";
}

const ROOM_MARGIN = 1.25;

/** Does something in an empty directory, which goes afterwards. */
export async function inDirectory<Result>(
  root: string,
  work: (directory: string) => Promise<Result>,
): Promise<Result> {
  const directory = await mkdtemp(join(root, "peer-bench-"));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Random bytes, made once a size and kept. */
export async function randomFile(mib: number): Promise<string> {
  const directory = join(workRoot(), "peer-bench-data");
  await mkdir(directory, { recursive: true });
  const path = join(directory, `random-${mib}.bin`);
  const found = await stat(path).catch(() => undefined);
  if (found?.size !== mib * MIB) await Bun.$`head -c ${mib * MIB} /dev/urandom > ${path}`.quiet();
  return path;
}

/** A file whose parts all differ, made of holes but for their beginnings, so that it takes little room.
 * @param headBytes random bytes at the beginning of every part */
export async function writeSparse(
  path: string,
  size: { readonly mib: number; readonly partBytes: number; readonly headBytes: number },
): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.truncate(size.mib * MIB);
    const head = new Uint8Array(size.headBytes);
    for (let at = 0; at < size.mib * MIB; at += size.partBytes) {
      crypto.getRandomValues(head);
      await file.write(head, 0, head.length, at);
    }
  } finally {
    await file.close();
  }
}

/** Compares two files part by part.
 * @returns bytes in parts that are the same in both */
export async function sameBytes(left: string, right: string, partBytes: number): Promise<number> {
  const [leftFile, rightFile] = await Promise.all([open(left), open(right)]);
  try {
    const { size } = await leftFile.stat();
    const [mine, theirs] = [Buffer.alloc(partBytes), Buffer.alloc(partBytes)];
    let bytes = 0;
    for (let at = 0; at < size; at += partBytes) {
      const length = Math.min(partBytes, size - at);
      await leftFile.read(mine, 0, length, at);
      await rightFile.read(theirs, 0, length, at);
      if (mine.subarray(0, length).equals(theirs.subarray(0, length))) bytes += length;
    }
    return bytes;
  } finally {
    await Promise.all([leftFile.close(), rightFile.close()]);
  }
}
