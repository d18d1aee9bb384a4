import { HANDOUT_PEERS_MAX, HOST_CHARS_MAX } from "../../protocol/announce.ts";
import { assert } from "../../protocol/errors.ts";
import type { PeerPool } from "./peer-pool.ts";
import { PEER, type PeerTable, PUBLIC_ZONE, zoneNumber } from "./peer-table.ts";
import type { News } from "./subject.ts";
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
/** Where answers are put together: one after the other, so that one place does for all. */
const page = Buffer.alloc(LAST.length + HANDOUT_PEERS_MAX * TEXT_BYTES_MAX);

interface Drawn {
  readonly pool: PeerPool;
  readonly place: number;
}

export interface HandoutOptions {
  /** The caller's own entry, which it is not told of; 0 when it has none. */
  readonly own: number;
  /** Whether what has expired may still be in the pools. */
  readonly hasExpired: boolean;
}

/** Whom one answer tells of: drawn without replacement, spread over networks. */
export class Handout {
  readonly #caller: News;
  readonly #peers: PeerTable;
  readonly #options: HandoutOptions;
  readonly #drawn: Drawn[] = [];
  readonly #neighbourhoods: number[] = [];
  readonly #neighbours: Drawn[] = [];

  constructor(caller: News, peers: PeerTable, options: HandoutOptions) {
    this.#caller = caller;
    this.#peers = peers;
    this.#options = options;
  }

  /** Goes on until the sample has `count` entries or the walk is at its end. */
  draw(walk: Walk, count: number): void {
    const { pool } = walk;
    while (this.#drawn.length < count) {
      const place = walk.next();
      if (place === undefined) return;
      if (!this.#mayTell(pool, place)) continue;
      const isFar = this.#takeIn(pool.neighbourhoodAt(place));
      (isFar ? this.#drawn : this.#neighbours).push({ pool, place });
    }
  }

  /** @returns the JSON text of a `ToldPeer[]`; neighbours fill it up when there were too few others */
  toJson(want: number): string {
    const drawn = [...this.#drawn, ...this.#neighbours].slice(0, want);
    assert(drawn.length <= HANDOUT_PEERS_MAX, "An answer tells of no more than fits on its page");
    if (drawn.length === 0) return "[]";
    let at = 0;
    for (const { pool, place } of drawn) {
      at = copy(at === 0 ? FIRST : NEXT, at);
      at = pool.copyText(place, page, at);
      if (pool.isVerifiedAt(place)) at = copy(VERIFIED, at);
    }
    at = copy(LAST, at);
    return page.toString("latin1", 0, at);
  }

  #mayTell(pool: PeerPool, place: number): boolean {
    const { own, hasExpired } = this.#options;
    const entry = pool.at(place);
    if (entry === own) return false;
    if (!hasExpired && !pool.isZoned) return true;
    if (this.#peers.get(entry, PEER.expires) <= this.#caller.now) return false;
    const zone = this.#peers.get(entry, PEER.zone);
    return zone === PUBLIC_ZONE || zone === zoneNumber(this.#caller.zone);
  }

  #takeIn(neighbourhood: number): boolean {
    let neighbours = 0;
    for (const taken of this.#neighbourhoods) if (taken === neighbourhood) neighbours++;
    if (neighbours >= NEIGHBOURS_MAX) return false;
    this.#neighbourhoods.push(neighbourhood);
    return true;
  }
}

/** @returns where it ends on the page */
function copy(source: Buffer, at: number): number {
  for (let from = 0; from < source.length; from++) page[at++] = source[from] ?? 0;
  return at;
}
