import type { SwarmHash } from "../../protocol/ids.ts";
import type { Random } from "../clock.ts";
import type { Expiring } from "./expiry-queue.ts";
import { Handout, type HandoutOptions } from "./handout.ts";
import { neighbourhoodNumber, type PeerEntry, type Subject } from "./peer-entry.ts";
import { PeerPool, Walk } from "./peer-pool.ts";
import type { Announce } from "./store.ts";

/** Up to so many entries are looked through one by one: most swarms are small, and a map costs more than they do. */
const UNMAPPED_MAX = 8;
/** How many of a swarm's entries are looked at to find an old one. */
const OLD_DRAWS = 16;

/** One swarm in memory: who is in it, found by address and by peer id, and a fair sample at the price of its size. */
export class Swarm implements Expiring {
  readonly hash: SwarmHash;
  expires: number;
  /** Until when the log knows it. */
  kept = 0;
  gone = false;
  /** Entries by whether they are complete. */
  readonly #incomplete = new PeerPool();
  readonly #complete = new PeerPool();
  /** By the keys of addresses, peer ids and networks; only in a swarm above UNMAPPED_MAX. */
  #map: Map<number, PeerEntry> | undefined;

  constructor(hash: SwarmHash, expires: number) {
    this.hash = hash;
    this.expires = expires;
  }

  get complete(): number {
    return this.#complete.size;
  }

  get incomplete(): number {
    return this.#incomplete.size;
  }

  get size(): number {
    return this.#complete.size + this.#incomplete.size;
  }

  /** @returns the entry of an address */
  at(key: number): PeerEntry | undefined {
    if (this.#map !== undefined) return this.#map.get(key);
    return this.#find((entry) => entry.key === key);
  }

  /** @param peer the key of a peer id, or 0
   * @returns the entry of that peer */
  of(peer: number): PeerEntry | undefined {
    if (peer === 0) return undefined;
    if (this.#map !== undefined) return this.#map.get(peer);
    return this.#find((entry) => entry.peer === peer);
  }

  /** @param entry of this swarm, with an address and a peer id that no other entry has */
  add(entry: PeerEntry, { text, announce }: Subject): void {
    this.#poolOf(entry).add(entry, text, neighbourhoodNumber(announce.host));
    if (this.#map !== undefined) this.#enter(this.#map, entry);
    else if (this.size > UNMAPPED_MAX) this.#mapAll();
  }

  remove(entry: PeerEntry): void {
    this.#poolOf(entry).remove(entry);
    this.#map?.delete(entry.key);
    if (entry.peer !== 0) this.#map?.delete(entry.peer);
    if (entry.network !== 0) this.#leaveNetwork(entry);
  }

  setComplete(entry: PeerEntry, complete: boolean): void {
    if (entry.complete === complete) return;
    const pool = this.#poolOf(entry);
    const text = pool.textAt(entry.place);
    const neighbourhood = pool.neighbourhoodAt(entry.place);
    pool.remove(entry);
    entry.complete = complete;
    this.#poolOf(entry).add(entry, text, neighbourhood);
  }

  /** @returns the oldest entry of a network that has `most` of them or more */
  oldestOf(network: number, most: number): PeerEntry | undefined {
    const own = this.#ofNetwork(network);
    return own.length < most ? undefined : earliest(own);
  }

  /** @returns one of the oldest entries: the oldest of some drawn by lot */
  oldEntry(random: Random): PeerEntry | undefined {
    const drawn: PeerEntry[] = [];
    for (let draw = 0; draw < OLD_DRAWS; draw++) {
      const at = random.uint32() % this.size;
      const entry = this.#incomplete.at(at) ?? this.#complete.at(at - this.#incomplete.size);
      if (entry !== undefined) drawn.push(entry);
    }
    return earliest(drawn);
  }

  /** @returns a random sample, as JSON text of a `PeerAddress[]` */
  sample(announce: Announce, random: Random, options: HandoutOptions): string {
    const { want, only } = announce;
    if (want === 0 || this.size === 0) return "[]";
    const handout = new Handout(announce, options);
    const complete = only === "all" ? new Walk(this.#complete, random) : undefined;
    // Half of each kind as far as they go: a few sources must be found in a crowd that has nothing yet.
    if (complete !== undefined) handout.draw(complete, Math.ceil(want / 2));
    handout.draw(new Walk(this.#incomplete, random), want);
    if (complete !== undefined) handout.draw(complete, want);
    return handout.toJson(want);
  }

  *[Symbol.iterator](): Generator<PeerEntry> {
    yield* this.#incomplete;
    yield* this.#complete;
  }

  #find(isIt: (entry: PeerEntry) => boolean): PeerEntry | undefined {
    return this.#incomplete.find(isIt) ?? this.#complete.find(isIt);
  }

  #poolOf(entry: PeerEntry): PeerPool {
    return entry.complete ? this.#complete : this.#incomplete;
  }

  #mapAll(): void {
    this.#map = new Map();
    for (const entry of this) this.#enter(this.#map, entry);
  }

  #enter(map: Map<number, PeerEntry>, entry: PeerEntry): void {
    map.set(entry.key, entry);
    if (entry.peer !== 0) map.set(entry.peer, entry);
    if (entry.network === 0) return;
    entry.older = map.get(entry.network);
    map.set(entry.network, entry);
  }

  #ofNetwork(network: number): PeerEntry[] {
    if (this.#map === undefined) return [...this].filter((entry) => entry.network === network);
    const own: PeerEntry[] = [];
    for (let entry = this.#map.get(network); entry !== undefined; entry = entry.older) {
      own.push(entry);
    }
    return own;
  }

  #leaveNetwork(entry: PeerEntry): void {
    if (this.#map === undefined) return;
    const { network } = entry;
    const others = this.#ofNetwork(network).filter((other) => other !== entry);
    this.#map.delete(network);
    for (const other of others.reverse()) {
      other.older = this.#map.get(network);
      this.#map.set(network, other);
    }
    entry.older = undefined;
  }
}

function earliest(entries: readonly PeerEntry[]): PeerEntry | undefined {
  let found = entries[0];
  for (const entry of entries)
    if (found === undefined || entry.expires < found.expires) found = entry;
  return found;
}
