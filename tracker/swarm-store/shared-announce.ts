import type { InStatement, ResultSet, Row } from "@libsql/client";
import { networkOf } from "../../protocol/address-policy.ts";
import type { PeerAddress } from "../../protocol/announce.ts";
import { InvariantError } from "../../protocol/errors.ts";
import type { Random } from "../clock.ts";
import type { Census, Size } from "./census.ts";
import type { Job } from "./commit-lanes.ts";
import type { EvictStatements } from "./evict-statements.ts";
import { PoolReading } from "./pool-reading.ts";
import type { SharedStatements } from "./shared-statements.ts";
import type { Fill, SharedValues } from "./shared-terms.ts";
import type { Announce, SwarmView } from "./store.ts";
import type { SizeLimits } from "./store-limits.ts";
import type { SwarmCache } from "./swarm-cache.ts";
import { type Counts, type EvictedPeer, POOL_PEERS, type SwarmPool } from "./swarm-pool.ts";

/** What the jobs of one store share. */
export interface SharedState {
  readonly random: Random;
  readonly statements: SharedStatements & EvictStatements;
  readonly cache: SwarmCache;
  /** Swarms that a job on its way reads. */
  readonly reading: Set<string>;
  readonly census: Census;
  readonly limits: SizeLimits;
  /** See SharedOptions. */
  readonly slack: number;
}

/** The swarm has to be looked at first. */
export const UNREAD = Symbol("unread");
/** The swarm would have to be made, and there are as many as may be. */
export const FULL = Symbol("full");

/** So many peers that one announce vouches for are noted; it comes again with the others. */
const VERIFIED_PER_ANNOUNCE_MAX = 2;
/** A swarm of so many makes room out of itself, when the database is full. */
const OWN_ROOM_PEERS = 16;

/** Commits an announce. */
export class AnnounceJob implements Job<SwarmView | typeof UNREAD | typeof FULL | undefined> {
  readonly #state: SharedState;
  readonly #announce: Announce;
  readonly #values: SharedValues;
  readonly #reading: PoolReading;
  #mayMake = false;
  #verified: readonly PeerAddress[] = [];
  #parts: Parts<readonly InStatement[]> | undefined;

  constructor(state: SharedState, announce: Announce) {
    this.#state = state;
    this.#announce = announce;
    this.#values = toValues(state, announce);
    this.#reading = new PoolReading(state.statements, this.#values, state.cache, state.reading);
  }

