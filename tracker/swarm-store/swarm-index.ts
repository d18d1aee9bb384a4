import type { SwarmHash } from "../../protocol/ids.ts";
import type { Random } from "../clock.ts";
import { StoreError } from "../errors.ts";
import { ExpiryQueue } from "./expiry-queue.ts";
import {
  createEntry,
  type PeerEntry,
  type Subject,
  toSubject,
  type Written,
} from "./peer-entry.ts";
import type { Announce, SwarmView, Swept, Totals } from "./store.ts";
import { Swarm } from "./swarm.ts";

/** How much a store takes in; where a limit on peers is reached, the one heard of longest ago goes. */
export interface StoreLimits {
  readonly swarmsMax: number;
  readonly peersMax: number;
  readonly peersPerSwarmMax: number;
  /** Of one network (an IPv4 address, an IPv6 /64) in one swarm; Infinity: networks are not counted. */
  readonly peersPerNetworkMax: number;
  /** How long after it was read again an entry may live, in milliseconds. */
  readonly lifetimeMsMax: number;
}

export const DEFAULT_LIMITS: StoreLimits = {
  swarmsMax: 250_000,
  peersMax: 1_000_000,
  peersPerSwarmMax: 100_000,
  peersPerNetworkMax: Number.POSITIVE_INFINITY,
  lifetimeMsMax: Number.POSITIVE_INFINITY,
};

/** A row that says only that somebody left: it must stay as long as the row that it takes back could. */
interface Farewell {
  readonly seq: number;
  expires: number;
  gone: boolean;
}

/** All swarms in memory: whatever is asked is answered from here, at a price that does not grow with the store or the
 * swarm. It decides what has to be written, and is told what was; it writes nothing itself. */
export class SwarmIndex {
  readonly #random: Random;
  readonly #limits: StoreLimits;
  readonly #swarms = new Map<SwarmHash, Swarm>();
  readonly #peerExpiry = new ExpiryQueue<PeerEntry>();
  readonly #swarmExpiry = new ExpiryQueue<Swarm>();
  #farewells = new ExpiryQueue<Farewell>();
  #worthless: number[] = [];
  #peers = 0;
  #complete = 0;

  constructor(random: Random, limits: StoreLimits) {
    this.#random = random;
    this.#limits = limits;
  }

  /** What an announce asks of the log, as things stand: `unknown` when its swarm is not known and not to be made,
   * `nothing` when the log says it already, and long enough.
   * @throws {StoreError} full */
  needOf(announce: Announce): "unknown" | "nothing" | "row" {
    const swarm = this.#swarms.get(announce.swarm);
    if (swarm !== undefined && swarm.expires > announce.now) {
      return isSaid(swarm, toSubject(announce)) ? "nothing" : "row";
    }
    if (!announce.create) return "unknown";
    if (swarm === undefined && this.#swarms.size >= this.#limits.swarmsMax) {
      throw new StoreError("full", "Cannot make a swarm: there are as many as may be");
    }
    return "row";
  }

  /** @returns whether the announced peer has every part: as it says, or as was known of it */
  completeOf(announce: Announce): boolean {
    const swarm = this.#swarms.get(announce.swarm);
    const isKnown = swarm !== undefined && announce.complete === undefined;
    return isKnown ? completeOf(swarm, toSubject(announce)) : announce.complete === true;
  }

