import type { Crypto } from "../../protocol/crypto.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import type { Clock, Random } from "../clock.ts";
import { StorageError } from "../errors.ts";
import { Committer } from "./committer.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { acquireLock, type Lock } from "./lock.ts";
import { type Recovery, recover } from "./recover.ts";
import { Journal, type LoadedJournal, toSavedFile } from "./resume.ts";
import { SparseFile, WORK_MODE } from "./sparse-file.ts";
import { existsError, lookAtTarget, resolveTarget, type Target } from "./target.ts";

export interface DownloadOptions {
  readonly disk: Disk;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly torrent: Torrent;
  /** A path as the user typed it. */
  readonly target: string;
  /** Made when missing. */
  readonly journalDir: string;
  /** Whether a different file at the target may be replaced. */
  readonly overwrite: boolean;
  /** Ends the hashing of what an earlier run left. */
  readonly signal?: AbortSignal | undefined;
}

/** Begins a download, or goes on with one: locks the target, finds out what of it stands in `TARGET.part`, and gives
 * that file its full size, sparse.
 * @throws {StorageError} busy (with the other process's pid), exists (look with `inspectTarget` first), not_a_file,
 * missing (the target's directory), no_space (the rest would not fit), denied, io; the signal's reason */
export async function openDownload(options: DownloadOptions): Promise<SparseFile> {
  const { disk, journalDir } = options;
  const target = await resolveTarget(disk, options.target);
  await disk.makeDirectory(journalDir);
  // Beside the target, since runs with different data directories can want the same one.
  const lock = await acquireLock(options, `${target.workPath}.lock`, target.path);
  try {
    return await openLocked(options, target, lock);
  } catch (cause) {
    await lock.release();
    throw cause;
  }
}

async function openLocked(
  options: DownloadOptions,
  target: Target,
  lock: Lock,
): Promise<SparseFile> {
  const { disk, crypto, clock, torrent, journalDir, overwrite } = options;
  const found = await lookAtTarget(disk, target.path);
  if (found !== undefined && !overwrite) throw existsError(target.path);
  await lookAtTarget(disk, target.workPath);
  const journal = new Journal(disk, crypto, { journalDir, torrent, target: target.path });
  const file = await disk.open(target.workPath, "work");
  try {
    const recovery = await prepare(options, target, file, journal);
    const committer = new Committer(torrent.geometry, file, journal, clock, recovery.have);
    const opened = { disk, clock, torrent, target, overwrite, file, journal, committer };
    return new SparseFile({ ...opened, lock, recovery });
  } catch (cause) {
    await journal.close();
    await file.close();
    throw cause;
  }
}

async function prepare(
  options: DownloadOptions,
  target: Target,
  file: DiskFile,
  journal: Journal,
): Promise<Recovery> {
  const { disk, torrent } = options;
  const before = await file.facts();
  if (before.kind !== "file") {
    throw new StorageError("not_a_file", `Cannot write ${target.workPath}: it is no regular file`);
  }
  if (before.identity.size > 0n) await file.chmod(WORK_MODE);
  const loaded = await journal.load();
  const recovery = await recover(torrent, file, loaded, options);
  if (isForeign(before.allocatedBytes, loaded, recovery) && !options.overwrite) {
    throw new StorageError(
      "exists",
      `Cannot write ${target.workPath}: a file stands there that holds nothing of this torrent`,
    );
  }
  await refuseWithoutSpace(options, target, recovery, before.allocatedBytes);
  // Found by hashing, it may still be in memory only: synced before the journal says that it is had.
  if (!recovery.proven.isEmpty) await file.datasync();
  const { have, proven } = recovery;
  await journal.begin({ have, last: proven, file: toSavedFile(before.identity) });
  // Sized only now: an empty work file tells the next run that there is nothing to hash.
  await file.truncate(torrent.geometry.fileBytes);
  if (recovery.reason === "fresh") await disk.syncDirectory(target.directory);
  return recovery;
}

/** Whether the work file is somebody else's: it holds something, nothing of it is ours, and we never worked on it. */
function isForeign(allocatedBytes: number, journal: LoadedJournal, recovery: Recovery): boolean {
  return allocatedBytes > 0 && !journal.isKnownTarget && recovery.have.isEmpty;
}

async function refuseWithoutSpace(
  options: DownloadOptions,
  target: Target,
  recovery: Recovery,
  allocatedBytes: number,
): Promise<void> {
  const { geometry } = options.torrent;
  const missing = geometry.fileBytes - geometry.bytesIn(recovery.have);
  const needed = Math.min(missing, Math.max(0, geometry.fileBytes - allocatedBytes));
  const free = await options.disk.freeBytes(target.directory);
  if (free >= needed) return;
  throw new StorageError(
    "no_space",
    `Cannot write ${target.workPath}: ${needed} bytes are needed, ${free} are free`,
  );
}
