import type { PeerAddress } from "../../protocol/announce.ts";
import type { SwarmHash } from "../../protocol/ids.ts";
import type { Random } from "../clock.ts";
import type { Expiring } from "./expiry-queue.ts";
import { Handout, type HandoutOptions } from "./handout.ts";
import { PeerPool } from "./peer-pool.ts";
import { PEER, type PeerTable, STATE } from "./peer-table.ts";
import { type News, neighbourhoodNumber } from "./subject.ts";
import { Walk } from "./walk.ts";

/** How many of a swarm's entries are looked at to find an old one. */
const OLD_DRAWS = 16;

/** All answers are made in it. */
const handout = new Handout();

/** One swarm in memory: how many are in it, and a fair sample of them at the price of its size. */
export class Swarm implements Expiring {
  readonly number: number;
  readonly hash: SwarmHash;
  expires: number;
  /** Until when the log knows it. */
  kept = 0;
  gone = false;
  readonly #peers: PeerTable;
  readonly #incomplete: PeerPool;
  readonly #complete: PeerPool;

  constructor(
    peers: PeerTable,
    {
      number,
      hash,
      expires,
    }: { readonly number: number; readonly hash: SwarmHash; readonly expires: number },
  ) {
    this.number = number;
    this.hash = hash;
    this.expires = expires;
    this.#peers = peers;
    this.#incomplete = new PeerPool(peers);
    this.#complete = new PeerPool(peers);
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

  /** @param entry of this swarm */
  add(entry: number, address: PeerAddress): void {
    this.#poolOf(entry).add(entry, address, neighbourhoodNumber(address.host));
  }

  remove(entry: number): void {
    this.#poolOf(entry).remove(entry);
  }

  /** @param complete other than it was */
  setComplete(entry: number, complete: boolean): void {
    const former = this.#poolOf(entry);
    this.#peers.set(entry, PEER.state, complete ? STATE.complete : STATE.incomplete);
    this.#poolOf(entry).takeFrom(former, entry);
  }

  /** @param entry of this swarm */
  setVerified(entry: number): void {
    this.#poolOf(entry).setVerified(entry);
  }

  /** @returns one of the oldest entries: the oldest of some drawn by lot; 0 in an empty swarm */
  oldEntry(random: Random): number {
    let oldest = 0;
    for (let draw = 0; draw < OLD_DRAWS && this.size > 0; draw++) {
      const at = random.uint32() % this.size;
      const ofComplete = at - this.#incomplete.size;
      const entry = ofComplete < 0 ? this.#incomplete.at(at) : this.#complete.at(ofComplete);
      if (oldest === 0 || this.#expires(entry) < this.#expires(oldest)) oldest = entry;
    }
    return oldest;
  }

  /** @returns a random sample, as JSON text of a `ToldPeer[]` */
  sample(announce: News, random: Random, options: Omit<HandoutOptions, "peers">): string {
    const { want, only } = announce;
    if (want === 0 || this.size === 0) return "[]";
    handout.begin(announce, { ...options, peers: this.#peers });
    const complete = only === "all" ? new Walk(this.#complete, random) : undefined;
    // Half of each kind as far as they go: a few sources must be found in a crowd that has nothing yet.
    if (complete !== undefined) handout.draw(complete, Math.ceil(want / 2));
    handout.draw(new Walk(this.#incomplete, random), want);
    if (complete !== undefined) handout.draw(complete, want);
    return handout.toJson(want);
  }

  #poolOf(entry: number): PeerPool {
    const isComplete = this.#peers.get(entry, PEER.state) === STATE.complete;
    return isComplete ? this.#complete : this.#incomplete;
  }

  #expires(entry: number): number {
    return this.#peers.get(entry, PEER.expires);
  }
}
