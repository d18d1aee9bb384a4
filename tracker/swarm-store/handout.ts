import { HANDOUT_PEERS_MAX } from "../../protocol/announce-limits.ts";
import { assert } from "../../protocol/errors.ts";
import { AnswerPage } from "./answer-page.ts";
import type { PeerPool } from "./peer-pool.ts";
import { PEER, type PeerTable, PUBLIC_ZONE, zoneNumber } from "./peer-table.ts";
import type { News } from "./subject.ts";
import { Tally } from "./tally.ts";
import type { Walk } from "./walk.ts";

/** From one /24 or /48 no more than so many, while there are others: who owns one net must not be all that others hear of. */
const NEIGHBOURS_MAX = 2;

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
  readonly #page = new AnswerPage();

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
    page.clear();
    this.#drawn.tell(page, want);
    this.#neighbours.tell(page, want - this.#drawn.size);
    return page.toJson();
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

  /** Writes who is there, at most `count`. */
  tell(page: AnswerPage, count: number): void {
    const told = Math.min(this.size, count);
    for (let index = 0; index < told; index++)
      this.#pools[index]?.tell(this.#places[index] ?? 0, page);
  }
}
