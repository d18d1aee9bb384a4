import { join } from "node:path";
import type { Bitfield } from "../../protocol/bitfield.ts";
import type { Crypto } from "../../protocol/crypto.ts";
import type { PartRun } from "../../protocol/geometry.ts";
import type { TorrentDigest } from "../../protocol/ids.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import {
  type BitmapDoubt,
  bitmapFileBytes,
  decodeBitmap,
  encodeBitmap,
  type SavedBitmap,
} from "./bitmap-file.ts";
import type { Disk, DiskFile } from "./disk.ts";
import type { FileIdentity } from "./identity.ts";
import { readSmall, writeAtomic } from "./small-file.ts";

/** What is remembered of a download between two runs: two files.
 *
 * The bitmap says which parts are had. It is replaced as a whole, and only after the parts' bytes were synced, so a bit
 * in it is true even after a power cut.
 * The intent says which spans were begun, one bit each, set before a span's first byte is written. It is never synced and
 * never believed: after a kill it names the parts, not had, that are worth hashing, so that no part whose write had
 * returned is lost and the holes of a large file are not hashed. */

export interface JournalLocation {
  readonly journalDir: string;
  readonly torrent: Torrent;
  /** The target's real path. */
  readonly target: string;
}

/** What an earlier run left. */
export interface LoadedJournal {
  readonly bitmap: SavedBitmap | BitmapDoubt | undefined;
  /** Undefined when there is none of the right size. */
  readonly intent: Uint8Array | undefined;
  /** Whether any torrent's download was ever at work on this target. */
  readonly isKnownTarget: boolean;
}

const TARGET_HASH_DIGITS = 32;

/** @returns the name, without directory, that all files about a target begin or end with */
function targetKey(crypto: Crypto, target: string): string {
  return crypto.sha256(new TextEncoder().encode(target)).toHex().slice(0, TARGET_HASH_DIGITS);
}

/** @returns the parts that an unfinished download had when its journal was last saved, undefined when none is known;
 * to show, not to believe */
export async function readProgress(
  disk: Disk,
  crypto: Crypto,
  location: JournalLocation,
): Promise<Bitfield | undefined> {
  const bitmap = await new Journal(disk, crypto, location).loadBitmap();
  return typeof bitmap === "object" ? bitmap.have : undefined;
}

/** Removes what a download's journal may have left behind when it was killed right after publishing. */
export async function discardJournal(
  disk: Disk,
  crypto: Crypto,
  location: JournalLocation,
): Promise<void> {
  await new Journal(disk, crypto, location).discard();
}

/** Removes all journals of a torrent, whatever their targets. */
export async function removeJournals(
  disk: Disk,
  journalDir: string,
  digest: TorrentDigest,
): Promise<void> {
  for (const name of await disk.list(journalDir)) {
    if (name.startsWith(`${digest}-`)) await disk.unlink(join(journalDir, name));
  }
}

export class Journal {
  readonly #disk: Disk;
  readonly #crypto: Crypto;
  readonly #location: JournalLocation;
  readonly #name: string;
  readonly #bitmapPath: string;
  readonly #intentPath: string;
  readonly #intent: Uint8Array;
  #intentFile: DiskFile | undefined;
  #generation = 0;

  constructor(disk: Disk, crypto: Crypto, location: JournalLocation) {
    this.#disk = disk;
    this.#crypto = crypto;
    this.#location = location;
    const { journalDir, torrent, target } = location;
    this.#name = `${torrent.digest}-${targetKey(crypto, target)}.`;
    this.#bitmapPath = join(journalDir, `${this.#name}bitmap`);
    this.#intentPath = join(journalDir, `${this.#name}intent`);
    this.#intent = new Uint8Array(Math.ceil(torrent.geometry.spanCount / 8));
  }

