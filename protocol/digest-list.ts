import { assert } from "./errors.ts";
import { PART_DIGEST_BYTES } from "./part-algorithm.ts";

/** The list of a torrent's digests, between the bytes of its JSON and the bytes of the digests. A million of them as strings
 * take some 200 MiB and most of the time of reading a torrent; here no string is ever made. */

/** A list of hex digests that stands in JSON as anybody would write it. */
export interface DigestList {
  /** Where its opening bracket stands. */
  readonly start: number;
  /** Right behind its closing bracket. */
  readonly end: number;
  /** How many digests, at least one. */
  readonly count: number;
  /** Of one digest. */
  readonly digestBytes: number;
  /** All of them one after the other. */
  readonly digests: Uint8Array;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const SPACE = 0x20;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Takes only what leaves no question: at least one string, all of one known length and of hex digits without escapes, commas
 * between them, white space anywhere between. All else is for a JSON parser to judge.
 * @param bytes of a JSON text
 * @param start where a list opens
 * @returns undefined when it is anything else */
export function readDigestList(bytes: Uint8Array, start: number): DigestList | undefined {
  const extent = measureList(bytes, start);
  if (extent === undefined) return undefined;
  const { count, end, digestBytes } = extent;
  const digests = new Uint8Array(count * digestBytes);
  let quote = start;
  for (let filled = 0; filled < digests.length; filled += digestBytes) {
    while (bytes[quote] !== QUOTE) quote++;
    if (!decodeHex(bytes, quote + 1, { into: digests, at: filled, length: digestBytes }))
      return undefined;
    quote += 2 * digestBytes + 2;
  }
  return { start, end, count, digestBytes, digests };
}

/** Walks from string to string by their length, without looking into them.
 * @returns undefined when quotes and commas do not stand where they should */
function measureList(
  bytes: Uint8Array,
  start: number,
): Pick<DigestList, "end" | "count" | "digestBytes"> | undefined {
  assert(bytes[start] === OPEN_ARRAY, "A list begins with its bracket");
  let at = skipSpace(bytes, start + 1);
  const digestBytes = Object.values(PART_DIGEST_BYTES).find(
    (length) => bytes[at] === QUOTE && bytes[at + 2 * length + 1] === QUOTE,
  );
  if (digestBytes === undefined) return undefined;
  for (let count = 1; ; count++) {
    const closing = at + 2 * digestBytes + 1;
    if (bytes[at] !== QUOTE || bytes[closing] !== QUOTE) return undefined;
    const after = skipSpace(bytes, closing + 1);
    if (bytes[after] === CLOSE_ARRAY) return { end: after + 1, count, digestBytes };
    if (bytes[after] !== COMMA) return undefined;
    at = skipSpace(bytes, after + 1);
  }
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at++;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === TAB;
}

/** @returns whether all of it is hex digits, of either case */
function decodeHex(
  bytes: Uint8Array,
  from: number,
  target: { readonly into: Uint8Array; readonly at: number; readonly length: number },
): boolean {
  const { into, at, length } = target;
  let seen = 0;
  for (let index = 0; index < length; index++) {
    const high = DIGIT_VALUE[bytes[from + 2 * index] ?? 0] ?? NO_DIGIT;
    const low = DIGIT_VALUE[bytes[from + 2 * index + 1] ?? 0] ?? NO_DIGIT;
    into[at + index] = (high << 4) | low;
    seen |= high | low;
  }
  return (seen & NO_DIGIT) === 0;
}

const DIGESTS_PER_CHUNK = 4096;
/** Two quotes and a comma. */
const ITEM_EXTRA_BYTES = 3;

/** @param digests one after the other
 * @yields the list as JSON, without white space; a chunk is valid until the next */
export function* encodeDigestList(
  digests: Uint8Array,
  digestBytes: number,
): Generator<Uint8Array, undefined> {
  assert(digests.length % digestBytes === 0, "Digests are whole");
  const chunkBytes = DIGESTS_PER_CHUNK * digestBytes;
  const itemBytes = 2 * digestBytes + ITEM_EXTRA_BYTES;
  const room = (Math.min(digests.length, chunkBytes) / digestBytes) * itemBytes;
  const buffer = new ArrayBuffer(2 * Math.ceil(room / 2));
  yield Uint8Array.of(OPEN_ARRAY);
  for (let from = 0; from < digests.length; from += chunkBytes) {
    const chunk = digests.subarray(from, from + chunkBytes);
    encodeItems(chunk, digestBytes, buffer);
    const length = (chunk.length / digestBytes) * itemBytes;
    // Every item has a comma before it, the first of all has none.
    const start = from === 0 ? 1 : 0;
    yield new Uint8Array(buffer, start, length - start);
  }
  yield Uint8Array.of(CLOSE_ARRAY);
}

/** First all digits, two at a time; then each digest's are moved to their place, the last ones first. */
function encodeItems(digests: Uint8Array, digestBytes: number, into: ArrayBuffer): void {
  const [pairs, items] = [new Uint16Array(into), new Uint8Array(into)];
  for (let at = 0; at < digests.length; at++) pairs[at] = DIGIT_PAIRS[digests[at] ?? 0] ?? 0;
  const digitCount = 2 * digestBytes;
  const itemBytes = digitCount + ITEM_EXTRA_BYTES;
  for (let index = digests.length / digestBytes - 1; index >= 0; index--) {
    const at = index * itemBytes;
    items.copyWithin(at + 2, index * digitCount, (index + 1) * digitCount);
    items[at] = COMMA;
    items[at + 1] = QUOTE;
    items[at + itemBytes - 1] = QUOTE;
  }
}

const DIGITS = new TextEncoder().encode("0123456789abcdef");
/** Both digits of every byte, as they stand side by side in memory. */
const DIGIT_PAIRS = new Uint16Array(256);
const PAIR_BYTES = new Uint8Array(DIGIT_PAIRS.buffer);
for (let byte = 0; byte < 256; byte++) {
  PAIR_BYTES[2 * byte] = DIGITS[byte >> 4] ?? 0;
  PAIR_BYTES[2 * byte + 1] = DIGITS[byte & 15] ?? 0;
}
/** What stands for all that is no digit: a bit that no digit has. */
const NO_DIGIT = 0x80;
const DIGIT_VALUE = new Uint8Array(256).fill(NO_DIGIT);
for (const [value, digit] of DIGITS.entries()) {
  DIGIT_VALUE[digit] = value;
  // Capitals stand 32 before small letters; what stands 32 before a digit is none.
  if (value >= 10) DIGIT_VALUE[digit - 32] = value;
}
