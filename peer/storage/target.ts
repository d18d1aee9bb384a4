import { basename, dirname, join, resolve } from "node:path";
import type { Torrent } from "../../protocol/torrent.ts";
import { StorageError } from "../errors.ts";
import type { Disk, FileFacts } from "./disk.ts";
import type { HashOptions } from "./hash-file.ts";
import { isSameFile } from "./identity.ts";
import { verifyFile } from "./verify-file.ts";

/** Where a download ends up, and where it is made. */
export interface Target {
  /** Absolute, the directory's links resolved once: a link changed later does not divert the work. */
  readonly path: string;
  readonly directory: string;
  /** `TARGET.part`, beside the target so that publishing is a rename within one file system. */
  readonly workPath: string;
}

/** @param target a path as the user typed it
 * @throws {StorageError} missing (its directory), not_a_file (it names none), denied, io */
export async function resolveTarget(disk: Disk, target: string): Promise<Target> {
  const absolute = resolve(target);
  const name = basename(absolute);
  if (name === "" || target.endsWith("/")) {
    throw new StorageError("not_a_file", `Cannot write ${target}: it names a directory`);
  }
  const directory = await disk.realPath(dirname(absolute));
  if ((await disk.facts(directory))?.kind !== "directory") {
    throw new StorageError("missing", `Cannot write ${target}: ${directory} is no directory`);
  }
  const path = join(directory, name);
  return { path, directory, workPath: `${path}.part` };
}

/** @returns the regular file that stands at the target, undefined when nothing does
 * @throws {StorageError} not_a_file: a link, a directory, a device, a pipe, none of which is ever written to */
export async function lookAtTarget(disk: Disk, path: string): Promise<FileFacts | undefined> {
  const facts = await disk.facts(path);
  if (facts !== undefined && facts.kind !== "file") {
    const state = facts.kind === "other" ? "device or pipe" : facts.kind;
    throw new StorageError(
      "not_a_file",
      `Cannot write ${path}: a ${state} stands there, only a regular file may`,
    );
  }
  return facts;
}

/** Says what stands at a download's target, before any work.
 * @param target a path as the user typed it
 * @throws {StorageError} missing (its directory), not_a_file, denied, io; the signal's reason */
export async function inspectTarget(
  disk: Disk,
  torrent: Torrent,
  target: string,
  options: HashOptions = {},
): Promise<"absent" | "identical" | "different"> {
  const { path, workPath } = await resolveTarget(disk, target);
  const found = await lookAtTarget(disk, path);
  if (found === undefined) return "absent";
  if (found.identity.size !== BigInt(torrent.geometry.fileBytes)) return "different";
  const file = await disk.open(path, "read");
  try {
    const isIdentical = (await verifyFile(torrent, file, options)).isFull;
    if (isIdentical) await removeSecondName(disk, found, workPath);
    return isIdentical ? "identical" : "different";
  } finally {
    await file.close();
  }
}

/** A kill between the two steps of publishing leaves the file under both names. */
async function removeSecondName(disk: Disk, target: FileFacts, workPath: string): Promise<void> {
  const work = await disk.facts(workPath);
  if (work !== undefined && isSameFile(work.identity, target.identity)) {
    await disk.unlink(workPath);
  }
}

/** Puts the finished work file under the target's name; when it resolves, that survives a power cut.
 * @throws {StorageError} exists, when something stands there and may not be replaced; not_a_file, denied, io */
export async function publishWork(
  disk: Disk,
  target: Target,
  options: { readonly overwrite: boolean },
): Promise<void> {
  const found = await lookAtTarget(disk, target.path);
  if (found !== undefined && !options.overwrite) throw existsError(target.path);
  if (options.overwrite) await disk.rename(target.workPath, target.path);
  else await moveWithoutReplacing(disk, target);
  await disk.syncDirectory(target.directory);
}

async function moveWithoutReplacing(disk: Disk, target: Target): Promise<void> {
  const outcome = await disk.link(target.workPath, target.path);
  if (outcome === "exists") throw existsError(target.path);
  if (outcome === "linked") {
    // The new name first reaches the disk, then the old one goes: never neither.
    await disk.syncDirectory(target.directory);
    await disk.unlink(target.workPath);
    return;
  }
  const placeholder = await disk.open(target.path, "fresh");
  await placeholder.close();
  try {
    await disk.rename(target.workPath, target.path);
  } catch (cause) {
    await disk.unlink(target.path);
    throw cause;
  }
}

/** @returns the error for a target that stands there and may not be replaced */
export function existsError(path: string): StorageError {
  return new StorageError("exists", `Cannot write ${path}: another file stands there already`);
}
