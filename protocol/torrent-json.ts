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

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
const LIMITS = { depthMax: TORRENT_DEPTH_MAX, valuesMax: TORRENT_VALUES_MAX };
const PARTS_PATH = ["FileInfo", "Parts"];

/** @param bytes the whole file; not kept
 * @throws {TorrentError} too_large, bad_encoding, too_deep, too_many_parts, duplicate_key, bad_json */
export function parseTorrentJson(bytes: Uint8Array): TorrentJson {
  if (bytes.length > TORRENT_BYTES_MAX) {
    throw refuse("too_large", `${bytes.length} bytes, at most ${TORRENT_BYTES_MAX} are read`);
  }
  const hasMark = BYTE_ORDER_MARK.every((byte, at) => bytes[at] === byte);
  const content = hasMark ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes;
  const digests = scan(content);
  const text = digests === undefined ? parseText(content) : textWithout(content, digests);
  try {
    return { root: JSON.parse(text), digests };
  } catch (cause) {
    throw refuse("bad_json", "not JSON", cause);
  }
}

function scan(content: Uint8Array): DigestList | undefined {
  let digests: DigestList | undefined;
  const read = (bytes: Uint8Array, start: number): DigestList | undefined => {
    digests = readDigestList(bytes, start);
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
  return `${parseText(content.subarray(0, start))}[]${parseText(content.subarray(end))}`;
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