  prepare(): readonly InStatement[] {
    const { statements, census } = this.#state;
    const { action, create, now } = this.#announce;
    const values = this.#values;
    const isAdd = action === "add";
    const isFull = census.isFull;
    this.#mayMake = create && !isFull.swarms;
    this.#verified = this.#toVerify();
    const [before, change] = isAdd
      ? [statements.beforeAdd, statements.addPeer]
      : [statements.beforeRemove, statements.removePeer];
    this.#parts = {
      census: census.prepare(now),
      made: this.#mayMake ? [statements.makeSwarm(values)] : [],
      lives: [(create ? statements.reviveSwarm : statements.touchSwarm)(values)],
      before: [before(values)],
      evictedHere: isAdd ? this.#evictsHere(isFull.peers).map((evict) => evict(values)) : [],
      evictedElsewhere:
        isAdd && this.#evictsElsewhere(isFull.peers) ? [statements.evictOfAll(values)] : [],
      changed: [change(values)],
      verified: this.#verified.map((address) =>
        statements.verifyPeer({ ...values, ...toKey(address) }),
      ),
      read: this.#reading.prepare(now),
    };
    return Object.values(this.#parts).flat();
  }

  finish(results: readonly ResultSet[]): SwarmView | typeof UNREAD | typeof FULL | undefined {
    if (this.#parts === undefined) throw new InvariantError("Cannot finish what was not prepared");
    const { random, cache, census } = this.#state;
    const announce = this.#announce;
    const done = split(this.#parts, results);
    const isRead = this.#reading.finish(done.read, announce.now);
    if (done.census.length > 0) census.finish(done.census);
    const [row] = rowsOf(done.before);
    if (row === undefined) {
      cache.delete(announce.swarm);
      return announce.create && !this.#mayMake ? FULL : undefined;
    }
    census.note(this.#grown(done, row));
    const pool = cache.get(announce.swarm);
    if (!isRead) this.#apply(pool, row, rowsOf(done.evictedHere));
    return pool?.view(random, announce) ?? UNREAD;
  }

  failed(): void {
    this.#reading.failed();
    if ((this.#parts?.census.length ?? 0) > 0) this.#state.census.failed();
  }

  /** What is known already is not written again. */
  #toVerify(): readonly PeerAddress[] {
    const { swarm, host, port, reached } = this.#announce;
    if (reached.length === 0) return reached;
    const pool = this.#state.cache.get(swarm);
    const news = reached.filter(
      (address) =>
        pool?.isVerified(address) !== true && !(address.port === port && address.host === host),
    );
    return news.slice(0, VERIFIED_PER_ANNOUNCE_MAX);
  }

  /** Who in the swarm has to make room for a new peer. */
  #evictsHere(isFull: boolean): readonly Fill[] {
    const { statements, limits } = this.#state;
    const size = this.#size();
    return [
      ...(this.#mayHaveNeighbours() ? [statements.evictNeighbours] : []),
      ...(size >= limits.peersPerSwarmMax || (isFull && size >= OWN_ROOM_PEERS)
        ? [statements.evictOfSwarm]
        : []),
    ];
  }

  /** Whether its network may have as many entries as it may have. Most networks have one or two, which a statement less is worth. */
  #mayHaveNeighbours(): boolean {
    const { cache, limits } = this.#state;
    const { swarm, now } = this.#announce;
    const { network } = this.#values;
    if (limits.peersPerNetworkMax === Number.POSITIVE_INFINITY) return false;
    const pool = cache.get(swarm);
    const known = pool?.isFresh(now) === true ? pool.neighbours(network) : Number.POSITIVE_INFINITY;
    pool?.expect(network);
    return known >= limits.peersPerNetworkMax / 2;
  }

  #evictsElsewhere(isFull: boolean): boolean {
    return isFull && this.#size() < Math.min(OWN_ROOM_PEERS, this.#state.limits.peersPerSwarmMax);
  }

  /** How many peers the swarm has, as far as is known. */
  #size(): number {
    return this.#state.cache.get(this.#announce.swarm)?.total ?? 0;
  }

  #apply(pool: SwarmPool | undefined, before: Row, evicted: readonly Row[]): void {
    if (pool === undefined) return;
    for (const peer of evicted) pool.evict(toEvicted(peer), this.#announce.now);
    const { network, stored: expires } = this.#values;
    pool.apply(this.#announce, toReplaced(before), { network, expires });
    for (const address of this.#verified) pool.verify(address);
  }

  /** @returns how many rows more there are */
  #grown(done: Parts<readonly ResultSet[]>, before: Row): Size {
    const affected = affectedBy(done.changed);
    const replaced = affected === 0 ? 0 : Number(before[1]) + Number(before[2]);
    const added = this.#announce.action === "add" ? affected - replaced : -affected;
    const evicted = rowsOf(done.evictedHere).length + rowsOf(done.evictedElsewhere).length;
    return { swarms: affectedBy(done.made), peers: added - evicted };
  }
}

/** Reads a swarm again for an answer, when an announce found out only by reading it that it has to be counted too. */
export class LookJob implements Job<SwarmView | typeof UNREAD> {
  readonly #state: SharedState;
  readonly #announce: Announce;
  readonly #reading: PoolReading;

  constructor(state: SharedState, announce: Announce) {
    this.#state = state;
    this.#announce = announce;
    const values = toValues(state, announce);
    this.#reading = new PoolReading(state.statements, values, state.cache, state.reading);
  }

  prepare(): readonly InStatement[] {
    return this.#reading.prepare(this.#announce.now);
  }

  finish(results: readonly ResultSet[]): SwarmView | typeof UNREAD {
    const { random, cache } = this.#state;
    this.#reading.finish(results, this.#announce.now);
    return cache.get(this.#announce.swarm)?.view(random, this.#announce) ?? UNREAD;
  }

  failed(): void {
    this.#reading.failed();
  }
}

/** The parts of an announce's transaction, in their order. */
interface Parts<Part> {
  /** Before the others: it counts what was there. */
  readonly census: Part;
  readonly made: Part;
  readonly lives: Part;
  readonly before: Part;
  readonly evictedHere: Part;
  readonly evictedElsewhere: Part;
  readonly changed: Part;
  readonly verified: Part;
  readonly read: Part;
}

/** @param results one for each statement, in their order */
function split(
  parts: Parts<readonly InStatement[]>,
  results: readonly ResultSet[],
): Parts<readonly ResultSet[]> {
  let at = 0;
  const take = ({ length }: readonly InStatement[]) => {
    at += length;
    return results.slice(at - length, at);
  };
  return {
    census: take(parts.census),
    made: take(parts.made),
    lives: take(parts.lives),
    before: take(parts.before),
    evictedHere: take(parts.evictedHere),
    evictedElsewhere: take(parts.evictedElsewhere),
    changed: take(parts.changed),
    verified: take(parts.verified),
    read: take(parts.read),
  };
}

function toValues({ random, slack, limits }: SharedState, announce: Announce): SharedValues {
  const { swarm, host, port, zone, peer, complete, now, expires } = announce;
  return {
    hash: swarm,
    network: networkOf(host),
    host,
    port,
    zone,
    peer: peer ?? null,
    complete: complete === undefined ? null : Number(complete),
    now,
    expires,
    stored: expires + Math.floor((expires - now) * slack),
    random: random.uint32(),
    start: random.uint32(),
    limit: POOL_PEERS,
    neighbours: Math.min(limits.peersPerNetworkMax, limits.peersMax) - 1,
  };
}

function toKey({ host, port }: PeerAddress): Pick<SharedValues, "network" | "host" | "port"> {
  return { network: networkOf(host), host, port };
}

function rowsOf(results: readonly ResultSet[]): readonly Row[] {
  return results.flatMap(({ rows }) => rows);
}

function affectedBy(results: readonly ResultSet[]): number {
  return results.reduce((sum, { rowsAffected }) => sum + rowsAffected, 0);
}

/** [complete, all] */
function toReplaced(row: Row): Counts {
  const complete = Number(row[0]);
  return { complete, incomplete: Number(row[1]) - complete };
}

/** [host, port, complete, expires] */
function toEvicted(row: Row): EvictedPeer {
  const [host, port, complete, expires] = [row[0], row[1], row[2], row[3]];
  return {
    host: String(host),
    port: Number(port),
    complete: Number(complete) === 1,
    expires: Number(expires),
  };
}
