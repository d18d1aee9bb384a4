import type { Crypto } from "../../protocol/crypto.ts";
import { type DigestList, readDigestList } from "../../protocol/digest-list.ts";
import { parseTorrent, type Torrent } from "../../protocol/torrent.ts";
import { findDigestList, type KnownDigests } from "../../protocol/torrent-json.ts";
import { letGo } from "../let-go.ts";
import type { DiskFile } from "./disk.ts";
import { readFully } from "./read-ahead.ts";

/** Reading a torrent's file. One of a million parts has 45 or 67 MB, nearly all of it digits: those are read in pieces, each of
 * which becomes bytes before the next is read, so that a peer never holds them. In any doubt the file is read as a whole. */

/** More than any head of a file that a program wrote. */
const WINDOW_BYTES = 256 * 1024;

/** @param fileBytes its size, at most TORRENT_BYTES_MAX
 * @param windowBytes larger files are read in such pieces
 * @throws {TorrentError} what `parseTorrent` refuses
 * @throws {StorageError} denied, io */
export async function readTorrent(
  crypto: Crypto,
  file: DiskFile,
  fileBytes: number,
  windowBytes = WINDOW_BYTES,
): Promise<Torrent> {
  const short = fileBytes > windowBytes ? await shorten(file, fileBytes, windowBytes) : undefined;
  if (short !== undefined) return parseTorrent(crypto, short.bytes, short.digests);
  const content = new Uint8Array(fileBytes);
  const filled = await readFully(file, content, 0);
  const torrent = parseTorrent(crypto, content.subarray(0, filled));
  letGo(content);
  return torrent;
}

interface ShortFile {
  /** With an empty list in the digests' place. */
  readonly bytes: Uint8Array;
  readonly digests: KnownDigests;
}

async function shorten(
  file: DiskFile,
  fileBytes: number,
  windowBytes: number,
): Promise<ShortFile | undefined> {
  const window = new Uint8Array(windowBytes);
  const filled = await readFully(file, window, 0);
  const start = findDigestList(window.subarray(0, filled));
  if (start === undefined) return undefined;
  const head = window.slice(0, start);
  const list = new JoinedList(fileBytes - start);
  const end = await readList(file, start, { window, list });
  if (end === undefined) return undefined;
  const bytes = new Uint8Array(start + EMPTY_LIST.length + fileBytes - end);
  bytes.set(head);
  bytes.set(EMPTY_LIST, start);
  const rest = bytes.subarray(start + EMPTY_LIST.length);
  const missing = rest.length - (await readFully(file, rest, end));
  return { bytes: bytes.subarray(0, bytes.length - missing), digests: list.known() };
}

/** Cuts the list at commas into lists that are each read as a whole; cut anywhere but between two digests, one of them is none.
 * @returns where it ends in the file, undefined when it is no plain list of digests */
async function readList(
  file: DiskFile,
  start: number,
  { window, list }: { readonly window: Uint8Array; readonly list: JoinedList },
): Promise<number | undefined> {
  window[0] = OPEN_ARRAY;
  for (let offset = start + 1, kept = 1; ; ) {
    const read = await readFully(file, window.subarray(kept), offset);
    offset += read;
    const filled = kept + read;
    const seen = window.subarray(0, filled);
    const closing = seen.indexOf(CLOSE_ARRAY);
    const cut = closing < 0 ? seen.lastIndexOf(COMMA) : closing;
    if (cut < 0 || read === 0) return undefined;
    window[cut] = CLOSE_ARRAY;
    const piece = readDigestList(window, 0);
    if (piece?.end !== cut + 1 || !list.add(piece)) return undefined;
    if (closing >= 0) return offset - filled + closing + 1;
    window.copyWithin(1, cut + 1, filled);
    kept = filled - cut;
  }
}

/** The digests of several lists. */
class JoinedList {
  readonly #textBytes: number;
  #digests: Uint8Array | undefined;
  #digestBytes = 0;
  #count = 0;

  /** @param textBytes that all of them have at most */
  constructor(textBytes: number) {
    this.#textBytes = textBytes;
  }

  /** @returns false when its digests are of another length than those before */
  add({ digests, digestBytes, count }: DigestList): boolean {
    if (this.#digests === undefined) {
      const countMax = Math.ceil(this.#textBytes / (2 * digestBytes + ITEM_EXTRA_BYTES));
      this.#digests = new Uint8Array(countMax * digestBytes);
      this.#digestBytes = digestBytes;
    }
    if (digestBytes !== this.#digestBytes) return false;
    this.#digests.set(digests, this.#count * digestBytes);
    this.#count += count;
    letGo(digests);
    return true;
  }

  known(): KnownDigests {
    const [count, digestBytes] = [this.#count, this.#digestBytes];
    const digests = (this.#digests ?? new Uint8Array(0)).subarray(0, count * digestBytes);
    return { count, digestBytes, digests };
  }
}

const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;
const EMPTY_LIST = Uint8Array.of(OPEN_ARRAY, CLOSE_ARRAY);
/** Two quotes, and what stands behind: a comma or the closing bracket. */
const ITEM_EXTRA_BYTES = 3;
