import type { Crypto } from "./crypto.ts";
import { type DigestList, encodeDigestList } from "./digest-list.ts";
import { assert, TorrentError, type TorrentErrorCode } from "./errors.ts";
import { Geometry, type PartRun } from "./geometry.ts";
import {
  parseSwarmHash,
  type SwarmHash,
  type TorrentDigest,
  toSwarmHashBytes,
  toTorrentDigest,
} from "./ids.ts";
import {
  FILE_BYTES_MAX,
  NAME_CHARS_MAX,
  PART_BYTES_MAX,
  PARTS_MAX,
  TRACKER_URL_CHARS_MAX,
  TRACKERS_MAX,
} from "./limits.ts";
import {
  ALGORITHM_CODE,
  isPartAlgorithm,
  PART_DIGEST_BYTES,
  type PartAlgorithm,
} from "./part-algorithm.ts";
import { type KnownDigests, parseTorrentJson, type TorrentJson } from "./torrent-json.ts";

/** A torrent whose every field has been checked. */
export interface Torrent {
  readonly hash: SwarmHash;
  /** What the swarm really is: covers all of FileInfo, nothing beside it. */
  readonly digest: TorrentDigest;
  readonly algorithm: PartAlgorithm;
  readonly geometry: Geometry;
  /** The digests of all parts one after the other. */
  readonly partDigests: Uint8Array;
  /** A file name to show, never a path; absent in torrents of the original program. */
  readonly name: string | undefined;
  /** Absolute http or https URLs. */
  readonly trackers: readonly string[];
  /** RFC 3339, as it stood in the file. */
  readonly created: string | undefined;
}

/** What `createTorrent` puts together; the digest follows from it. */
export type TorrentFields = Omit<Torrent, "digest">;

const LABEL = new TextEncoder().encode("p2p torrent v1");
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** @returns the torrent with its digest
 * @see SPEC.md §1.2 */
export function createTorrent(crypto: Crypto, fields: TorrentFields): Torrent {
  const { geometry, algorithm, partDigests } = fields;
  assert(
    partDigests.length === geometry.partCount * PART_DIGEST_BYTES[algorithm],
    "Every part has its digest",
  );
  const head = new Uint8Array(1 + 8 + 4);
  const view = new DataView(head.buffer);
  view.setUint8(0, ALGORITHM_CODE[algorithm]);
  view.setBigUint64(1, BigInt(geometry.fileBytes));
  view.setUint32(9, geometry.partBytes);
  const digest = crypto.sha256(LABEL, head, toSwarmHashBytes(fields.hash), partDigests);
  return Object.freeze({ ...fields, digest: toTorrentDigest(digest) });
}

/** @returns the digests that the run's parts must have, one after the other; a view, do not write to it */
export function expectedDigests(torrent: Torrent, run: PartRun): Uint8Array {
  const bytes = PART_DIGEST_BYTES[torrent.algorithm];
  return torrent.partDigests.subarray(run.first * bytes, (run.first + run.count) * bytes);
}

/** @yields the bytes of the torrent's file, one line of JSON; a chunk is valid until the next */
export function* encodeTorrent(torrent: Torrent): Generator<Uint8Array, undefined> {
  const { algorithm, geometry, partDigests, hash, name, trackers, created } = torrent;
  const head = { Size: geometry.fileBytes, PartSize: geometry.partBytes };
  // Of the others the digests' length tells, and who reads only the original's four keys reads them too.
  const rest = { Hash: hash, ...(algorithm === "blake3" ? { Algorithm: algorithm } : {}) };
  const beside = {
    ...(name === undefined ? {} : { Name: name }),
    ...(trackers.length === 0 ? {} : { Trackers: trackers }),
    ...(created === undefined ? {} : { Created: created }),
  };
  const encoder = new TextEncoder();
  yield encoder.encode(`{"FileInfo":{${members(head)},"Parts":`);
  yield* encodeDigestList(partDigests, PART_DIGEST_BYTES[algorithm]);
  const besideText = members(beside);
  yield encoder.encode(`,${members(rest)}}${besideText === "" ? "" : `,${besideText}`}}\n`);
}

