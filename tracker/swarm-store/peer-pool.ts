import type { PeerAddress } from "../../protocol/announce.ts";
import { PEER, type PeerTable, PUBLIC_ZONE } from "./peer-table.ts";

/** A slot: neighbourhood and entry, four bytes each, how long the text is and whether the peer is verified, and the text. It
 * holds the address of every IPv4 and IPv6 literal; longer ones, names, stay outside. */
const SLOT_BYTES = 64;
const SLOT_WORDS = SLOT_BYTES / 4;
const ENTRY_AT = 4;
const HEAD_AT = 8;
/** In the head, beside the length. */
const VERIFIED = 0x80;
const LENGTH = 0x7f;
const TEXT_AT = 9;
const TEXT_BYTES_MAX = SLOT_BYTES - TEXT_AT;
const SLOTS_MIN = 2;
/** A pool's memory doubles while it has fewer slots than this, and grows by GROWTH from there on. */
const SLOTS_DOUBLED_MAX = 64;
const GROWTH = 1.4;
/** Of a pool that became this much smaller, the memory is given back. */
const SHRINKAGE = 4;
const BETWEEN = '","port":';
const DIGIT_ZERO = 48;

/** Entries to draw from, in no order. What answers are made of lies side by side as bytes, apart from the entries: to fetch
 * fifty texts from all over the memory costs ten times what it costs to copy them from here. */
export class PeerPool {
  readonly #peers: PeerTable;
  #bytes = NO_BYTES;
  #words = NO_WORDS;
  #size = 0;
  /** Of entries whose texts no slot holds. */
  #longTexts: Map<number, string> | undefined;
  /** How many may be told of to their own zone only. */
  #zoned = 0;

  constructor(peers: PeerTable) {
    this.#peers = peers;
  }

  get size(): number {
    return this.#size;
  }

  /** How much memory it holds, but for long texts. */
  get bytes(): number {
    return this.#bytes.length;
  }

  get isZoned(): boolean {
    return this.#zoned > 0;
  }

  at(place: number): number {
    return (this.#words[place * SLOT_WORDS + 1] ?? 0) >>> 0;
  }

  /** Looks up who is at the first `count` of `places`, and whose neighbour it is. */
  look(places: Uint32Array, count: number, entries: Uint32Array, neighbourhoods: Int32Array): void {
    const words = this.#words;
    for (let index = 0; index < count; index++) {
      const at = (places[index] ?? 0) * SLOT_WORDS;
      neighbourhoods[index] = words[at] ?? 0;
      entries[index] = words[at + 1] ?? 0;
    }
  }

  isVerifiedAt(place: number): boolean {
    return ((this.#bytes[place * SLOT_BYTES + HEAD_AT] ?? 0) & VERIFIED) !== 0;
  }

  /** @param entry of this pool */
  setVerified(entry: number): void {
    const at = this.#peers.get(entry, PEER.place) * SLOT_BYTES + HEAD_AT;
    this.#bytes[at] = (this.#bytes[at] ?? 0) | VERIFIED;
  }

  /** Copies where a peer is, but for what is the same for all: `HOST","port":PORT`.
   * @param target has room for it at `at`
   * @returns where it ends */
  copyText(place: number, target: Buffer, at: number): number {
    const source = this.#bytes;
    const start = place * SLOT_BYTES + TEXT_AT;
    const length = (source[start - 1] ?? 0) & LENGTH;
    if (length === 0) return at + target.write(this.#longTextAt(place), at, "latin1");
    for (let from = 0; from < length; from++) target[at + from] = source[start + from] ?? 0;
    return at + length;
  }

  /** @param host a checked literal or name: it needs no escaping */
  add(entry: number, { host, port }: PeerAddress, neighbourhood: number): void {
    const place = this.#append(entry);
    const start = place * SLOT_BYTES;
    this.#setWord(start, neighbourhood);
    this.#setWord(start + ENTRY_AT, entry);
    const length = host.length + BETWEEN.length + digitsOf(port);
    const fits = length <= TEXT_BYTES_MAX;
    this.#bytes[start + HEAD_AT] = fits ? length : 0;
    if (fits) writeText(this.#bytes, { host, port }, start + TEXT_AT);
    else this.#keepOutside(entry, host + BETWEEN + port);
  }

  /** Takes an entry over from another pool. */
  takeFrom(other: PeerPool, entry: number): void {
    const from = this.#peers.get(entry, PEER.place);
    const longText = other.#longTexts?.get(entry);
    const to = this.#append(entry);
    const slot = other.#bytes.subarray(from * SLOT_BYTES, (from + 1) * SLOT_BYTES);
    this.#bytes.set(slot, to * SLOT_BYTES);
    if (longText !== undefined) this.#keepOutside(entry, longText);
    other.#removeAt(from, entry);
  }

  /** @param entry of this pool */
  remove(entry: number): void {
    this.#removeAt(this.#peers.get(entry, PEER.place), entry);
  }

  #append(entry: number): number {
    const place = this.#size++;
    if (place * SLOT_BYTES >= this.#bytes.length) this.#resize();
    this.#peers.set(entry, PEER.place, place);
    if (this.#isZoned(entry)) this.#zoned++;
    return place;
  }

  #removeAt(place: number, entry: number): void {
    const last = --this.#size;
    if (this.#isZoned(entry)) this.#zoned--;
    this.#longTexts?.delete(entry);
    if (last !== place) {
      this.#peers.set(this.at(last), PEER.place, place);
      this.#bytes.copyWithin(place * SLOT_BYTES, last * SLOT_BYTES, (last + 1) * SLOT_BYTES);
    }
    if (this.#size * SHRINKAGE * SLOT_BYTES < this.#bytes.length) this.#resize();
  }

  #isZoned(entry: number): boolean {
    return this.#peers.get(entry, PEER.zone) !== PUBLIC_ZONE;
  }

  #longTextAt(place: number): string {
    return this.#longTexts?.get(this.at(place)) ?? "";
  }

  #keepOutside(entry: number, text: string): void {
    this.#longTexts ??= new Map();
    this.#longTexts.set(entry, text);
  }

  #resize(): void {
    const slots = slotsFor(this.#size);
    if (slots * SLOT_BYTES === this.#bytes.length) return;
    const bytes = new Uint8Array(slots * SLOT_BYTES);
    bytes.set(this.#bytes.subarray(0, bytes.length));
    this.#bytes = bytes;
    this.#words = new Int32Array(bytes.buffer);
  }

  #setWord(at: number, word: number): void {
    this.#words[at >> 2] = word;
  }
}

/** @param at where it begins */
function writeText(bytes: Uint8Array, { host, port }: PeerAddress, at: number): void {
  let next = at;
  for (let from = 0; from < host.length; from++) bytes[next++] = host.charCodeAt(from);
  for (let from = 0; from < BETWEEN.length; from++) bytes[next++] = BETWEEN.charCodeAt(from);
  next += digitsOf(port);
  for (let left = port; left > 0; left = Math.floor(left / 10)) {
    bytes[--next] = DIGIT_ZERO + (left % 10);
  }
}

/** @param port at least 1 */
function digitsOf(port: number): number {
  let digits = 1;
  for (let left = port; left >= 10; left /= 10) digits++;
  return digits;
}

function slotsFor(entries: number): number {
  if (entries > SLOTS_DOUBLED_MAX) return Math.ceil(entries * GROWTH);
  let slots = SLOTS_MIN;
  while (slots < entries) slots *= 2;
  return slots;
}

const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Int32Array(0);
