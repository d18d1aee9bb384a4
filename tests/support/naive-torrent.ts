import type { Crypto } from "../../protocol/crypto.ts";
import { TorrentError, type TorrentErrorCode } from "../../protocol/errors.ts";
import { scanJson } from "../../protocol/json-scan.ts";
import { TORRENT_BYTES_MAX, TORRENT_DEPTH_MAX, TORRENT_VALUES_MAX } from "../../protocol/limits.ts";
import { PART_DIGEST_BYTES } from "../../protocol/part-algorithm.ts";
import { checkTorrent, type Torrent } from "../../protocol/torrent.ts";

/** Reading and writing torrents by JSON.parse and JSON.stringify alone, a string for each digest: slow, large, and what the
 * real ones are compared with, word for word. */

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** @returns what `encodeTorrent` should write */
export function naiveFormatTorrent(torrent: Torrent): string {
  const digits = torrent.partDigests.toHex();
  const length = 2 * PART_DIGEST_BYTES[torrent.algorithm];
  const parts: string[] = [];
  for (let at = 0; at < digits.length; at += length) parts.push(digits.slice(at, at + length));
  const file = {
    FileInfo: {
      Size: torrent.geometry.fileBytes,
      PartSize: torrent.geometry.partBytes,
      Parts: parts,
      Hash: torrent.hash,
      // Of the others the digests' length tells, and who reads only the original's four keys reads them too.
      ...(torrent.algorithm === "blake3" ? { Algorithm: torrent.algorithm } : {}),
    },
    ...(torrent.name === undefined ? {} : { Name: torrent.name }),
    ...(torrent.trackers.length === 0 ? {} : { Trackers: torrent.trackers }),
    ...(torrent.created === undefined ? {} : { Created: torrent.created }),
  };
  return `${JSON.stringify(file)}\n`;
}

/** @returns what `parseTorrent` should, or throws what it should: every digest a string until its field is checked */
export function naiveParseTorrent(crypto: Crypto, bytes: Uint8Array): Torrent {
  return checkTorrent(crypto, { root: parseJson(bytes), digests: undefined });
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > TORRENT_BYTES_MAX) {
    throw refuse("too_large", `${bytes.length} bytes, at most ${TORRENT_BYTES_MAX} are read`);
  }
  const hasMark = BYTE_ORDER_MARK.every((byte, at) => bytes[at] === byte);
  const content = hasMark ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes;
  const text = parseText(content);
  scanJson(content, { depthMax: TORRENT_DEPTH_MAX, valuesMax: TORRENT_VALUES_MAX });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refuse("bad_json", "not JSON", cause);
  }
}

function parseText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw refuse("bad_encoding", "not UTF-8", cause);
  }
}

function refuse(code: TorrentErrorCode, what: string, cause?: unknown): TorrentError {
  return new TorrentError(code, `Cannot read torrent: ${what}`, { cause });
}