/** @returns what stands between an object's braces */
function members(object: object): string {
  return JSON.stringify(object).slice(1, -1);
}

/** Reads a torrent file: checks every field, touches nothing. Whoever has a torrent can hash its parts.
 * @param bytes the whole file, not kept; a UTF-8 byte order mark is accepted
 * @param known digests that were taken out of the bytes before: an empty list stands in their place
 * @throws {TorrentError} with the code of the first rule it breaks
 * @see SPEC.md §1.1 */
export function parseTorrent(crypto: Crypto, bytes: Uint8Array, known?: KnownDigests): Torrent {
  return checkTorrent(crypto, parseTorrentJson(bytes, known));
}

/** Checks what was read from a torrent file, field by field.
 * @param json its document, with the digests that were taken out of it
 * @throws {TorrentError} with the code of the first rule it breaks */
export function checkTorrent(crypto: Crypto, json: TorrentJson): Torrent {
  const root = parseObject(json.root, "the file");
  const info = parseObject(required(root, "FileInfo"), "FileInfo");
  const geometry = parseGeometry(info);
  const { algorithm, partDigests } = parseParts(crypto, info, geometry, json.digests);
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
  list: DigestList | undefined,
): { readonly algorithm: PartAlgorithm; readonly partDigests: Uint8Array } {
  const parts = required(info, "Parts");
  if (!Array.isArray(parts)) throw refuse("bad_parts", "Parts is no list");
  const count = list?.count ?? parts.length;
  if (geometry.partCount > PARTS_MAX) {
    throw refuse(
      "too_many_parts",
      `${geometry.partCount} parts, at most ${PARTS_MAX} are supported`,
    );
  }
  if (count !== geometry.partCount) {
    throw refuse(
      "part_count_mismatch",
      `${count} parts, Size and PartSize ask for ${geometry.partCount}`,
    );
  }
  const digits = list === undefined ? digitsOf(parts[0]) : 2 * list.digestBytes;
  const algorithm = parseAlgorithm(crypto, info.Algorithm, digits);
  const bytes = PART_DIGEST_BYTES[algorithm];
  assert(list === undefined || list.digestBytes === bytes, "The digests' length decides");
  return { algorithm, partDigests: list?.digests ?? parsePartDigests(parts, bytes) };
}

/** @returns how long the first digest is, undefined when there is none */
function digitsOf(first: unknown): number | undefined {
  if (first === undefined) return undefined;
  return typeof first === "string" ? first.length : 0;
}

/** @param parts no plain list of digests, or no digest at all
 * @throws {TorrentError} bad_digest, mixed_digests */
function parsePartDigests(parts: readonly unknown[], bytes: number): Uint8Array {
  const isSized = (text: unknown) => typeof text === "string" && text.length === bytes * 2;
  const digits = parts.every(isSized) ? parts.join("") : "";
  const areRight = digits.length === parts.length * bytes * 2 && !/[^0-9a-fA-F]/.test(digits);
  if (!areRight) for (const [index, text] of parts.entries()) checkPartDigest(text, bytes, index);
  return Uint8Array.fromHex(digits);
}

/** With no `Algorithm`, the first digest's length tells; a file without parts counts as SHA-256.
 * @param digits of the first digest */
function parseAlgorithm(crypto: Crypto, named: unknown, digits: number | undefined): PartAlgorithm {
  const byLength = digits === 2 * PART_DIGEST_BYTES.sha1 ? "sha1" : "sha256";
  if (named === undefined) return byLength;
  if (!isPartAlgorithm(named))
    throw refuse("bad_algorithm", "Algorithm is none of sha1, sha256, blake3");
  if (digits !== undefined && PART_DIGEST_BYTES[named] !== PART_DIGEST_BYTES[byLength]) {
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

/** @returns whether the text is an absolute http or https URL that a torrent may name */
export function isTrackerUrl(text: unknown): text is string {
  // A URL parser drops white space and control characters in silence; who prints the text would not.
  if (typeof text !== "string" || text.length > TRACKER_URL_CHARS_MAX || /[\s\p{Cc}]/u.test(text))
    return false;
  return URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol);
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
