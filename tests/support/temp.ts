import { createCipheriv, createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A directory of its own that goes, with all that is in it, when it is disposed of. */
export interface TempDirectory extends AsyncDisposable {
  readonly path: string;
  /** @returns the path of a name in it */
  readonly at: (...names: readonly string[]) => string;
}

/** @param parent where it is made; by default where temporary files go */
export async function makeTempDirectory(parent = tmpdir()): Promise<TempDirectory> {
  const path = await mkdtemp(join(parent, "peer-e2e-"));
  return {
    path,
    at: (...names) => join(path, ...names),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** @returns a place for temporary files with so much free space, in memory where there is one; undefined when there is none */
export async function findRoom(bytes: number): Promise<string | undefined> {
  for (const directory of ["/dev/shm", tmpdir()]) {
    const facts = await statfs(directory).catch(() => undefined);
    if (facts !== undefined && facts.bavail * facts.bsize >= bytes) return directory;
  }
  return undefined;
}

/** The same bytes for the same seed, for ever, made as fast as the machine can encrypt.
 * @param seed any integer */
export function seededBytes(seed: number, length: number): Buffer {
  const key = createHash("md5").update(`seed ${seed}`).digest();
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** Writes `seededBytes` to a file.
 * @returns the path */
export async function writeSeeded(path: string, length: number, seed: number): Promise<string> {
  await writeFile(path, seededBytes(seed, length));
  return path;
}

/** @returns the SHA-256 of a file's content, in hex */
export async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    hash.update(chunk);
  }
  return hash.digest("hex");
}
