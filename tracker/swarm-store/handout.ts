import { HANDOUT_PEERS_MAX, HOST_CHARS_MAX } from "../../protocol/announce.ts";
import { assert } from "../../protocol/errors.ts";
import type { PeerEntry } from "./peer-entry.ts";
import type { PeerPool, Walk } from "./peer-pool.ts";
import type { Announce } from "./store.ts";

/** From one /24 or /48 no more than so many, while there are others: who owns one net must not be all that others hear of. */
const NEIGHBOURS_MAX = 2;

/** Room for the text of an address, whatever its host. */
const TEXT_BYTES_MAX = HOST_CHARS_MAX + 32;
const COMMA = 44;
/** Where answers are put together: one after the other, so that one place does for all. */
const page = Buffer.alloc(2 + HANDOUT_PEERS_MAX * (TEXT_BYTES_MAX + 1));

interface Drawn {
  readonly pool: PeerPool;
  readonly place: number;
}

export interface HandoutOptions {
  /** The caller's own entry, which it is not told of. */
  readonly own: PeerEntry | undefined;
  /** Whether what has expired may still be in the pools. */
  readonly hasExpired: boolean;
}

/** Whom one answer tells of: drawn without replacement, spread over networks. */
export class Handout {
  readonly #caller: Announce;
  readonly #options: HandoutOptions;
  readonly #drawn: Drawn[] = [];
  readonly #neighbourhoods: number[] = [];
  readonly #neighbours: Drawn[] = [];

  constructor(caller: Announce, options: HandoutOptions) {
    this.#caller = caller;
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

  /** @returns the JSON text of a `PeerAddress[]`; neighbours fill it up when there were too few others */
  toJson(want: number): string {
    const drawn = [...this.#drawn, ...this.#neighbours].slice(0, want);
    assert(drawn.length <= HANDOUT_PEERS_MAX, "An answer tells of no more than fits on its page");
    let at = page.write("[", "latin1");
    for (const { pool, place } of drawn) {
      if (at > 1) page[at++] = COMMA;
      at = pool.copyText(place, page, at);
    }
    return `${page.toString("latin1", 0, at)}]`;
  }

  #mayTell(pool: PeerPool, place: number): boolean {
    const { own, hasExpired } = this.#options;
    if (own?.place === place && pool.at(place) === own) return false;
    if (!hasExpired && !pool.isZoned) return true;
    const entry = pool.at(place);
    if (entry === undefined || entry.expires <= this.#caller.now) return false;
    return entry.zone === "public" || entry.zone === this.#caller.zone;
  }

  #takeIn(neighbourhood: number): boolean {
    let neighbours = 0;
    for (const taken of this.#neighbourhoods) if (taken === neighbourhood) neighbours++;
    if (neighbours >= NEIGHBOURS_MAX) return false;
    this.#neighbourhoods.push(neighbourhood);
    return true;
  }
}
