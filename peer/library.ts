import { join } from "node:path";
import { Bitfield } from "../protocol/bitfield.ts";
import type { TorrentDigest } from "../protocol/ids.ts";
import type { Torrent } from "../protocol/torrent.ts";
import type { Clock } from "./clock.ts";
import { TorrentFiles, type TorrentFilesDependencies } from "./library/torrent-files.ts";
import type { FileFacts } from "./storage/disk.ts";
import {
  type FileRecord,
  formatFileRecord,
  parseFileRecord,
  RECORD_BYTES_MAX,
} from "./storage/file-record.ts";
import { type FileIdentity, isSameIdentity } from "./storage/identity.ts";
import { discardJournal, readProgress, removeJournals } from "./storage/resume.ts";
import type { VerifiedFile } from "./storage/seed-file.ts";
import { readSmall, writeAtomic } from "./storage/small-file.ts";
import { resolveTarget } from "./storage/target.ts";

/** Which torrents and files this peer has: the data directory, read anew at each question, so that several processes may
 * share it. `torrents/NAME.json` are the torrents, `state/DIGEST.json` says where a torrent's file lies and what of it was
 * found right; without that, it is where the original program put it: `files/UUID.bin`. */

/** A torrent and its file. */
export interface Entry {
  readonly torrent: Torrent;
  /** Absolute: the file, or where it will stand. */
  readonly path: string;
  /** `complete`: a file of the right size, none of it known to be wrong · `partial`: some of it, or a download under way ·
   * `missing`: nothing. */
  readonly state: "complete" | "partial" | "missing";
  /** Under which `parts` were hashed, as the file still is; undefined when it has to be hashed before it is served. */
  readonly identity: FileIdentity | undefined;
  /** Parts that are known to be there. */
  readonly parts: Bitfield;
}

export interface LibraryDependencies extends TorrentFilesDependencies {
  readonly clock: Clock;
}

/** Fewer characters than this name too many torrents to be meant. */
const PREFIX_CHARS_MIN = 4;

/** Opens a data directory, making what is missing of it.
 * @throws {StorageError} denied, no_space, missing, io */
export async function openLibrary(
  dataDir: string,
  dependencies: LibraryDependencies,
): Promise<Library> {
  const { disk } = dependencies;
  await disk.makeDirectory(dataDir);
  const root = await disk.realPath(dataDir);
  for (const name of ["torrents", "files", "state"]) await disk.makeDirectory(join(root, name));
  return new Library(root, dependencies);
}

export class Library {
  /** Where downloads keep their journals and locks. */
  readonly journalDir: string;
  readonly #filesDir: string;
  readonly #dependencies: LibraryDependencies;
  readonly #torrents: TorrentFiles;

  /** @param root absolute, its directories made: use `openLibrary` */
  constructor(root: string, dependencies: LibraryDependencies) {
    this.journalDir = join(root, "state");
    this.#torrents = new TorrentFiles(join(root, "torrents"), dependencies);
    this.#filesDir = join(root, "files");
    this.#dependencies = dependencies;
  }

  /** All entries, one in memory at a time; each torrent once, whatever the number of its files.
   * @throws {StorageError} denied, io */
  async *list(): AsyncGenerator<Entry> {
    const seen = new Set<TorrentDigest>();
    for (const name of await this.#torrents.names()) {
      const torrent = await this.#torrents.read(name);
      if (torrent === undefined || seen.has(torrent.digest)) continue;
      seen.add(torrent.digest);
      yield await this.#toEntry(torrent);
    }
  }

