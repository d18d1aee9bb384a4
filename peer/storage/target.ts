import { basename, dirname, join, resolve } from "node:path";
import type { Torrent } from "../../protocol/torrent.ts";
import type { Clock } from "../clock.ts";
import { StorageError } from "../errors.ts";
import type { HashOptions } from "./digest-runs.ts";
import type { Disk, FileFacts } from "./disk.ts";
import { isSameFile } from "./identity.ts";
import { type VerifiedFile, verifySeed } from "./seed-file.ts";

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

/** What stands at a download's target before any work. */
export type TargetState =
  | { readonly type: "absent" }
  | { readonly type: "different" }
  /** All of it is what the torrent says. */
  | { readonly type: "identical"; readonly verified: VerifiedFile };

/** Says what stands at a download's target, before any work.
 * @param target a path as the user typed it
 * @throws {StorageError} missing (its directory), not_a_file, changed (while it was hashed), denied, io; the signal's
 * reason */
export async function inspectTarget(
  disk: Disk,
  clock: Clock,
  torrent: Torrent,
  target: string,
  options: HashOptions = {},
): Promise<TargetState> {
  const { path, workPath } = await resolveTarget(disk, target);
  const found = await lookAtTarget(disk, path);
  if (found === undefined) return { type: "absent" };
  if (found.identity.size !== BigInt(torrent.geometry.fileBytes)) return { type: "different" };
  const verify = () => verifySeed(disk, clock, torrent, path, options);
  const verified = await verify();
  if (!verified.parts.isFull) return { type: "different" };
  const hadSecondName = await removeSecondName(disk, found, workPath);
  // Losing a name is a change of the file, too: what was hashed before does not count any more.
  return { type: "identical", verified: hadSecondName ? await verify() : verified };
}

/** A kill between the two steps of publishing leaves the file under both names. */
async function removeSecondName(disk: Disk, target: FileFacts, workPath: string): Promise<boolean> {
  const work = await disk.facts(workPath);
  if (work === undefined || !isSameFile(work.identity, target.identity)) return false;
  await disk.unlink(workPath);
  return true;
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
