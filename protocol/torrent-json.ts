import { type DigestList, readDigestList } from "./digest-list.ts";
import { TorrentError } from "./errors.ts";
import { scanJson } from "./json-scan.ts";
import { TORRENT_BYTES_MAX, TORRENT_DEPTH_MAX, TORRENT_VALUES_MAX } from "./limits.ts";

/** A torrent file's JSON, nothing of it judged yet. */
export interface TorrentJson {
  readonly root: unknown;
  /** What stood as `FileInfo.Parts` when it could be read without a string for each digest; `root` has an empty list there
   * then. Else it is where JSON has it. */
  readonly digests: DigestList | undefined;
}

/** A list that was read already. */
export type KnownDigests = Omit<DigestList, "start" | "end">;

const EMPTY_LIST = "[]";
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
const LIMITS = { depthMax: TORRENT_DEPTH_MAX, valuesMax: TORRENT_VALUES_MAX };
const PARTS_PATH = ["FileInfo", "Parts"];

/** @param bytes the whole file; not kept
 * @param known what stood at `findDigestList` in the file, where the bytes have an empty list
 * @throws {TorrentError} too_large, bad_encoding, too_deep, too_many_parts, duplicate_key, bad_json */
export function parseTorrentJson(bytes: Uint8Array, known?: KnownDigests): TorrentJson {
  if (bytes.length > TORRENT_BYTES_MAX) {
    throw refuse("too_large", `${bytes.length} bytes, at most ${TORRENT_BYTES_MAX} are read`);
  }
  const content = bytes.subarray(markBytes(bytes));
  const digests = scan(content, known);
  const text = digests === undefined ? parseText(content) : textWithout(content, digests);
  try {
    return { root: JSON.parse(text), digests };
  } catch (cause) {
    throw refuse("bad_json", "not JSON", cause);
  }
}

/** @param head how a file begins
 * @returns where `FileInfo.Parts` opens as a list, undefined when it does not open there */
export function findDigestList(head: Uint8Array): number | undefined {
  const skipped = markBytes(head);
  let found: number | undefined;
  const read = (_bytes: Uint8Array, start: number): undefined => {
    found ??= skipped + start;
  };
  try {
    scanJson(head.subarray(skipped), LIMITS, { path: PARTS_PATH, read });
  } catch (cause) {
    // A beginning may end within a string; what else is wrong is told when all of it is read.
    if (!(cause instanceof TorrentError)) throw cause;
  }
  return found;
}

function markBytes(bytes: Uint8Array): number {
  const hasMark = BYTE_ORDER_MARK.every((byte, at) => bytes[at] === byte);
  return hasMark ? BYTE_ORDER_MARK.length : 0;
}

function scan(content: Uint8Array, known: KnownDigests | undefined): DigestList | undefined {
  let digests: DigestList | undefined;
  const read = (bytes: Uint8Array, start: number): DigestList | undefined => {
    // No JSON has two such places, but text that is none may.
    if (digests !== undefined) return undefined;
    const end = start + EMPTY_LIST.length;
    digests = known === undefined ? readDigestList(bytes, start) : { ...known, start, end };
    return digests;
  };
  try {
    scanJson(content, LIMITS, { path: PARTS_PATH, read });
  } catch (cause) {
    // That it is no text at all goes before what is wrong with the text.
    parseText(content);
    throw cause;
  }
  return digests;
}

/** A list for a list: the text is JSON exactly if it was before. What is left out is ASCII, so the same holds for UTF-8. */
function textWithout(content: Uint8Array, { start, end }: DigestList): string {
  return `${parseText(content.subarray(0, start))}${EMPTY_LIST}${parseText(content.subarray(end))}`;
}

function parseText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw refuse("bad_encoding", "not UTF-8", cause);
  }
}

function refuse(
  code: "too_large" | "bad_encoding" | "bad_json",
  what: string,
  cause?: unknown,
): TorrentError {
  return new TorrentError(code, `Cannot read torrent: ${what}`, { cause });
}
