import type { PeerAddress } from "../../protocol/announce.ts";
import { HANDOUT_PEERS_MAX, HOST_CHARS_MAX } from "../../protocol/announce-limits.ts";

/** The text of an answer's peers is put together in words of four bytes, since to copy a word costs what a byte does. JSON lets
 * spaces stand between values: they fill up what is no multiple of four. Of a peer there are, in this order,
 *
 *   HOST"           the host's words, 10 at most, any number for a name
 *   ,"port":        the same for all
 *   _6881},{"host":"
 *
 * and in the last, before the brace, `,"verified":true` where that is so. It ends in the next one's beginning, which the last
 * one's closing bracket takes back. */

const WORD_BYTES = 4;
/** Words of a host that is an IP literal, with its quotation mark. */
export const LITERAL_WORDS = 10;
/** A port's text takes two words. The second holds its last digit and what follows, so it is kept twice: as it is before the
 * brace, and as it is before `verified`. */
export const PORT_WORDS = 3;
const PORT_CHARS = 5;

/** The first one's beginning, at a word's end. */
const OPENING = '[{"host":"';
const OPENING_AT = 2;
const FIRST = toWords(OPENING.padStart(OPENING_AT + OPENING.length));
const BETWEEN = toWords(',"port":');
const TAIL = '},{"host":"';
const VERIFIED = ',"verified":true';
/** Behind a port's second word. */
const NEXT = toWords(TAIL.slice(WORD_BYTES - 1));
const NEXT_VERIFIED = toWords((VERIFIED + TAIL).slice(WORD_BYTES - 1));

const SPACE = 0x20;
const QUOTE = 0x22;
const CLOSING_BRACKET = 0x5d;
const DIGIT_ZERO = 0x30;

const HOST_WORDS_MAX = wordsFor(HOST_CHARS_MAX);
const PEER_WORDS_MAX = HOST_WORDS_MAX + BETWEEN.length + PORT_WORDS + NEXT_VERIFIED.length;

/** Where one answer after the other is put together. */
export class AnswerPage {
  readonly #words = new Int32Array(FIRST.length + HANDOUT_PEERS_MAX * PEER_WORDS_MAX);
  readonly #text = Buffer.from(this.#words.buffer);
  #end = 0;

  /** Begins anew. */
  clear(): void {
    for (let at = 0; at < FIRST.length; at++) this.#words[at] = FIRST[at] ?? 0;
    this.#end = FIRST.length;
  }

  /** Adds a peer.
   * @param source its port's words, then its host's
   * @param at where they begin
   * @param hostWords how many the latter are */
  add(source: Int32Array, at: number, hostWords: number, isVerified: boolean): void {
    const words = this.#words;
    let end = this.#end;
    const hostAt = at + PORT_WORDS;
    for (let from = hostAt; from < hostAt + hostWords; from++) words[end++] = source[from] ?? 0;
    for (let from = 0; from < BETWEEN.length; from++) words[end++] = BETWEEN[from] ?? 0;
    words[end++] = source[at] ?? 0;
    words[end++] = source[isVerified ? at + 2 : at + 1] ?? 0;
    const next = isVerified ? NEXT_VERIFIED : NEXT;
    for (let from = 0; from < next.length; from++) words[end++] = next[from] ?? 0;
    this.#end = end;
  }

  /** @returns the JSON text of a `ToldPeer[]` */
  toJson(): string {
    if (this.#end === FIRST.length) return "[]";
    const end = this.#end * WORD_BYTES - TAIL.length + 1;
    this.#text[end] = CLOSING_BRACKET;
    return this.#text.toString("latin1", OPENING_AT, end + 1);
  }
}

/** @returns how many words a host takes */
export function wordsFor(hostChars: number): number {
  return Math.ceil((hostChars + 1) / WORD_BYTES);
}

/** Writes the words that `AnswerPage.add` takes.
 * @param bytes has room for them at `at`, a multiple of four
 * @param host a checked literal or name: it needs no escaping */
export function writeAddress(bytes: Uint8Array, { host, port }: PeerAddress, at: number): void {
  writePort(bytes, port, at);
  const start = at + PORT_WORDS * WORD_BYTES;
  const end = start + wordsFor(host.length) * WORD_BYTES;
  for (let from = 0; from < host.length; from++) bytes[start + from] = host.charCodeAt(from);
  bytes[start + host.length] = QUOTE;
  bytes.fill(SPACE, start + host.length + 1, end);
}

/** @param port 1 to 65535 */
function writePort(bytes: Uint8Array, port: number, at: number): void {
  let left = port;
  for (let place = at + PORT_CHARS - 1; place >= at; place--) {
    bytes[place] = left > 0 ? DIGIT_ZERO + (left % 10) : SPACE;
    left = Math.floor(left / 10);
  }
  const lastDigit = bytes[at + WORD_BYTES] ?? 0;
  for (const [index, tail] of [TAIL, VERIFIED].entries()) {
    const start = at + WORD_BYTES * (index + 1);
    bytes[start] = lastDigit;
    for (let from = 1; from < WORD_BYTES; from++) bytes[start + from] = tail.charCodeAt(from - 1);
  }
}

/** @param text of ASCII; spaces fill up its last word */
function toWords(text: string): Int32Array {
  const padded = text.padEnd(Math.ceil(text.length / WORD_BYTES) * WORD_BYTES, " ");
  return new Int32Array(Uint8Array.from(Buffer.from(padded, "latin1")).buffer);
}
