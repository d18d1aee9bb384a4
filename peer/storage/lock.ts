import { Database, SQLiteError } from "bun:sqlite";
import type { Clock, Random } from "../clock.ts";
import { StorageError } from "../errors.ts";
import type { Disk } from "./disk.ts";
import { toStorageError } from "./disk-error.ts";
import { type FileIdentity, isSameIdentity } from "./identity.ts";
import { readSmall, writeFully } from "./small-file.ts";

/** A lock that one process at a time can hold and that its death releases, however it dies: SQLite's lock on a small
 * file, since there is none in the file API.
 *
 * Two traps shape this file. Closing any descriptor of a locked file drops the process's locks on it: so one task at a
 * time of this process may touch a lock file, nobody but SQLite once it is held, and the holder's pid stands in a file of
 * its own. And a released lock file is removed while others may be waiting for it: so whoever gets a lock looks whether
 * it is still the file of that name. */

export interface Lock extends AsyncDisposable {
  /** Lets the next one in and removes the lock's files. Calling it twice does nothing. */
  release(): Promise<void>;
}

export interface LockDependencies {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
}

/** Starters that collide can all be turned away at once: each asks again, for some 250 ms, before it believes it lost. */
const ATTEMPTS = 12;
const PAUSE_MS_MAX = 40;
const PID_BYTES_MAX = 32;

/** What tasks of this process hold or try to get; it keeps the databases alive, too. */
const claimed = new Map<string, Database | undefined>();

/** @param path of the lock file, in an existing directory, its links resolved
 * @param what is locked, for the message: `the target /a/b`
 * @throws {StorageError} busy, naming the holder's pid; denied, missing, no_space, io */
export async function acquireLock(
  dependencies: LockDependencies,
  path: string,
  what: string,
): Promise<Lock> {
  const { disk, clock, random } = dependencies;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await clock.sleep(1 + random.below(PAUSE_MS_MAX));
    if (claimed.get(path) !== undefined) break;
    if (!claimed.has(path) && (await tryLock(disk, path))) return createLock(disk, path);
  }
  throw new StorageError("busy", `Cannot lock ${what}: ${await describeHolder(disk, path)}`);
}

/** @returns whether this process has it now */
async function tryLock(disk: Disk, path: string): Promise<boolean> {
  claimed.set(path, undefined);
  let before: FileIdentity | undefined;
  let database: Database | undefined;
  let isOurs = false;
  try {
    before = await touch(disk, path);
    database = openExclusive(path);
    isOurs = database !== undefined && (await isStill(disk, path, before));
    if (isOurs) await writePid(disk, path);
  } catch (cause) {
    isOurs = false;
    // SQLite has many words for a file that is removed under it. Whoever did that has let go.
    if (before === undefined || (await isStill(disk, path, before))) throw cause;
  } finally {
    if (isOurs) claimed.set(path, database);
    else unclaim(path, database);
  }
  return isOurs;
}

function unclaim(path: string, database: Database | undefined): void {
  database?.close();
  claimed.delete(path);
}

async function isStill(disk: Disk, path: string, file: FileIdentity): Promise<boolean> {
  const facts = await disk.facts(path);
  return facts !== undefined && isSameIdentity(file, facts.identity);
}

/** @returns what identifies the lock file, which is made when missing */
async function touch(disk: Disk, path: string): Promise<FileIdentity> {
  const file = await disk.open(path, "work");
  try {
    return (await file.facts()).identity;
  } finally {
    await file.close();
  }
}

/** @returns undefined where another one has it */
function openExclusive(path: string): Database | undefined {
  let database: Database | undefined;
  try {
    database = new Database(path, { readwrite: true });
    database.run("PRAGMA busy_timeout = 0");
    database.run("BEGIN EXCLUSIVE");
    return database;
  } catch (cause) {
    database?.close();
    if (cause instanceof SQLiteError && cause.code === "SQLITE_BUSY") return undefined;
    throw toStorageError(cause, `Cannot lock ${path}`);
  }
}

function createLock(disk: Disk, path: string): Lock {
  const database = claimed.get(path);
  let isHeld = true;
  async function release(): Promise<void> {
    if (!isHeld) return;
    isHeld = false;
    try {
      await disk.unlink(pidPath(path));
      await disk.unlink(path);
    } finally {
      unclaim(path, database);
    }
  }
  return { release, [Symbol.asyncDispose]: release };
}

async function writePid(disk: Disk, path: string): Promise<void> {
  const file = await disk.open(pidPath(path), "replace");
  try {
    await writeFully(file, new TextEncoder().encode(String(process.pid)), 0);
  } finally {
    await file.close();
  }
}

async function describeHolder(disk: Disk, path: string): Promise<string> {
  if (claimed.has(path)) return `this process (${process.pid}) works on it already`;
  const bytes = await readSmall(disk, pidPath(path), PID_BYTES_MAX);
  const pid = new TextDecoder().decode(bytes);
  return /^[0-9]+$/.test(pid) ? `process ${pid} works on it` : "another process works on it";
}

function pidPath(path: string): string {
  return `${path}.pid`;
}