  /** @param text a digest, a uuid, or how one of them begins, at least 4 characters
   * @returns every entry that it may mean: two torrents can have one uuid
   * @throws {StorageError} denied, io */
  async find(text: string): Promise<readonly Entry[]> {
    const wanted = text.toLowerCase();
    if (wanted.length < PREFIX_CHARS_MIN) return [];
    const found = new Map<TorrentDigest, Entry>();
    for (const [name, { hash, digest }] of await this.#torrents.refresh()) {
      if (found.has(digest) || !(digest.startsWith(wanted) || hash.startsWith(wanted))) continue;
      const torrent = await this.#torrents.read(name);
      if (torrent !== undefined) found.set(digest, await this.#toEntry(torrent));
    }
    return [...found.values()];
  }

  /** Records a torrent and where its file lies, or will; known before, the file's place and state are replaced.
   * @param file.verified what was found right, undefined when nothing was looked at
   * @throws {StorageError} missing (the path's directory), denied, no_space, io */
  async add(
    torrent: Torrent,
    file: { readonly path: string; readonly verified?: VerifiedFile | undefined },
  ): Promise<Entry> {
    const { disk, crypto, clock } = this.#dependencies;
    const exists = (await disk.facts(file.path)) !== undefined;
    const path = exists
      ? await disk.realPath(file.path)
      : (await resolveTarget(disk, file.path)).path;
    await this.#torrents.keep(torrent);
    const record = { path, verified: file.verified, recordedAt: clock.now() };
    await this.#write(this.#recordPath(torrent.digest), formatFileRecord(record));
    if (file.verified?.parts.isFull) {
      const location = { journalDir: this.journalDir, torrent, target: path };
      await discardJournal(disk, crypto, location);
    }
    return await this.#toEntry(torrent);
  }

  /** Copies a file into the data directory; recording it is left to `add`.
   * @returns the copy's path, whose content the caller has yet to verify
   * @throws {StorageError} missing, denied, no_space, io */
  async copyIn(torrent: Torrent, source: string): Promise<string> {
    const { disk } = this.#dependencies;
    const incoming = this.incomingPath();
    try {
      await disk.copy(source, incoming);
      return await this.adopt(torrent, incoming);
    } catch (cause) {
      await disk.unlink(incoming);
      throw cause;
    }
  }

  /** @returns a path in the data directory that nothing has, for a file that `adopt` will take in */
  incomingPath(): string {
    const name = this.#dependencies.random.bytes(8).toHex();
    return join(this.#filesDir, `${name}.incoming`);
  }

  /** Takes a file that was made at `incomingPath` in as the torrent's.
   * @returns its path from now on
   * @throws {StorageError} missing, denied, io */
  async adopt(torrent: Torrent, incoming: string): Promise<string> {
    const { disk } = this.#dependencies;
    const file = await disk.open(incoming, "work");
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
    const path = join(this.#filesDir, `${torrent.digest}.bin`);
    await disk.rename(incoming, path);
    await disk.syncDirectory(this.#filesDir);
    return path;
  }

  /** Forgets a torrent: its file in the data directory, its record, its journals.
   * @param options.deleteFile whether the served file, or what was downloaded of it, goes too
   * @throws {StorageError} denied, io */
  async remove(digest: TorrentDigest, options: { readonly deleteFile: boolean }): Promise<void> {
    const { disk } = this.#dependencies;
    const [entry] = await this.find(digest);
    await this.#torrents.remove(digest);
    await disk.unlink(this.#recordPath(digest));
    await removeJournals(disk, this.journalDir, digest);
    if (!options.deleteFile || entry === undefined) return;
    for (const path of [entry.path, `${entry.path}.part`]) {
      if ((await disk.facts(path))?.kind === "file") await disk.unlink(path);
    }
  }

  async #toEntry(torrent: Torrent): Promise<Entry> {
    const { disk, crypto } = this.#dependencies;
    const record = await this.#readRecord(torrent);
    const path = record?.path ?? (await this.#unrecordedPath(torrent));
    const facts = await disk.facts(path);
    if (facts?.kind === "file") return describeFile(torrent, path, facts, record?.verified);
    const location = { journalDir: this.journalDir, torrent, target: path };
    const progress = await readProgress(disk, crypto, location);
    return {
      torrent,
      path,
      state: progress === undefined ? "missing" : "partial",
      identity: undefined,
      parts: progress ?? new Bitfield(torrent.geometry.partCount),
    };
  }

  async #readRecord(torrent: Torrent): Promise<FileRecord | undefined> {
    const { disk, warn } = this.#dependencies;
    const path = this.#recordPath(torrent.digest);
    const bytes = await readSmall(disk, path, RECORD_BYTES_MAX);
    if (bytes === undefined) return undefined;
    const record = parseFileRecord(torrent, bytes);
    if (record === undefined) warn(`${path} is passed over: it is no record of its torrent`);
    return record;
  }

  /** Where a file is that nothing was recorded of: a copy of ours, or one that the original program put there. */
  async #unrecordedPath(torrent: Torrent): Promise<string> {
    const copied = join(this.#filesDir, `${torrent.digest}.bin`);
    const isCopied = (await this.#dependencies.disk.facts(copied)) !== undefined;
    return isCopied ? copied : join(this.#filesDir, `${torrent.hash}.bin`);
  }

  #recordPath(digest: TorrentDigest): string {
    return join(this.journalDir, `${digest}.json`);
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const { disk, random } = this.#dependencies;
    await writeAtomic(disk, path, bytes, `${path}.${random.bytes(8).toHex()}.tmp`);
  }
}

function describeFile(
  torrent: Torrent,
  path: string,
  facts: FileFacts,
  verified: VerifiedFile | undefined,
): Entry {
  const { fileBytes, partCount } = torrent.geometry;
  if (verified !== undefined && isSameIdentity(verified.identity, facts.identity)) {
    const state = verified.parts.isFull ? "complete" : "partial";
    return { torrent, path, state, identity: verified.identity, parts: verified.parts };
  }
  const isSized = facts.identity.size === BigInt(fileBytes);
  return {
    torrent,
    path,
    state: isSized ? "complete" : "partial",
    identity: undefined,
    parts: new Bitfield(partCount),
  };
}
