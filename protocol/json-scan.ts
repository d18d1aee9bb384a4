import { TorrentError } from "./errors.ts";

/** Looks at JSON before it is parsed, for what JSON.parse lets pass: nesting without end and keys that come twice.
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
  expectsKey: boolean;
}

/** @param bytes UTF-8 without a byte order mark
 * @param options.depthMax deepest nesting allowed; the outermost value has depth 1
 * @throws {TorrentError} too_deep, duplicate_key, bad_json (a string without end, or a close without an open) */
export function scanJson(bytes: Uint8Array, options: { readonly depthMax: number }): void {
  const open: OpenValue[] = [];
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE: {
        const end = endOfString(bytes, at);
        noteKey(open.at(-1), bytes.subarray(at, end + 1));
        at = end;
        break;
      }
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        if (open.length === options.depthMax) {
          throw new TorrentError(
            "too_deep",
            `Cannot read torrent: nested deeper than ${options.depthMax}`,
          );
        }
        open.push(
          bytes[at] === OPEN_OBJECT
            ? { keys: new Set(), expectsKey: true }
            : { keys: undefined, expectsKey: false },
        );
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        if (open.pop() === undefined) throw badJson("closes what was not opened");
        break;
      case COMMA:
        expectKey(open.at(-1), true);
        break;
      case COLON:
        expectKey(open.at(-1), false);
        break;
      default:
    }
  }
}

function expectKey(value: OpenValue | undefined, isExpected: boolean): void {
  if (value?.keys !== undefined) value.expectsKey = isExpected;
}

function noteKey(value: OpenValue | undefined, quoted: Uint8Array): void {
  if (value?.keys === undefined || !value.expectsKey) return;
  const key = decodeString(quoted);
  if (value.keys.has(key)) {
    throw new TorrentError(
      "duplicate_key",
      `Cannot read torrent: a key of one object comes twice: ${JSON.stringify(key.slice(0, 40))}`,
    );
  }
  value.keys.add(key);
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
