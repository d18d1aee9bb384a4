import { TorrentError } from "./errors.ts";

/** Looks at JSON before it is parsed, for what JSON.parse lets pass: nesting without end, keys that come twice, and so many
 * values that the objects made of them would take many times the file's size in memory.
 * It does not check the grammar; JSON.parse does that afterwards. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/** What an object or array that is open at some depth has shown so far; arrays keep no keys. */
interface OpenValue {
  readonly keys: Set<string> | undefined;
  /** The last one. */
  key: string | undefined;
  expectsKey: boolean;
}

export interface JsonLimits {
  /** Deepest nesting allowed; the outermost value has depth 1. */
  readonly depthMax: number;
  /** Most commas and lists and objects together: never less than the values in lists and objects. */
  readonly valuesMax: number;
}

/** A list that need not be walked through, since somebody reads it as a whole. */
export interface KnownList {
  /** The keys that lead to it from the outermost object. */
  readonly path: readonly string[];
  /** @param start where it opens
   * @returns where it ends, right behind its closing bracket, and how many values it has, at least one, none of which is a list
   * or an object; undefined when it is to be walked through */
  read(
    bytes: Uint8Array,
    start: number,
  ): { readonly end: number; readonly count: number } | undefined;
}

/** @param bytes UTF-8 without a byte order mark
 * @throws {TorrentError} too_deep, duplicate_key, too_many_parts, bad_json (a string without end, or a close without an open) */
export function scanJson(bytes: Uint8Array, limits: JsonLimits, known?: KnownList): void {
  const open: OpenValue[] = [];
  let values = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    switch (byte) {
      case QUOTE: {
        const end = endOfString(bytes, at);
        noteKey(open.at(-1), bytes, { start: at, end: end + 1 });
        at = end;
        break;
      }
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        values = countValues(values, 1, limits);
        openValue(open, { isObject: byte === OPEN_OBJECT, limits });
        if (byte === OPEN_ARRAY && known !== undefined && isAt(open, known.path)) {
          const list = known.read(bytes, at);
          if (list === undefined) break;
          values = countValues(values, list.count - 1, limits);
          at = list.end - 2;
        }
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        closeValue(open);
        break;
      case COMMA:
        values = countValues(values, 1, limits);
        expectKey(open.at(-1), true);
        break;
      case COLON:
        expectKey(open.at(-1), false);
        break;
      default:
    }
  }
}

function openValue(
  open: OpenValue[],
  { isObject, limits }: { readonly isObject: boolean; readonly limits: JsonLimits },
): void {
  if (open.length === limits.depthMax) {
    throw new TorrentError(
      "too_deep",
      `Cannot read torrent: nested deeper than ${limits.depthMax}`,
    );
  }
  open.push({
    keys: isObject ? new Set() : undefined,
    key: undefined,
    expectsKey: isObject,
  });
}

/** @returns whether the value that was opened last is what the keys lead to */
function isAt(open: readonly OpenValue[], path: readonly string[]): boolean {
  return open.length === path.length + 1 && path.every((key, depth) => open[depth]?.key === key);
}

function closeValue(open: OpenValue[]): void {
  if (open.pop() === undefined) throw badJson("closes what was not opened");
}

function countValues(values: number, added: number, limits: JsonLimits): number {
  if (values + added > limits.valuesMax) {
    throw new TorrentError(
      "too_many_parts",
      `Cannot read torrent: it holds more than ${limits.valuesMax} values`,
    );
  }
  return values + added;
}

function expectKey(value: OpenValue | undefined, isExpected: boolean): void {
  if (value?.keys !== undefined) value.expectsKey = isExpected;
}

/** Most strings are digests in a list: no view is made of those. */
function noteKey(
  value: OpenValue | undefined,
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
): void {
  if (value?.keys === undefined || !value.expectsKey) return;
  const key = decodeString(bytes.subarray(start, end));
  if (value.keys.has(key)) {
    throw new TorrentError(
      "duplicate_key",
      `Cannot read torrent: a key of one object comes twice: ${JSON.stringify(key.slice(0, 40))}`,
    );
  }
  value.keys.add(key);
  value.key = key;
}

function decodeString(quoted: Uint8Array): string {
  try {
    return String(JSON.parse(new TextDecoder().decode(quoted)));
  } catch (cause) {
    throw badJson("a key is no JSON string", cause);
  }
}

/** @returns the index of the closing quote */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at++;
    else if (bytes[at] === QUOTE) return at;
  }
  throw badJson("a string does not end");
}

function badJson(what: string, cause?: unknown): TorrentError {
  return new TorrentError("bad_json", `Cannot read torrent: not JSON: ${what}`, { cause });
}
