import type { PeerAddress } from "../../protocol/announce.ts";
import type { Random } from "../clock.ts";
import { type Candidate, spreadDraw } from "./spread-draw.ts";
import type { Announce, SwarmView } from "./store.ts";

/** What is kept of one swarm for a moment: some of its peers, or all, and how many there are. What this process commits is
 * applied to it; what others commit is not seen until it is read again. */

/** One peer as the database has it. */
export interface PooledPeer {
  readonly host: string;
  readonly port: number;
  readonly zone: string;
  readonly peer: string | undefined;
  readonly complete: boolean;
  readonly expires: number;
  readonly verified: boolean;
  /** Whose the host is. */
  readonly network: string;
}

export interface Counts {
  readonly complete: number;
  readonly incomplete: number;
}

/** One that had to make room. */
export type EvictedPeer = Pick<PooledPeer, "host" | "port" | "complete" | "expires">;

/** What an announce replaced or took away. */
export interface Replaced {
  readonly complete: number;
  readonly incomplete: number;
}

type Entry = PooledPeer & Candidate;

/** Peers that are read of a swarm at a time; each answer is drawn from them. */
export const POOL_PEERS = 200;
/** How old a pool may be, and the counts of a swarm of up to COUNTED_PER_AGE peers. */
export const SAMPLE_AGE_MS = 1000;
/** Counting goes through all of a swarm, so that it is counted less often the larger it is: 10,000 rows a second at most. */
const COUNTED_PER_AGE = 10_000;

export class SwarmPool {
  readonly #readAt: number;
  readonly #byAddress = new Map<string, Entry>();
  readonly #byPeer = new Map<string, Entry>();
  /** How many there are of a network, and how many announces of it were sent since they were read. */
  readonly #networks = new Map<string, number>();
  /** Undefined while the pool is the whole swarm, which then is counted itself. */
  #counts: { complete: number; incomplete: number } | undefined;
  readonly #countedAt: number;

  /** @param peers at most POOL_PEERS; fewer are all there are
   * @param readAt the time before they were read, milliseconds since 1970
   * @param counted how many there are, needed when the pool is not all of them */
  constructor(
    peers: readonly PooledPeer[],
    readAt: number,
    counted: { readonly counts: Counts; readonly at: number } | undefined,
  ) {
    this.#readAt = readAt;
    for (const peer of peers) {
      this.#put(peer);
      this.expect(peer.network);
    }
    const isWhole = peers.length < POOL_PEERS;
    this.#counts = isWhole || counted === undefined ? undefined : { ...counted.counts };
    this.#countedAt = counted?.at ?? readAt;
  }

  get size(): number {
    return this.#byAddress.size;
  }