  /** Takes an announce in.
   * @param written where the log has it; undefined when it needed nothing
   * @returns the swarm afterwards */
  apply(announce: Announce, written?: Written): SwarmView {
    const subject = toSubject(announce);
    const swarm = this.#change(subject, written);
    const peersJson = swarm.sample(announce, this.#random, {
      own: swarm.at(subject.key),
      hasExpired: this.#peerExpiry.hasExpired(announce.now),
    });
    return { complete: swarm.complete, incomplete: swarm.incomplete, peersJson };
  }

  /** Takes in what the log tells, unless something newer is known.
   * @param announce as if it was made when the row was written */
  restore(announce: Announce, written: Written): void {
    const subject = toSubject(announce);
    const swarm = this.#swarms.get(announce.swarm);
    const there = swarm?.at(subject.key)?.seq ?? 0;
    const newest = Math.max(there, swarm?.of(subject.peer)?.seq ?? 0);
    if (newest === written.seq) return;
    if (newest > written.seq || announce.expires <= announce.now) {
      this.#worthless.push(written.seq);
      return;
    }
    this.#change(subject, written);
  }

  /** Takes away what expired, peers first, at most `limit` of each kind. */
  sweep(now: number, limit: number): Swept {
    const peers = clear(this.#peerExpiry, now, limit, (entry) => this.#drop(entry));
    if (peers === limit) return { peers, swarms: 0, finished: false };
    const swarms = clear(this.#swarmExpiry, now, limit, (swarm) => {
      swarm.gone = true;
      this.#swarms.delete(swarm.hash);
    });
    const rows = clear(this.#farewells, now, limit, ({ seq }) => this.#worthless.push(seq));
    return { peers, swarms, finished: swarms < limit && rows < limit };
  }

  totals(): Totals {
    const complete = this.#complete;
    return { swarms: this.#swarms.size, complete, incomplete: this.#peers - complete };
  }

  /** @returns rows of the log that say nothing any more, each once */
  takeWorthless(): readonly number[] {
    const worthless = this.#worthless;
    this.#worthless = [];
    return worthless;
  }

  /** @param rows that were taken and could not be erased */
  returnWorthless(rows: readonly number[]): void {
    this.#worthless = this.#worthless.concat(rows);
  }

  /** Everything has to be written anew: the log was lost, and with it all places in it. */
  distrustLog(): void {
    for (const swarm of this.#swarms.values()) {
      swarm.kept = 0;
      for (const entry of swarm) Object.assign(entry, { kept: 0, seq: 0 });
    }
    this.#farewells = new ExpiryQueue();
    this.#worthless = [];
  }

  #change(subject: Subject, written: Written | undefined): Swarm {
    const { announce } = subject;
    const swarm = this.#swarms.get(announce.swarm) ?? this.#make(announce);
    swarm.expires = Math.max(swarm.expires, announce.expires);
    if (written !== undefined) swarm.kept = Math.max(swarm.kept, written.kept);
    if (announce.action === "add") this.#add(swarm, subject, written);
    else this.#remove(swarm, subject, written);
    return swarm;
  }

  #make({ swarm: hash, expires }: Announce): Swarm {
    const swarm = new Swarm(hash, expires);
    this.#swarms.set(hash, swarm);
    this.#swarmExpiry.add(swarm);
    return swarm;
  }

  #add(swarm: Swarm, subject: Subject, written: Written | undefined): void {
    const { announce, key, peer } = subject;
    const there = swarm.at(key);
    const own = swarm.of(peer);
    const complete = completeOf(swarm, subject);
    const isOther = own !== undefined && own !== there;
    if (there?.peer === peer && there.zone === announce.zone && !isOther) {
      if (there.complete !== complete) this.#complete += complete ? 1 : -1;
      swarm.setComplete(there, complete);
      there.expires = Math.max(there.expires, announce.expires);
      this.#note(there, written);
      return;
    }
    if (there !== undefined) this.#forget(there);
    if (isOther) this.#forget(own);
    const countsNetworks = this.#limits.peersPerNetworkMax !== Number.POSITIVE_INFINITY;
    const entry = createEntry(swarm, subject, { complete, countsNetworks });
    this.#makeRoom(swarm, entry);
    this.#note(entry, written);
    swarm.add(entry, subject);
    this.#peers++;
    if (complete) this.#complete++;
    this.#peerExpiry.add(entry);
  }

  #remove(swarm: Swarm, { key, peer }: Subject, written: Written | undefined): void {
    const there = swarm.at(key);
    const own = swarm.of(peer);
    if (own !== undefined) this.#forget(own);
    const isOwn = peer === 0 || there?.peer === 0;
    if (there !== undefined && there !== own && isOwn) this.#forget(there);
    if (written === undefined) return;
    this.#farewells.add({ seq: written.seq, expires: written.kept, gone: false });
  }

  #note(entry: PeerEntry, written: Written | undefined): void {
    if (written === undefined) return;
    if (entry.seq > 0) this.#worthless.push(entry.seq);
    entry.seq = written.seq;
    entry.kept = written.kept;
  }

  #makeRoom(swarm: Swarm, { network }: PeerEntry): void {
    const { peersMax, peersPerSwarmMax, peersPerNetworkMax } = this.#limits;
    const neighbour =
      network === undefined ? undefined : swarm.oldestOf(network, peersPerNetworkMax);
    if (neighbour !== undefined) this.#forget(neighbour);
    const old = swarm.size >= peersPerSwarmMax ? swarm.oldEntry(this.#random) : undefined;
    if (old !== undefined) this.#forget(old);
    const oldest = this.#peers >= peersMax ? this.#peerExpiry.takeExpired() : undefined;
    if (oldest !== undefined) this.#drop(oldest);
  }

  #forget(entry: PeerEntry): void {
    this.#drop(entry);
    this.#peerExpiry.forget();
  }

  /** @param entry that waits for its expiry no more */
  #drop(entry: PeerEntry): void {
    entry.gone = true;
    this.#peers--;
    if (entry.complete) this.#complete--;
    entry.swarm.remove(entry);
    if (entry.seq > 0) this.#worthless.push(entry.seq);
  }
}

/** @returns whether the log says of the swarm and the peer what the announce says, and for as long */
function isSaid(swarm: Swarm, { announce, key, peer }: Subject): boolean {
  const there = swarm.at(key);
  if (announce.action === "remove") {
    return there === undefined && !swarm.of(peer) && swarm.kept >= announce.expires;
  }
  if (there === undefined || there.expires <= announce.now || there.kept < announce.expires) {
    return false;
  }
  const says = there.complete === (announce.complete ?? there.complete);
  return says && there.peer === peer && there.zone === announce.zone;
}

/** @returns whether the announced peer has every part: as it says, or as was said of it before */
function completeOf(swarm: Swarm, { announce, key, peer }: Subject): boolean {
  const { complete, now } = announce;
  return complete ?? (wasComplete(swarm.at(key), now) || wasComplete(swarm.of(peer), now));
}

function wasComplete(entry: PeerEntry | undefined, now: number): boolean {
  return entry?.complete === true && entry.expires > now;
}

function clear<Item extends { expires: number; gone: boolean }>(
  queue: ExpiryQueue<Item>,
  now: number,
  limit: number,
  take: (item: Item) => void,
): number {
  let taken = 0;
  for (; taken < limit; taken++) {
    const item = queue.takeExpired(now);
    if (item === undefined) break;
    take(item);
  }
  return taken;
}
