import type { PeerAddress } from "../../protocol/announce.ts";
import {
  type AnswerPage,
  LITERAL_WORDS,
  PORT_WORDS,
  wordsFor,
  writeAddress,
} from "./answer-page.ts";
import { PEER, type PeerTable, PUBLIC_ZONE } from "./peer-table.ts";

/** A slot, in words of four bytes: neighbourhood, entry, how many words the host's text has and whether the peer is verified,
 * and the text of its address. It holds that of every IPv4 and IPv6 literal; longer ones, names, stay outside. */
const ENTRY_AT = 1;
const HEAD_AT = 2;
const TEXT_AT = 3;
const SLOT_WORDS = TEXT_AT + PORT_WORDS + LITERAL_WORDS;
const WORD_BYTES = 4;
const SLOT_BYTES = SLOT_WORDS * WORD_BYTES;
/** In the head, beside the number of words. */
const VERIFIED = 0x80;
const HOST_WORDS = 0x7f;
const SLOTS_MIN = 2;
/** A pool's memory doubles while it has fewer slots than this, and grows by GROWTH from there on. */
const SLOTS_DOUBLED_MAX = 64;
const GROWTH = 1.4;
/** Of a pool that became this much smaller, the memory is given back. */
const SHRINKAGE = 4;

/** Entries to draw from, in no order. What answers are made of lies side by side as bytes, apart from the entries: to fetch
 * fifty texts from all over the memory costs ten times what it costs to copy them from here. */
export class PeerPool {
  readonly #peers: PeerTable;
  #bytes = NO_BYTES;
  #words = NO_WORDS;
  #size = 0;
  /** Of entries whose texts no slot holds. */
  #longTexts: Map<number, Int32Array> | undefined;
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
    return (this.#words[place * SLOT_WORDS + ENTRY_AT] ?? 0) >>> 0;
  }

  /** Looks up who is at the first `count` of `places`, and whose neighbour it is. */
  look(places: Uint32Array, count: number, entries: Uint32Array, neighbourhoods: Int32Array): void {
    const words = this.#words;
    for (let index = 0; index < count; index++) {
      const at = (places[index] ?? 0) * SLOT_WORDS;
      neighbourhoods[index] = words[at] ?? 0;
      entries[index] = words[at + ENTRY_AT] ?? 0;
    }
  }

  /** @param entry of this pool */
  setVerified(entry: number): void {
    const at = this.#peers.get(entry, PEER.place) * SLOT_WORDS + HEAD_AT;
    this.#words[at] = (this.#words[at] ?? 0) | VERIFIED;
  }

  /** Writes who is at a place. */
  tell(place: number, page: AnswerPage): void {
    const at = place * SLOT_WORDS;
    const head = this.#words[at + HEAD_AT] ?? 0;
    const hostWords = head & HOST_WORDS;
    const isVerified = (head & VERIFIED) !== 0;
    if (hostWords > 0) page.add(this.#words, at + TEXT_AT, hostWords, isVerified);
    else this.#tellLongText(this.at(place), page, isVerified);
  }

  /** @param address its host a checked literal or name */
  add(entry: number, address: PeerAddress, neighbourhood: number): void {
    const at = this.#append(entry) * SLOT_WORDS;
    this.#words[at] = neighbourhood;
    this.#words[at + ENTRY_AT] = entry;
    const hostWords = wordsFor(address.host.length);
    const fits = hostWords <= LITERAL_WORDS;
    this.#words[at + HEAD_AT] = fits ? hostWords : 0;
    if (fits) writeAddress(this.#bytes, address, (at + TEXT_AT) * WORD_BYTES);
    else this.#keepOutside(entry, toLongText(address));
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

  #tellLongText(entry: number, page: AnswerPage, isVerified: boolean): void {
    const text = this.#longTexts?.get(entry);
    if (text !== undefined) page.add(text, 0, text.length - PORT_WORDS, isVerified);
  }

  #keepOutside(entry: number, text: Int32Array): void {
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
}

function toLongText(address: PeerAddress): Int32Array {
  const words = new Int32Array(PORT_WORDS + wordsFor(address.host.length));
  writeAddress(new Uint8Array(words.buffer), address, 0);
  return words;
}

function slotsFor(entries: number): number {
  if (entries > SLOTS_DOUBLED_MAX) return Math.ceil(entries * GROWTH);
  let slots = SLOTS_MIN;
  while (slots < entries) slots *= 2;
  return slots;
}

const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Int32Array(0);
