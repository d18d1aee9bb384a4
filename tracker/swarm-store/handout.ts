import { HANDOUT_PEERS_MAX, HOST_CHARS_MAX } from "../../protocol/announce.ts";
import { assert } from "../../protocol/errors.ts";
import type { PeerPool } from "./peer-pool.ts";
import { PEER, type PeerTable, PUBLIC_ZONE, zoneNumber } from "./peer-table.ts";
import type { News } from "./subject.ts";
import { Tally } from "./tally.ts";
import type { Walk } from "./walk.ts";

/** From one /24 or /48 no more than so many, while there are others: who owns one net must not be all that others hear of. */
const NEIGHBOURS_MAX = 2;

/** Room for the text of an address and what stands before it, whatever its host. */
const TEXT_BYTES_MAX = HOST_CHARS_MAX + 64;
/** Of a pool's texts answers are made with these. */
const FIRST = Buffer.from('[{"host":"');
const VERIFIED = Buffer.from(',"verified":true');
const NEXT = Buffer.from('},{"host":"');
const LAST = Buffer.from("}]");

export interface HandoutOptions {
  readonly peers: PeerTable;
  /** The caller's own entry, which it is not told of; 0 when it has none. */
  readonly own: number;
  /** Whether what has expired may still be in the pools. */
  readonly hasExpired: boolean;
}

/** Whom an answer tells of: drawn without replacement, spread over networks. One is made after the other in the same memory,
 * since to make that anew costs as much as all that is done in it. */
export class Handout {
  #caller: News | undefined;
  #options: HandoutOptions | undefined;
  readonly #drawn = new Places();
  /** Of networks from which enough were drawn. */
  readonly #neighbours = new Places();
  readonly #networks = new Tally(HANDOUT_PEERS_MAX);
  // What lies in a pool is looked up a step ahead of what is made of it: the memory then fetches several at a time.
  readonly #places = new Uint32Array(HANDOUT_PEERS_MAX);
  readonly #entries = new Uint32Array(HANDOUT_PEERS_MAX);
  readonly #neighbourhoods = new Int32Array(HANDOUT_PEERS_MAX);
  readonly #page = Buffer.alloc(LAST.length + HANDOUT_PEERS_MAX * TEXT_BYTES_MAX);

  /** Begins another one. */
  begin(caller: News, options: HandoutOptions): void {
    this.#caller = caller;
    this.#options = options;
    this.#drawn.size = 0;
    this.#neighbours.size = 0;
    this.#networks.clear();
  }

  /** Goes on until the sample has `count` entries, HANDOUT_PEERS_MAX at most, or the walk is at its end. */
  draw(walk: Walk, count: number): void {
    assert(count <= HANDOUT_PEERS_MAX, "An answer tells of no more than fits on its page");
    const { pool } = walk;
    while (this.#drawn.size < count) {
      const looked = walk.take(this.#places, count - this.#drawn.size);
      if (looked === 0) return;
      pool.look(this.#places, looked, this.#entries, this.#neighbourhoods);
      for (let index = 0; index < looked; index++) this.#consider(pool, index);
    }
  }

  /** @param index of one that was looked up */
  #consider(pool: PeerPool, index: number): void {
    if (!this.#mayTell(pool, this.#entries[index] ?? 0)) return;
    const isFar = this.#networks.add(this.#neighbourhoods[index] ?? 0) <= NEIGHBOURS_MAX;
    (isFar ? this.#drawn : this.#neighbours).add(pool, this.#places[index] ?? 0);
  }

  /** @returns the JSON text of a `ToldPeer[]`; neighbours fill it up when there were too few others */
  toJson(want: number): string {
    const page = this.#page;
    const end = this.#drawn.write(page, 0, want);
    const at = this.#neighbours.write(page, end, want - this.#drawn.size);
    return at === 0 ? "[]" : page.toString("latin1", 0, copy(LAST, page, at));
  }

  #mayTell(pool: PeerPool, entry: number): boolean {
    if (this.#caller === undefined || this.#options === undefined) return false;
    const { peers, own, hasExpired } = this.#options;
    if (entry === own) return false;
    if (!hasExpired && !pool.isZoned) return true;
    if (peers.get(entry, PEER.expires) <= this.#caller.now) return false;
    const zone = peers.get(entry, PEER.zone);
    return zone === PUBLIC_ZONE || zone === zoneNumber(this.#caller.zone);
  }
}

/** Places in pools, HANDOUT_PEERS_MAX at most: what is above has no place in an answer. */
class Places {
  size = 0;
  readonly #pools: (PeerPool | undefined)[] = Array.from({ length: HANDOUT_PEERS_MAX });
  readonly #places = new Uint32Array(HANDOUT_PEERS_MAX);

  add(pool: PeerPool, place: number): void {
    if (this.size === HANDOUT_PEERS_MAX) return;
    this.#pools[this.size] = pool;
    this.#places[this.size++] = place;
  }

  /** Writes who is there, at most `count`.
   * @returns where it ends on the page */
  write(page: Buffer, from: number, count: number): number {
    let at = from;
    for (let index = 0; index < this.size && index < count; index++) {
      const pool = this.#pools[index];
      const place = this.#places[index] ?? 0;
      if (pool === undefined) break;
      at = copy(at === 0 ? FIRST : NEXT, page, at);
      at = pool.copyText(place, page, at);
      if (pool.isVerifiedAt(place)) at = copy(VERIFIED, page, at);
    }
    return at;
  }
}

/** @returns where it ends on the page */
function copy(source: Buffer, page: Buffer, at: number): number {
  let end = at;
  for (let from = 0; from < source.length; from++) page[end++] = source[from] ?? 0;
  return end;
}