  /** Reads what is there. Anything that cannot be read counts as not there: then the parts are hashed. */
  async load(): Promise<LoadedJournal> {
    const { journalDir, target } = this.#location;
    const [bitmap, intent, names] = await Promise.all([
      this.loadBitmap(),
      this.#read(this.#intentPath, this.#intent.length),
      this.#disk.list(journalDir),
    ]);
    if (typeof bitmap === "object") this.#generation = bitmap.generation;
    const key = targetKey(this.#crypto, target);
    return {
      bitmap,
      intent: intent?.length === this.#intent.length ? intent : undefined,
      isKnownTarget: names.some((name) => name.endsWith(`-${key}.bitmap`)),
    };
  }

  /** Reads only what was last saved. */
  async loadBitmap(): Promise<LoadedJournal["bitmap"]> {
    const { torrent } = this.#location;
    const bytes = await this.#read(this.#bitmapPath, bitmapFileBytes(torrent));
    return bytes === undefined ? undefined : decodeBitmap(this.#crypto, torrent, bytes);
  }

  async #read(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
    try {
      return await readSmall(this.#disk, path, bytesMax);
    } catch {
      // Too large, a link, unreadable: a journal that says nothing; its file is replaced when the next one is saved.
      return new Uint8Array(0);
    }
  }

  /** Begins to record: saves what is had, forgets every other download's claim on the target, and an empty intent. */
  async begin(state: Pick<SavedBitmap, "have" | "last" | "file">): Promise<void> {
    await this.save({ ...state, isClean: false });
    await this.#removeRivals();
    const temporary = `${this.#intentPath}.tmp`;
    this.#intentFile = await this.#disk.open(temporary, "replace");
    await this.#intentFile.truncate(this.#intent.length);
    await this.#disk.rename(temporary, this.#intentPath);
  }

  /** Other torrents' downloads to the same target are over: their bitmaps would speak of bytes that are now replaced. */
  async #removeRivals(): Promise<void> {
    const { journalDir, target } = this.#location;
    const infix = `-${targetKey(this.#crypto, target)}.`;
    const names = await this.#disk.list(journalDir);
    const rivals = names.filter((name) => name.includes(infix) && !name.startsWith(this.#name));
    for (const name of rivals) await this.#disk.unlink(join(journalDir, name));
    if (rivals.length > 0) await this.#disk.syncDirectory(journalDir);
  }

  /** Replaces the bitmap; when it resolves, it survives a power cut. The caller has synced the parts' bytes before. */
  async save(state: Omit<SavedBitmap, "generation">): Promise<void> {
    this.#generation++;
    const { torrent } = this.#location;
    const saved = { ...state, generation: this.#generation };
    await writeAtomic(this.#disk, this.#bitmapPath, encodeBitmap(this.#crypto, torrent, saved));
  }

  /** Notes that parts of the run are about to be written. */
  intend(run: PartRun): void {
    this.#change(run, (byte, bit) => byte | bit);
  }

  /** Takes the note back: what was written there did not reach the disk, so not even its hash is to be believed. */
  forget(run: PartRun): void {
    this.#change(run, (byte, bit) => byte & ~bit);
  }

  #change(run: PartRun, change: (byte: number, bit: number) => number): void {
    for (const span of this.#location.torrent.geometry.spansOf(run)) {
      const at = span >> 3;
      const before = this.#intent[at] ?? 0;
      const after = change(before, 0x80 >> (span & 7));
      if (after === before) continue;
      this.#intentFile?.writeNow(Uint8Array.of(after), at);
      this.#intent[at] = after;
    }
  }

  /** Ends the recording, keeping the files. */
  async close(): Promise<void> {
    await this.#intentFile?.close();
    this.#intentFile = undefined;
  }

  /** Removes the files: the download is complete. */
  async remove(): Promise<void> {
    await this.close();
    await this.discard();
    await this.#disk.syncDirectory(this.#location.journalDir);
  }

  /** Removes the files without having recorded anything. */
  async discard(): Promise<void> {
    await this.#disk.unlink(this.#bitmapPath);
    await this.#disk.unlink(this.#intentPath);
  }
}

/** Adds the parts of the spans that the intent names. */
export function intendedParts(torrent: Torrent, intent: Uint8Array, into: Bitfield): void {
  const { geometry } = torrent;
  for (const span of geometry.spans()) {
    if (((intent[span >> 3] ?? 0) & (0x80 >> (span & 7))) === 0) continue;
    const { first, count } = geometry.spanRun(span);
    into.setRun(first, count);
  }
}

/** The part of a file's identity that a bitmap is bound to. */
export function toSavedFile(identity: FileIdentity): SavedBitmap["file"] {
  const { dev, ino, mtimeNs } = identity;
  return { dev, ino, mtimeNs };
}
