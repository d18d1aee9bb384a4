import { Bitfield } from "../../protocol/bitfield.ts";
import type { Crypto } from "../../protocol/crypto.ts";
import { DIGEST_BYTES } from "../../protocol/ids.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import type { FileIdentity } from "./identity.ts";

/** The saved bitmap of a download, byte by byte (big-endian):
 * `magic 4 | version u16 | clean u16 | generation u64 | torrent digest 32 | Size u64 | PartSize u32 | 0 u32 |
 *  dev u64 | ino u64 | mtimeNs u64 | have bits | bits of the last generation | SHA-256 over all before it`.
 * Whatever differs from what this process would write makes the whole of it doubtful, and a doubtful one is not used. */

export interface SavedBitmap {
  /** Counts the savings of one download. */
  readonly generation: number;
  /** Nothing was written since: the download was closed in order. */
  readonly isClean: boolean;
  /** The work file, as it was when this was saved. */
  readonly file: Pick<FileIdentity, "dev" | "ino" | "mtimeNs">;
  /** Parts whose bytes were on the disk before this was saved. */
  readonly have: Bitfield;
  /** Those that the generation before did not have: the first to suffer where a disk lies about syncing. */
  readonly last: Bitfield;
}

/** Why a saved bitmap is not used. */
export type BitmapDoubt = "bad_journal" | "other_torrent";

const MAGIC = 0x70_62_6d_31;
const VERSION = 1;
const DIGEST_AT = 16;
const HEADER_BYTES = 88;
const U64 = (1n << 64n) - 1n;

/** @returns how long the bitmap of a torrent is, in bytes */
export function bitmapFileBytes(torrent: Torrent): number {
  return HEADER_BYTES + 2 * bitBytes(torrent) + DIGEST_BYTES;
}

export function encodeBitmap(crypto: Crypto, torrent: Torrent, saved: SavedBitmap): Uint8Array {
  const bytes = new Uint8Array(bitmapFileBytes(torrent));
  bytes.set(encodeHeader(torrent, saved));
  bytes.set(saved.have.toBytes(), HEADER_BYTES);
  bytes.set(saved.last.toBytes(), HEADER_BYTES + bitBytes(torrent));
  const checked = bytes.length - DIGEST_BYTES;
  bytes.set(crypto.sha256(bytes.subarray(0, checked)), checked);
  return bytes;
}

/** @param bytes anything at all
 * @returns what was saved for this torrent, or why it cannot be used */
export function decodeBitmap(
  crypto: Crypto,
  torrent: Torrent,
  bytes: Uint8Array,
): SavedBitmap | BitmapDoubt {
  if (bytes.length < HEADER_BYTES + DIGEST_BYTES) return "bad_journal";
  const checked = bytes.length - DIGEST_BYTES;
  const sum = crypto.sha256(bytes.subarray(0, checked));
  if (!isEqual(sum, bytes.subarray(checked))) return "bad_journal";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const saved = {
    generation: Number(view.getBigUint64(8)),
    isClean: view.getUint16(6) === 1,
    file: {
      dev: view.getBigUint64(64),
      ino: view.getBigUint64(72),
      mtimeNs: view.getBigUint64(80),
    },
  };
  // The header must be the one that this torrent would get: magic, version, digest, sizes, all at once.
  if (!isEqual(encodeHeader(torrent, saved), bytes.subarray(0, HEADER_BYTES)))
    return "other_torrent";
  const lastAt = HEADER_BYTES + bitBytes(torrent);
  const have = Bitfield.parse(torrent.geometry.partCount, bytes.subarray(HEADER_BYTES, lastAt));
  const last = Bitfield.parse(torrent.geometry.partCount, bytes.subarray(lastAt, checked));
  return have === undefined || last === undefined ? "bad_journal" : { ...saved, have, last };
}

function encodeHeader(
  torrent: Torrent,
  saved: Pick<SavedBitmap, "generation" | "isClean" | "file">,
): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint16(4, VERSION);
  view.setUint16(6, saved.isClean ? 1 : 0);
  view.setBigUint64(8, BigInt(saved.generation));
  bytes.set(Uint8Array.fromHex(torrent.digest), DIGEST_AT);
  view.setBigUint64(48, BigInt(torrent.geometry.fileBytes));
  view.setUint32(56, torrent.geometry.partBytes);
  view.setBigUint64(64, saved.file.dev & U64);
  view.setBigUint64(72, saved.file.ino & U64);
  view.setBigUint64(80, saved.file.mtimeNs & U64);
  return bytes;
}

function bitBytes(torrent: Torrent): number {
  return Math.ceil(torrent.geometry.partCount / 8);
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}
