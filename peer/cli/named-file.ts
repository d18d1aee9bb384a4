import { NotFoundError, StorageError } from "../errors.ts";
import type { Disk, DiskFile } from "../storage/disk.ts";

/** Opens a file that the user named for reading; links the user made are followed.
 * @param tried what it is wanted for: `Cannot verify`
 * @throws {NotFoundError} no_file
 * @throws {StorageError} not_a_file, denied, io */
export async function openNamedFile(disk: Disk, path: string, tried: string): Promise<DiskFile> {
  const file = await openResolved(disk, path, tried);
  const { kind } = await file.facts();
  if (kind === "file") return file;
  await file.close();
  throw new StorageError("not_a_file", `${tried} ${path}: it is no regular file`);
}

async function openResolved(disk: Disk, path: string, tried: string): Promise<DiskFile> {
  try {
    return await disk.open(await disk.realPath(path), "read");
  } catch (cause) {
    throw named(cause, `${tried} ${path}`);
  }
}

/** What is missing was named by the user: that is not the disk's fault. */
function named(cause: unknown, tried: string): unknown {
  const isMissing = cause instanceof StorageError && cause.code === "missing";
  return isMissing ? new NotFoundError("no_file", `${tried}: no such file`, { cause }) : cause;
}
