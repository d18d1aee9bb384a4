import type { Crypto } from "../../protocol/crypto.ts";
import { TorrentError, type TorrentErrorCode } from "../../protocol/errors.ts";
import { Geometry } from "../../protocol/geometry.ts";
import { parseSwarmHash } from "../../protocol/ids.ts";
import { scanJson } from "../../protocol/json-scan.ts";
import {
  FILE_BYTES_MAX,
  NAME_CHARS_MAX,
  PART_BYTES_MAX,
  PARTS_MAX,
  TORRENT_BYTES_MAX,
  TORRENT_DEPTH_MAX,
  TORRENT_VALUES_MAX,
  TRACKERS_MAX,
} from "../../protocol/limits.ts";
import {
  isPartAlgorithm,
  PART_DIGEST_BYTES,
  type PartAlgorithm,
} from "../../protocol/part-algorithm.ts";
import { createTorrent, isTrackerUrl, type Torrent } from "../../protocol/torrent.ts";

/** Reading and writing torrents by JSON.parse and JSON.stringify alone, a string for each digest: slow, large, and what the
 * real ones are compared with, word for word. */

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
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

/** @returns what `parseTorrent` should, or throws what it should */
export function naiveParseTorrent(crypto: Crypto, bytes: Uint8Array): Torrent {
  const root = parseObject(parseJson(bytes), "the file");
  const info = parseObject(required(root, "FileInfo"), "FileInfo");
  const geometry = parseGeometry(info);
  const { algorithm, partDigests } = parseParts(crypto, info, geometry);
  const hash = parseSwarmHash(required(info, "Hash"));
  if (hash === undefined) throw refuse("bad_hash", "Hash is no uuid");
  return createTorrent(crypto, {
    hash,
    algorithm,
    geometry,
    partDigests,
    name: parseName(root.Name),
    trackers: parseTrackers(root.Trackers),
    created: parseCreated(root.Created),
  });
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

function parseObject(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw refuse("not_an_object", `${what} is no object`);
  }
  return Object.assign(Object.create(null), value);
}

function required(object: Readonly<Record<string, unknown>>, key: string): unknown {
  if (object[key] === undefined) throw refuse("missing_field", `${key} is missing`);
  return object[key];
}

function parseGeometry(info: Readonly<Record<string, unknown>>): Geometry {
  const fileBytes = required(info, "Size");
  const partBytes = required(info, "PartSize");
  if (!isWhole(fileBytes, 0, FILE_BYTES_MAX)) {
    throw refuse("bad_size", `Size must be a whole number from 0 to ${FILE_BYTES_MAX}`);
  }
  if (!isWhole(partBytes, 1, PART_BYTES_MAX)) {
    throw refuse("bad_part_size", `PartSize must be a whole number from 1 to ${PART_BYTES_MAX}`);
  }
  return new Geometry({ fileBytes, partBytes });
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return (
    Number.isSafeInteger(value) &&
    !Object.is(value, -0) &&
    Number(value) >= min &&
    Number(value) <= max
  );
}

function parseParts(
  crypto: Crypto,
  info: Readonly<Record<string, unknown>>,
  geometry: Geometry,
): { readonly algorithm: PartAlgorithm; readonly partDigests: Uint8Array } {
  const parts = required(info, "Parts");
  if (!Array.isArray(parts)) throw refuse("bad_parts", "Parts is no list");
  if (geometry.partCount > PARTS_MAX) {
    throw refuse(
      "too_many_parts",
      `${geometry.partCount} parts, at most ${PARTS_MAX} are supported`,
    );
  }
  if (parts.length !== geometry.partCount) {
    throw refuse(
      "part_count_mismatch",
      `${parts.length} parts, Size and PartSize ask for ${geometry.partCount}`,
    );
  }
  const algorithm = parseAlgorithm(crypto, info.Algorithm, parts[0]);
  return { algorithm, partDigests: parsePartDigests(parts, PART_DIGEST_BYTES[algorithm]) };
}

/** All digests at once: one by one, those of small parts took longer than fetching the parts. */
function parsePartDigests(parts: readonly unknown[], bytes: number): Uint8Array {
  const isSized = (text: unknown) => typeof text === "string" && text.length === bytes * 2;
  const digits = parts.every(isSized) ? parts.join("") : "";
  const areRight = digits.length === parts.length * bytes * 2 && !/[^0-9a-fA-F]/.test(digits);
  if (!areRight) for (const [index, text] of parts.entries()) checkPartDigest(text, bytes, index);
  return Uint8Array.fromHex(digits);
}

/** With no `Algorithm`, the first digest's length tells; a file without parts counts as SHA-256. */
function parseAlgorithm(crypto: Crypto, named: unknown, firstDigest: unknown): PartAlgorithm {
  const byLength = typeof firstDigest === "string" && firstDigest.length === 40 ? "sha1" : "sha256";
  if (named === undefined) return byLength;
  if (!isPartAlgorithm(named))
    throw refuse("bad_algorithm", "Algorithm is none of sha1, sha256, blake3");
  if (firstDigest !== undefined && PART_DIGEST_BYTES[named] !== PART_DIGEST_BYTES[byLength]) {
    throw refuse("bad_algorithm", `Algorithm says ${named}, the digests are of another length`);
  }
  const lacking = crypto.lacks(named);
  if (lacking !== undefined)
    throw refuse("unsupported_algorithm", `Algorithm is ${named}, and ${lacking}`);
  return named;
}

/** @throws {TorrentError} bad_digest, mixed_digests */
function checkPartDigest(text: unknown, bytes: number, index: number): void {
  if (typeof text !== "string" || !/^[0-9a-fA-F]*$/.test(text))
    throw refuse("bad_digest", `Parts[${index}] is no hex digest`);
  if (text.length !== bytes * 2) {
    const isKnownLength = Object.values(PART_DIGEST_BYTES).some(
      (known) => text.length === known * 2,
    );
    throw isKnownLength && index > 0
      ? refuse("mixed_digests", `Parts[${index}] is of another length than Parts[0]`)
      : refuse("bad_digest", `Parts[${index}] has ${text.length} digits, not ${bytes * 2}`);
  }
}

/** A name is something to show: whatever could act as a path or a terminal command is refused. */
function parseName(name: unknown): string | undefined {
  if (name === undefined) return undefined;
  const isUsable =
    typeof name === "string" &&
    name.length >= 1 &&
    name.length <= NAME_CHARS_MAX &&
    name !== "." &&
    name !== ".." &&
    !/[/\\\p{Cc}\p{Cs}\p{Bidi_Control}]/u.test(name);
  if (!isUsable) throw refuse("bad_name", "Name is no plain file name");
  return name;
}

function parseTrackers(trackers: unknown): readonly string[] {
  if (trackers === undefined) return [];
  const isUsable =
    Array.isArray(trackers) && trackers.length <= TRACKERS_MAX && trackers.every(isTrackerUrl);
  if (!isUsable)
    throw refuse(
      "bad_trackers",
      `Trackers is no list of at most ${TRACKERS_MAX} http or https URLs`,
    );
  return trackers;
}

function parseCreated(created: unknown): string | undefined {
  if (created === undefined) return undefined;
  const isUsable =
    typeof created === "string" && RFC_3339.test(created) && Number.isFinite(Date.parse(created));
  if (!isUsable) throw refuse("bad_created", "Created is no RFC 3339 date and time");
  return created;
}

function refuse(code: TorrentErrorCode, what: string, cause?: unknown): TorrentError {
  return new TorrentError(code, `Cannot read torrent: ${what}`, { cause });
}
