import { isAbsolute } from "node:path";
import { Bitfield } from "../../protocol/bitfield.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { formatIdentity, parseIdentity } from "./identity.ts";
import type { VerifiedFile } from "./seed-file.ts";

/** What is kept, beside a torrent, about its file: where it is, and what of it was found right when. */
export interface FileRecord {
  /** Absolute, links resolved when it was recorded. */
  readonly path: string;
  /** Undefined when the file was never hashed. */
  readonly verified: VerifiedFile | undefined;
  /** When this was recorded, in milliseconds since 1970. */
  readonly recordedAt: number;
}

/** Larger than the record of the most parts; nothing larger is read. */
export const RECORD_BYTES_MAX = 1024 * 1024;
const VERSION = 1;

/** @returns the record as its file's bytes */
export function formatFileRecord(record: FileRecord): Uint8Array {
  const { path, verified, recordedAt } = record;
  const file = {
    version: VERSION,
    path,
    recordedAt,
    ...(verified === undefined ? {} : formatVerified(verified)),
  };
  return new TextEncoder().encode(`${JSON.stringify(file)}\n`);
}

function formatVerified({ identity, parts }: VerifiedFile): object {
  return {
    identity: formatIdentity(identity),
    parts: parts.isFull ? "all" : parts.toBytes().toBase64(),
  };
}

/** @returns the record, or undefined when the bytes are none of this torrent's */
export function parseFileRecord(torrent: Torrent, bytes: Uint8Array): FileRecord | undefined {
  const fields = parseFields(bytes);
  const path = fields.get("path");
  const recordedAt = fields.get("recordedAt");
  if (fields.get("version") !== VERSION) return undefined;
  if (typeof path !== "string" || !isAbsolute(path) || path.includes("\0")) return undefined;
  if (typeof recordedAt !== "number") return undefined;
  const identity = parseIdentity(fields.get("identity"));
  const parts = parseParts(torrent, fields.get("parts"));
  const verified = identity === undefined || parts === undefined ? undefined : { identity, parts };
  return { path, verified, recordedAt };
}

function parseFields(bytes: Uint8Array): ReadonlyMap<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
  } catch {
    // Not JSON, not text: a record that says nothing, as a missing one.
    return new Map();
  }
}

function parseParts(torrent: Torrent, value: unknown): Bitfield | undefined {
  const { partCount } = torrent.geometry;
  if (value === "all") return Bitfield.full(partCount);
  if (typeof value !== "string") return undefined;
  try {
    return Bitfield.parse(partCount, Uint8Array.fromBase64(value));
  } catch {
    return undefined;
  }
}
