import type { Client, ResultSet, Row } from "@libsql/client";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import type { PeerAddress } from "../../protocol/announce.ts";
import type { Clock, Random } from "../clock.ts";
import { CommitLanes, type Job, type LanesOptions } from "./commit-lanes.ts";
import {
  createSharedStatements,
  type SharedStatements,
  type SharedValues,
} from "./shared-statements.ts";
import { SharedSweep } from "./shared-sweep.ts";
import type { Announce, SwarmStore, SwarmView, Swept, Totals } from "./store.ts";
import { SwarmCache } from "./swarm-cache.ts";
import { type Counts, POOL_PEERS, type PooledPeer, SwarmPool } from "./swarm-pool.ts";

/** A swarm store in a database that many trackers share, a round trip away. Every announce is committed there before it is
 * answered; what is answered is drawn from what this tracker has read of the swarm within the last second, with all that
 * went through this tracker applied to it. So a tracker keeps nothing that another would miss, and may come and go. */

export interface SharedOptions extends LanesOptions {
  /** How much longer than told the database remembers, as a part of the time told. Announces meanwhile write nothing, and
   * a peer that falls silent is told of so much longer. 0 is exact, and writes every time. */
  readonly slack: number;
}

export const SHARED_OPTIONS: SharedOptions = { lanes: 4, slack: 0.25 };

/** So many peers that one announce vouches for are noted; it comes again with the others. */
const VERIFIED_PER_ANNOUNCE_MAX = 2;

/** The swarm has to be looked at first. */
const UNREAD = Symbol("unread");

export class SharedSwarmStore implements SwarmStore {
  readonly #random: Random;
  readonly #statements: SharedStatements;
  readonly #lanes: CommitLanes;
  readonly #sweep: SharedSweep;
  readonly #slack: number;
  readonly #cache = new SwarmCache();
  /** Swarms that a job on its way reads; by their order its results are there for the jobs behind it. */
  readonly #reading = new Set<string>();

  /** @param client migrated; belongs to the store from now on
   * @param database writes the statements, runs none */
  constructor(
    clock: Clock,
    random: Random,
    { client, database }: { readonly client: Client; readonly database: LibSQLDatabase },
    options: SharedOptions = SHARED_OPTIONS,
  ) {
    this.#random = random;
    this.#statements = createSharedStatements(database);
    this.#lanes = new CommitLanes(clock, client, options);
    this.#sweep = new SharedSweep(this.#lanes, database);
    this.#slack = options.slack;
  }

  async announce(announce: Announce): Promise<SwarmView | undefined> {
    let view = await this.#lanes.submit(announce.swarm, this.#announceJob(announce));
    while (view === UNREAD) {
      view = await this.#lanes.submit(announce.swarm, this.#lookJob(announce));
    }
    return view;
  }

  sweep(options: { readonly now: number; readonly limit: number }): Promise<Swept> {
    return this.#sweep.sweep(options);
  }

  totals(now: number): Promise<Totals> {
    return this.#sweep.totals(now);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lanes[Symbol.asyncDispose]();
  }

  #announceJob(announce: Announce): Job<SwarmView | typeof UNREAD | undefined> {
    const { swarm, action, create, now } = announce;
    const { touchSwarm, makeSwarm, beforeAdd, beforeRemove, addPeer, removePeer, verifyPeer } =
      this.#statements;
    const values = this.#toValues(announce);
    const verified = this.#toVerify(announce);
    const reading = new Reading(this.#statements, values, this.#cache, this.#reading);
    return {
      prepare: () => [
        (create ? makeSwarm : touchSwarm)(values),
        (action === "add" ? beforeAdd : beforeRemove)(values),
        (action === "add" ? addPeer : removePeer)(values),
        ...verified.map((address) => verifyPeer({ ...values, ...address })),
        ...reading.prepare(now),
      ],
      finish: ([, before, , ...results]) => {
        const [row] = before?.rows ?? [];
        const isDone = reading.finish(results.slice(verified.length), now);
        const pool = this.#cache.get(swarm);
        if (row !== undefined && !isDone) {
          pool?.apply(announce, toReplaced(row), values.stored);
          for (const address of verified) pool?.verify(address);
        }
        return this.#answer(announce, row);
      },
      failed: () => reading.failed(),
    };
  }

