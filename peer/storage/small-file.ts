import { dirname } from "node:path";
import { StorageError } from "../errors.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { readFully } from "./read-ahead.ts";

/** @param bytesMax a larger file is refused before anything of it is kept
 * @returns the whole file, or undefined when there is none
 * @throws {StorageError} not_a_file (a link, a directory, too large), denied, io */
export async function readSmall(
  disk: Disk,
  path: string,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  return await useSmall(disk, path, bytesMax, async (file, fileBytes) => {
    const content = new Uint8Array(fileBytes);
    return content.subarray(0, await readFully(file, content, 0));
  });
}

/** Opens a file for as long as it is used.
 * @param bytesMax a larger file is refused
 * @returns what `use` makes of it, or undefined when there is none
 * @throws {StorageError} not_a_file (a link, a directory, too large), denied, io */
export async function useSmall<Result>(
  disk: Disk,
  path: string,
  bytesMax: number,
  use: (file: DiskFile, fileBytes: number) => Promise<Result>,
): Promise<Result | undefined> {
  const found = await disk.facts(path);
  if (found === undefined) return undefined;
  const file = await disk.open(path, "read");
  try {
    const { kind, identity } = await file.facts();
    if (kind !== "file" || identity.size > bytesMax) {
      const state = kind === "file" ? `it has ${identity.size} bytes` : "it is no regular file";
      throw new StorageError("not_a_file", `Cannot read ${path}: ${state}`);
    }
    return await use(file, Number(identity.size));
  } finally {
    await file.close();
  }
}

/** Writes a file as a whole so that, whatever happens, its name leads to the old content or to the new one, never to a
 * mixture; when it resolves, the new one survives a power cut.
 * @param content the bytes, or chunks of them, each of which is written before the next is asked for
 * @param temporary a name in the same directory that nobody else uses; left behind only by a kill
 * @throws {StorageError} no_space, denied, missing, io */
export async function writeAtomic(
  disk: Disk,
  path: string,
  content: Uint8Array | Iterable<Uint8Array>,
  temporary: string = `${path}.tmp`,
): Promise<void> {
  const file = await disk.open(temporary, "replace");
  try {
    let offset = 0;
    for (const chunk of content instanceof Uint8Array ? [content] : content) {
      await writeFully(file, chunk, offset);
      offset += chunk.length;
    }
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncDirectory(dirname(path));
}

/** Writes all the bytes, however few each call takes.
 * @throws {StorageError} no_space, denied, io */
export async function writeFully(file: DiskFile, bytes: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += await file.write(bytes.subarray(at), offset + at);
}
