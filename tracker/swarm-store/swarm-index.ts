import { networkOf } from "../../protocol/address-policy.ts";
import type { Random } from "../clock.ts";
import { StoreError } from "../errors.ts";
import { keyOf } from "../name-key.ts";
import { ExpiryQueue, OF_OBJECTS } from "./expiry-queue.ts";
import { PEER, PeerTable, STATE, zoneNumber } from "./peer-table.ts";
import type { SwarmView, Swept, Totals } from "./store.ts";
import type { StoreLimits } from "./store-limits.ts";
import type { News, Subject } from "./subject.ts";
import type { Swarm } from "./swarm.ts";
import { SwarmDirectory } from "./swarm-directory.ts";

/** Where the log has an announce, and until when it says so. */
export interface Written {
  readonly seq: number;
  readonly kept: number;
}

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
  readonly #peers = new PeerTable();
  readonly #swarms = new SwarmDirectory(this.#peers);
  readonly #peerExpiry = new ExpiryQueue<number>({
    expiresOf: (entry) => this.#peers.get(entry, PEER.expires),
    isGone: (entry) => this.#peers.get(entry, PEER.state) === STATE.gone,
    release: (entry) => this.#peers.release(entry),
  });
  readonly #swarmExpiry = new ExpiryQueue<Swarm>(OF_OBJECTS);
  #farewells = new ExpiryQueue<Farewell>(OF_OBJECTS);
  #worthless: number[] = [];
  #complete = 0;

  constructor(random: Random, limits: StoreLimits) {
    this.#random = random;
    this.#limits = limits;
  }

  /** Makes room for so many peers at once, which is faster than little by little. */
  reserve(peers: number): void {
    this.#peers.reserve(Math.min(peers, this.#limits.peersMax));
  }

  /** What an announce asks of the log, as things stand: `unknown` when its swarm is not known and not to be made,
   * `nothing` when the log says it already, and long enough.
   * @throws {StoreError} full */
  needOf(subject: Subject): "unknown" | "nothing" | "row" {
    const { announce } = subject;
    const swarm = this.#swarms.get(announce.swarm);
    if (swarm !== undefined && swarm.expires > announce.now) {
      return this.#isSaid(swarm, subject) ? "nothing" : "row";
    }
    if (!announce.create) return "unknown";
    if (swarm === undefined && this.#swarms.size >= this.#limits.swarmsMax) {
      throw new StoreError("full", "Cannot make a swarm: there are as many as may be");
    }
    return "row";
  }

  /** @returns whether the announced peer has every part: as it says, or as was known of it */
  completeOf(subject: Subject): boolean {
    const { swarm: hash, complete } = subject.announce;
    const swarm = complete === undefined ? this.#swarms.get(hash) : undefined;
    return swarm === undefined ? complete === true : this.#completeIn(swarm, subject);
  }

  /** Takes an announce in.
   * @param written where the log has it; undefined when it needed nothing
   * @returns the swarm afterwards */
  apply(subject: Subject, written?: Written): SwarmView {
    const { announce, key } = subject;
    const swarm = this.#change(this.#swarms.get(announce.swarm), subject, written);
    const own = this.#peers.at(swarm.number, key);
    for (const { host, port } of announce.reached) {
      const entry = this.#peers.at(swarm.number, keyOf(host, port));
      if (entry !== 0 && entry !== own) swarm.setVerified(entry);
    }
    const peersJson = swarm.sample(announce, this.#random, {
      own,
      hasExpired: this.#peerExpiry.hasExpired(announce.now),
    });
    return { complete: swarm.complete, incomplete: swarm.incomplete, peersJson };
  }

  /** Takes in what the log tells, unless something newer is known.
   * @param subject as if it was announced when the row was written */
  restore(subject: Subject, written: Written): void {
    const { announce } = subject;
    const swarm = this.#swarms.get(announce.swarm);
    const newest = swarm === undefined ? 0 : this.#seqIn(swarm, subject);
    if (newest === written.seq) return;
    if (newest > written.seq || announce.expires <= announce.now) {
      this.#worthless.push(written.seq);
      return;
    }
    this.#change(swarm, subject, written);
  }

  /** Takes away what expired, peers first, at most `limit` of each kind. */
  sweep(now: number, limit: number): Swept {
    const peers = clear(this.#peerExpiry, now, limit, (entry) => this.#expire(entry));
    if (peers === limit) return { peers, swarms: 0, finished: false };
    const swarms = clear(this.#swarmExpiry, now, limit, (swarm) => {
      swarm.gone = true;
      this.#swarms.delete(swarm);
    });
    const rows = clear(this.#farewells, now, limit, ({ seq }) => this.#worthless.push(seq));
    return { peers, swarms, finished: swarms < limit && rows < limit };
  }

  totals(): Totals {
    const complete = this.#complete;
    return { swarms: this.#swarms.size, complete, incomplete: this.#peers.size - complete };
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
    for (const swarm of this.#swarms) swarm.kept = 0;
    this.#peers.forgetLog();
    this.#farewells = new ExpiryQueue<Farewell>(OF_OBJECTS);
    this.#worthless = [];
  }

  #change(known: Swarm | undefined, subject: Subject, written: Written | undefined): Swarm {
    const { announce } = subject;
    const swarm = known ?? this.#make(announce);
    swarm.expires = Math.max(swarm.expires, announce.expires);
    if (written !== undefined) swarm.kept = Math.max(swarm.kept, written.kept);
    if (announce.action === "add") this.#add(swarm, subject, written);
    else this.#remove(swarm, subject, written);
    return swarm;
  }

  #make({ swarm: hash, expires }: News): Swarm {
    const swarm = this.#swarms.make(hash, expires);
    this.#swarmExpiry.add(swarm);
    return swarm;
  }

  #add(swarm: Swarm, subject: Subject, written: Written | undefined): void {
    const { announce, key, peer } = subject;
    const there = this.#peers.at(swarm.number, key);
    const own = this.#peers.of(swarm.number, peer);
    const complete = this.#completeIn(swarm, subject);
    const isOther = own !== 0 && own !== there;
    if (there !== 0 && !isOther && this.#isSame(there, subject)) {
      this.#renew(swarm, there, { complete, expires: announce.expires });
      this.#note(there, written);
      return;
    }
    if (there !== 0) this.#forget(there);
    if (isOther) this.#forget(own);
    const countsNetworks = this.#limits.peersPerNetworkMax !== Number.POSITIVE_INFINITY;
    const network = countsNetworks ? keyOf(`network ${networkOf(announce.host)}`) : 0;
    this.#makeRoom(swarm, network);
    const { zone, expires } = announce;
    const values = { swarm: swarm.number, key, peer, network, zone, complete, expires };
    const entry = this.#peers.add(values);
    this.#note(entry, written);
    swarm.add(entry, announce);
    if (complete) this.#complete++;
    this.#peerExpiry.add(entry);
  }

  #renew(
    swarm: Swarm,
    entry: number,
    { complete, expires }: { readonly complete: boolean; readonly expires: number },
  ): void {
    if (this.#peers.isComplete(entry) !== complete) {
      this.#complete += complete ? 1 : -1;
      swarm.setComplete(entry, complete);
    }
    if (expires > this.#peers.get(entry, PEER.expires)) {
      this.#peers.set(entry, PEER.expires, expires);
    }
  }

  #remove(swarm: Swarm, { key, peer }: Subject, written: Written | undefined): void {
    const there = this.#peers.at(swarm.number, key);
    const own = this.#peers.of(swarm.number, peer);
    const isOwn = peer === 0 || (there !== 0 && this.#peers.get(there, PEER.peer) === 0);
    if (own !== 0) this.#forget(own);
    if (there !== 0 && there !== own && isOwn) this.#forget(there);
    if (written === undefined) return;
    this.#farewells.add({ seq: written.seq, expires: written.kept, gone: false });
  }

  #note(entry: number, written: Written | undefined): void {
    if (written === undefined) return;
    const former = this.#seqOf(entry);
    if (former > 0) this.#worthless.push(former);
    this.#peers.set(entry, PEER.seq, written.seq);
    this.#peers.set(entry, PEER.kept, written.kept);
  }

  #makeRoom(swarm: Swarm, network: number): void {
    const { peersMax, peersPerSwarmMax, peersPerNetworkMax } = this.#limits;
    const neighbour =
      network === 0 ? 0 : this.#peers.oldestOf(swarm.number, network, peersPerNetworkMax);
    if (neighbour !== 0) this.#forget(neighbour);
    const old = swarm.size >= peersPerSwarmMax ? swarm.oldEntry(this.#random) : 0;
    if (old !== 0) this.#forget(old);
    const oldest = this.#peers.size >= peersMax ? this.#peerExpiry.takeExpired() : undefined;
    if (oldest !== undefined) this.#expire(oldest);
  }

  #forget(entry: number): void {
    this.#drop(entry);
    this.#peerExpiry.forget();
  }

  /** @param entry that waits for its expiry no more */
  #expire(entry: number): void {
    this.#drop(entry);
    this.#peers.release(entry);
  }

  #drop(entry: number): void {
    if (this.#peers.isComplete(entry)) this.#complete--;
    this.#swarms.at(this.#peers.get(entry, PEER.swarm))?.remove(entry);
    const seq = this.#seqOf(entry);
    if (seq > 0) this.#worthless.push(seq);
    this.#peers.remove(entry);
  }

  /** @returns whether the log says of the swarm and the peer what the announce says, and for as long */
  #isSaid(swarm: Swarm, subject: Subject): boolean {
    const { announce, key, peer } = subject;
    const there = this.#peers.at(swarm.number, key);
    if (announce.action === "remove") {
      const isThere = there !== 0 || this.#peers.of(swarm.number, peer) !== 0;
      return !isThere && swarm.kept >= announce.expires;
    }
    if (there === 0 || !this.#peers.isAlive(there, announce.now)) return false;
    if (this.#peers.get(there, PEER.kept) < announce.expires) return false;
    const isComplete = this.#peers.isComplete(there);
    return isComplete === (announce.complete ?? isComplete) && this.#isSame(there, subject);
  }

  #isSame(entry: number, { announce, peer }: Subject): boolean {
    const isPeer = this.#peers.get(entry, PEER.peer) === peer;
    return isPeer && this.#peers.get(entry, PEER.zone) === zoneNumber(announce.zone);
  }

  /** @returns whether the announced peer has every part: as it says, or as was said of it before */
  #completeIn({ number }: Swarm, { announce, key, peer }: Subject): boolean {
    const { complete, now } = announce;
    if (complete !== undefined) return complete;
    const [there, own] = [this.#peers.at(number, key), this.#peers.of(number, peer)];
    return this.#wasComplete(there, now) || this.#wasComplete(own, now);
  }

  #wasComplete(entry: number, now: number): boolean {
    return entry !== 0 && this.#peers.isComplete(entry) && this.#peers.isAlive(entry, now);
  }

  /** @returns the last row of the log that tells of an announce's address or peer, 0 for none */
  #seqIn({ number }: Swarm, { key, peer }: Subject): number {
    const own = this.#seqOf(this.#peers.of(number, peer));
    return Math.max(own, this.#seqOf(this.#peers.at(number, key)));
  }

  /** @returns the row of the log that tells of it, 0 for none */
  #seqOf(entry: number): number {
    return entry === 0 ? 0 : this.#peers.get(entry, PEER.seq);
  }
}

function clear<Item>(
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