  /** Whether it may be told of at a time; a clock that went back makes it old. */
  isFresh(now: number): boolean {
    return isWithin(now - this.#readAt, SAMPLE_AGE_MS);
  }

  /** @returns the counts, if the swarm is larger than the pool and they are good for a while more */
  counted(now: number): { readonly counts: Counts; readonly at: number } | undefined {
    if (this.#counts === undefined) return undefined;
    const { complete, incomplete } = this.#counts;
    const ageMs = SAMPLE_AGE_MS * Math.max(1, (complete + incomplete) / COUNTED_PER_AGE);
    if (!isWithin(now - this.#countedAt, ageMs)) return undefined;
    return { counts: this.#counts, at: this.#countedAt };
  }

  /** Whether the swarm was larger than the pool when it was read. */
  get isPart(): boolean {
    return this.#counts !== undefined;
  }

  /** How many peers there are, some of which may have expired. */
  get total(): number {
    if (this.#counts === undefined) return this.#byAddress.size;
    return this.#counts.complete + this.#counts.incomplete;
  }

  /** How many of a network may be there, unless other trackers brought more within the pool's age. */
  neighbours(network: string): number {
    return this.isPart ? Number.POSITIVE_INFINITY : (this.#networks.get(network) ?? 0);
  }

  /** Takes note of an announce that is sent. */
  expect(network: string): void {
    this.#networks.set(network, (this.#networks.get(network) ?? 0) + 1);
  }

  /** Does what was committed.
   * @param stored network of the peer, and when the database forgets it */
  apply(
    announce: Announce,
    replaced: Replaced,
    { network, expires }: Pick<PooledPeer, "network" | "expires">,
  ): void {
    const { host, port, zone, peer, action } = announce;
    const verified = this.#isRenewedVerified(announce);
    for (const entry of this.#concerned(announce)) this.#forget(entry);
    const complete = announce.complete ?? replaced.complete > 0;
    if (action === "add") {
      this.#put({ host, port, zone, peer, complete, expires, verified, network });
    }
    this.#recount(action === "add" ? complete : undefined, replaced, announce.now);
  }

  evict(peer: EvictedPeer, now: number): void {
    const entry = this.#byAddress.get(addressKey(peer));
    if (entry !== undefined) this.#forget(entry);
    if (this.#counts === undefined || peer.expires <= now) return;
    const kind = peer.complete ? "complete" : "incomplete";
    this.#counts[kind] = Math.max(0, this.#counts[kind] - 1);
  }

  isVerified(address: PeerAddress): boolean {
    return this.#byAddress.get(addressKey(address))?.verified === true;
  }

  /** Notes that somebody vouched for whoever is at the address. */
  verify(address: PeerAddress): void {
    const entry = this.#byAddress.get(addressKey(address));
    if (entry !== undefined) this.#put({ ...entry, verified: true });
  }

  view(random: Random, announce: Announce): SwarmView {
    const { complete, incomplete } = this.#counts ?? this.#count(announce.now);
    if (announce.want === 0) return { complete, incomplete, peersJson: "[]" };
    const wanted: Entry[] = [];
    for (const entry of this.#byAddress.values()) {
      if (isWanted(entry, announce)) wanted.push(entry);
    }
    const texts = spreadDraw(random, wanted, announce.want);
    return { complete, incomplete, peersJson: `[${texts.join()}]` };
  }

  #put(peer: PooledPeer): void {
    const { host, port, verified } = peer;
    const told = { host, port, ...(verified ? { verified } : {}) };
    const entry: Entry = { ...peer, text: JSON.stringify(told) };
    this.#byAddress.set(addressKey(peer), entry);
    if (peer.peer !== undefined) this.#byPeer.set(peer.peer, entry);
  }

  #forget(entry: Entry): void {
    this.#byAddress.delete(addressKey(entry));
    if (entry.peer !== undefined) this.#byPeer.delete(entry.peer);
  }

  /** @returns whether the announce goes on with an entry that is verified */
  #isRenewedVerified(announce: Announce): boolean {
    const there = this.#byAddress.get(addressKey(announce));
    if (there === undefined || there.expires <= announce.now) return false;
    return there.verified && there.peer === announce.peer && there.zone === announce.zone;
  }

  #concerned(announce: Announce): readonly Entry[] {
    const { peer, action } = announce;
    const own = peer === undefined ? undefined : this.#byPeer.get(peer);
    const there = this.#byAddress.get(addressKey(announce));
    const isSpared =
      action === "remove" && peer !== undefined && there?.peer !== undefined && there !== own;
    return [own, isSpared ? undefined : there].filter((entry) => entry !== undefined);
  }

  #recount(added: boolean | undefined, replaced: Replaced, now: number): void {
    if (this.#counts !== undefined) {
      const { complete, incomplete } = this.#counts;
      this.#counts.complete = Math.max(0, complete - replaced.complete) + Number(added === true);
      this.#counts.incomplete =
        Math.max(0, incomplete - replaced.incomplete) + Number(added === false);
    } else if (this.#byAddress.size > 2 * POOL_PEERS) {
      this.#counts = this.#count(now);
    }
    if (this.#counts === undefined || this.#byAddress.size <= 2 * POOL_PEERS) return;
    // Which one goes makes no odds: the next reading draws anew.
    const [oldest] = this.#byAddress.values();
    if (oldest !== undefined) this.#forget(oldest);
  }

  #count(now: number): { complete: number; incomplete: number } {
    const counts = { complete: 0, incomplete: 0 };
    for (const { expires, complete } of this.#byAddress.values()) {
      if (expires > now) counts[complete ? "complete" : "incomplete"]++;
    }
    return counts;
  }
}

function isWithin(ageMs: number, ageMaxMs: number): boolean {
  return ageMs >= 0 && ageMs < ageMaxMs;
}

function addressKey({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host} ${port}`;
}

function isWanted(entry: Entry, { host, port, zone, only, now }: Announce): boolean {
  if (entry.expires <= now || (entry.port === port && entry.host === host)) return false;
  if (entry.zone !== "public" && entry.zone !== zone) return false;
  return only === "all" || !entry.complete;
}