  /** Reads a swarm again for an answer, when an announce found out only by reading it that it has to be counted too. */
  #lookJob(announce: Announce): Job<SwarmView | typeof UNREAD> {
    const values = this.#toValues(announce);
    const reading = new Reading(this.#statements, values, this.#cache, this.#reading);
    return {
      prepare: () => reading.prepare(announce.now),
      finish: (read) => {
        reading.finish(read, announce.now);
        return this.#cache.get(announce.swarm)?.view(this.#random, announce) ?? UNREAD;
      },
      failed: () => reading.failed(),
    };
  }

  /** What is known already is not written again. */
  #toVerify({ swarm, host, port, reached }: Announce): readonly PeerAddress[] {
    if (reached.length === 0) return reached;
    const pool = this.#cache.get(swarm);
    const news = reached.filter(
      (address) =>
        pool?.isVerified(address) !== true && !(address.port === port && address.host === host),
    );
    return news.slice(0, VERIFIED_PER_ANNOUNCE_MAX);
  }

  #answer(announce: Announce, row: Row | undefined): SwarmView | typeof UNREAD | undefined {
    if (row !== undefined) {
      return this.#cache.get(announce.swarm)?.view(this.#random, announce) ?? UNREAD;
    }
    this.#cache.delete(announce.swarm);
    return undefined;
  }

  #toValues(announce: Announce): SharedValues {
    const { swarm, host, port, zone, peer, complete, now, expires } = announce;
    return {
      hash: swarm,
      host,
      port,
      zone,
      peer: peer ?? null,
      complete: complete === undefined ? null : Number(complete),
      now,
      expires,
      stored: expires + Math.floor((expires - now) * this.#slack),
      random: this.#random.uint32(),
      start: this.#random.uint32(),
      limit: POOL_PEERS,
    };
  }
}

/** The part of a job that reads the swarm anew, when that is due and no job before it does. */
class Reading {
  readonly #statements: SharedStatements;
  readonly #values: SharedValues;
  readonly #cache: SwarmCache;
  readonly #others: Set<string>;
  #isOurs = false;

  constructor(
    statements: SharedStatements,
    values: SharedValues,
    cache: SwarmCache,
    others: Set<string>,
  ) {
    this.#statements = statements;
    this.#values = values;
    this.#cache = cache;
    this.#others = others;
  }

  prepare(now: number): ReturnType<SharedStatements["readPool"]>[] {
    const { hash } = this.#values;
    const known = this.#cache.get(hash);
    if (known?.isFresh(now) === true || this.#others.has(hash)) return [];
    this.#isOurs = true;
    this.#others.add(hash);
    const { readPool, countPeers } = this.#statements;
    const isDue = this.#cache.isLarge(hash) && known?.counted(now) === undefined;
    return [readPool(this.#values), ...(isDue ? [countPeers(this.#values)] : [])];
  }

  /** Puts what was read into the cache.
   * @returns whether what the job itself committed is in all that the cache holds of the swarm */
  finish([read, count]: readonly ResultSet[], now: number): boolean {
    if (!this.#isOurs) return false;
    const { hash } = this.#values;
    this.#others.delete(hash);
    const peers = (read?.rows ?? []).map(parsePeer);
    const [row] = count?.rows ?? [];
    const counted =
      row === undefined ? this.#cache.get(hash)?.counted(now) : { counts: toCounts(row), at: now };
    this.#cache.delete(hash);
    if (peers.length === POOL_PEERS && counted === undefined) this.#cache.setLarge(hash);
    else this.#cache.set(hash, new SwarmPool(peers, now, counted));
    return row !== undefined || peers.length < POOL_PEERS;
  }

  failed(): void {
    if (this.#isOurs) this.#others.delete(this.#values.hash);
  }
}

/** [complete, all] */
function toReplaced(row: Row): Counts {
  const complete = Number(row[0]);
  return { complete, incomplete: Number(row[1]) - complete };
}

/** [all, complete] */
function toCounts(row: Row): Counts {
  const complete = Number(row[1]);
  return { complete, incomplete: Number(row[0]) - complete };
}

function parsePeer(row: Row): PooledPeer {
  const [host, port, zone, peer, complete] = [row[0], row[1], row[2], row[3], row[4]];
  return {
    host: String(host),
    port: Number(port),
    zone: String(zone),
    peer: peer === null || peer === undefined ? undefined : String(peer),
    complete: Number(complete) === 1,
    expires: Number(row[5]),
    verified: Number(row[6]) === 1,
  };
}
