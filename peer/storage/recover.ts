import { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry } from "../../protocol/geometry.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import type { Random } from "../clock.ts";
import type { BitmapDoubt, SavedBitmap } from "./bitmap-file.ts";
import { addAll, removeAll } from "./bits.ts";
import type { DiskFile, FileFacts } from "./disk.ts";
import { intendedParts, type LoadedJournal } from "./resume.ts";
import { verifyFile } from "./verify-file.ts";

/** Finds out, at the start of a download, which parts its work file holds: what an orderly end recorded is believed, what
 * a kill left is hashed where something was written, and in any doubt all of the file is. */

/** `fresh`: nothing was there · `clean`: the journal was believed · `unclean`: what may have been under way was hashed ·
 * the others: all was hashed, and why. */
export type RecheckReason =
  | "fresh"
  | "clean"
  | "unclean"
  | "no_journal"
  | "no_intent"
  | "file_changed"
  | "spot_check_failed"
  | BitmapDoubt;

export interface Recovery {
  readonly reason: RecheckReason;
  readonly bytesHashed: number;
  /** Parts that stand in the file. */
  readonly have: Bitfield;
  /** Those of them that were hashed just now, not only believed. */
  readonly proven: Bitfield;
}

const SPOT_CHECK_PARTS = 64;
const SPOT_CHECK_BYTES = 64 * 1024 * 1024;

/** @throws {StorageError} denied, io; the signal's reason */
export async function recover(
  torrent: Torrent,
  file: DiskFile,
  journal: LoadedJournal,
  options: { readonly random: Random; readonly signal?: AbortSignal | undefined },
): Promise<Recovery> {
  const facts = await file.facts();
  if (facts.identity.size === 0n) return nothing(torrent, "fresh");
  const { bitmap } = journal;
  if (typeof bitmap !== "object") {
    return await hashAll(torrent, file, bitmap ?? "no_journal", options);
  }
  if (!isFileOf(torrent, bitmap, facts)) {
    return await hashAll(torrent, file, "file_changed", options);
  }
  if (bitmap.isClean) return { ...nothing(torrent, "clean"), have: bitmap.have };
  if (journal.intent === undefined) return await hashAll(torrent, file, "no_intent", options);
  const recovery = await hashSome(torrent, file, bitmap, { ...options, intent: journal.intent });
  return recovery ?? (await hashAll(torrent, file, "spot_check_failed", options));
}

/** Whether the bitmap speaks of this very file; after an orderly end, of this very content. */
function isFileOf(torrent: Torrent, bitmap: SavedBitmap, { identity }: FileFacts): boolean {
  const { dev, ino, mtimeNs } = bitmap.file;
  const isSame = dev === identity.dev && ino === identity.ino;
  const isSized = identity.size === BigInt(torrent.geometry.fileBytes);
  return isSame && isSized && (!bitmap.isClean || mtimeNs === identity.mtimeNs);
}

function nothing(torrent: Torrent, reason: RecheckReason): Recovery {
  const { partCount } = torrent.geometry;
  return {
    reason,
    bytesHashed: 0,
    have: new Bitfield(partCount),
    proven: new Bitfield(partCount),
  };
}

async function hashAll(
  torrent: Torrent,
  file: DiskFile,
  reason: RecheckReason,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<Recovery> {
  let bytesHashed = 0;
  const onProgress = (bytes: number): void => {
    bytesHashed = bytes;
  };
  const have = await verifyFile(torrent, file, { signal: options.signal, onProgress });
  return { reason, bytesHashed, have, proven: have.copy() };
}

/** @returns undefined when a part that the bitmap has is not what it should be: then nothing it says counts */
async function hashSome(
  torrent: Torrent,
  file: DiskFile,
  bitmap: SavedBitmap,
  options: {
    readonly intent: Uint8Array;
    readonly random: Random;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<Recovery | undefined> {
  const parts = new Bitfield(torrent.geometry.partCount);
  intendedParts(torrent, options.intent, parts);
  removeAll(parts, bitmap.have);
  addAll(parts, bitmap.last);
  for (const part of sample(torrent.geometry, bitmap.have, options.random)) parts.set(part);
  const proven = await verifyFile(torrent, file, { parts, signal: options.signal });
  const wrong = parts.copy();
  removeAll(wrong, proven);
  for (let at = wrong.next(true, 0); at !== undefined; at = wrong.next(true, at + 1)) {
    if (bitmap.have.has(at)) return undefined;
  }
  const have = bitmap.have.copy();
  addAll(have, proven);
  const bytesHashed = torrent.geometry.bytesIn(parts);
  return { reason: "unclean", bytesHashed, have, proven };
}

/** @returns some of the parts that are had, drawn evenly */
function sample(geometry: Geometry, have: Bitfield, random: Random): readonly number[] {
  if (have.isEmpty) return [];
  const count = Math.min(SPOT_CHECK_PARTS, Math.floor(SPOT_CHECK_BYTES / geometry.partBytes));
  const ranks = Array.from({ length: count }, () => random.below(have.count)).sort((a, b) => a - b);
  const parts: number[] = [];
  let before = 0;
  for (const [first, length] of have.runs(true)) {
    while (parts.length < ranks.length) {
      const rank = ranks[parts.length] ?? 0;
      if (rank >= before + length) break;
      parts.push(first + rank - before);
    }
    before += length;
  }
  return parts;
}
