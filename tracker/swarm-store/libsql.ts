import type { Client, ResultSet, Row } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import type { Clock, Random } from "../clock.ts";
import { BatchWriter, type BatchWriterOptions } from "./batch-writer.ts";
import {
  type AnnounceValues,
  createStatements,
  type PeerKey,
  type Statements,
} from "./statements.ts";
import type { Announce, SwarmStore, SwarmView, Swept, Totals } from "./store.ts";

/** A swarm store in a libSQL database, a local file or a remote one. An announce is a fixed list of statements without a
 * decision between them, so that many announces can travel as one transaction; see BatchWriter for when they are answered.
 * Several processes may share one database: nothing is kept in memory but the place where the sweep goes on. */
export class LibsqlSwarmStore implements SwarmStore {
  readonly #random: Random;
  readonly #statements: Statements;
  readonly #writer: BatchWriter;
  #sweptPeer: PeerKey = BEFORE_ALL_PEERS;
  #sweptSwarm = 0;

  /** @param client migrated; belongs to the store from now on */
  constructor(clock: Clock, random: Random, client: Client, options: BatchWriterOptions) {
    this.#random = random;
    this.#statements = createStatements(drizzle(client));
    this.#writer = new BatchWriter(clock, client, options);
  }

  async announce(announce: Announce): Promise<SwarmView | undefined> {
    const { addPeer, removePeer, touchSwarm, makeSwarm, lookAround } = this.#statements;
    const values = this.#toValues(announce);
    const [, , around] = await this.#writer.submit([
      (announce.create ? makeSwarm : touchSwarm)(values),
      (announce.action === "add" ? addPeer : removePeer)(values),
      lookAround(values),
    ]);
    const [row] = rowsOf(around);
    return row === undefined ? undefined : parseView(row);
  }

  async sweep({ now, limit }: { now: number; limit: number }): Promise<Swept> {
    const { nextPeers, nextSwarms } = this.#statements;
    const [peers, swarms] = await this.#writer.submit([
      nextPeers({ ...this.#sweptPeer, limit }),
      nextSwarms({ id: this.#sweptSwarm, limit }),
    ]);
    const lastPeer = rowsOf(peers).at(-1);
    const lastSwarm = rowsOf(swarms).at(-1);
    const removedPeers = lastPeer === undefined ? 0 : await this.#expirePeers(toKey(lastPeer), now);
    const removedSwarms =
      lastSwarm === undefined ? 0 : await this.#expireSwarms(Number(lastSwarm[0]), now);
    const finished = rowsOf(peers).length < limit && rowsOf(swarms).length < limit;
    if (finished) {
      this.#sweptPeer = BEFORE_ALL_PEERS;
      this.#sweptSwarm = 0;
    }
    return { peers: removedPeers, swarms: removedSwarms, finished };
  }

  async totals(now: number): Promise<Totals> {
    const { countSwarms, countAllPeers } = this.#statements;
    const [swarms, peers] = await this.#writer.submit([
      countSwarms({ now }),
      countAllPeers({ now }),
    ]);
    return { swarms: Number(rowsOf(swarms)[0]?.[0] ?? 0), ...toCounts(peers) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#writer[Symbol.asyncDispose]();
  }

  #toValues(announce: Announce): AnnounceValues {
    const { swarm, host, port, zone, peer, complete, now, expires, want, only } = announce;
    return {
      hash: swarm,
      host,
      port,
      zone,
      peer: peer ?? null,
      complete: complete === undefined ? null : Number(complete),
      now,
      expires,
      random: this.#random.uint32(),
      start: this.#random.uint32(),
      want,
      completeMax: only === "all" ? 1 : 0,
    };
  }

  async #expirePeers(to: PeerKey, now: number): Promise<number> {
    const { swarm: toSwarm, random: toRandom, host: toHost, port: toPort } = to;
    const range = { ...this.#sweptPeer, toSwarm, toRandom, toHost, toPort };
    const [result] = await this.#writer.submit([this.#statements.expirePeers({ ...range, now })]);
    this.#sweptPeer = to;
    return result?.rowsAffected ?? 0;
  }

  async #expireSwarms(to: number, now: number): Promise<number> {
    const range = { from: this.#sweptSwarm, to };
    const [result] = await this.#writer.submit([this.#statements.expireSwarms({ ...range, now })]);
    this.#sweptSwarm = to;
    return result?.rowsAffected ?? 0;
  }
}

/** Swarm ids begin at 1. */
const BEFORE_ALL_PEERS: PeerKey = { swarm: 0, random: 0, host: "", port: 0 };

function rowsOf(result: ResultSet | undefined): readonly Row[] {
  return result?.rows ?? [];
}

function toCounts(result: ResultSet | undefined): { complete: number; incomplete: number } {
  const counts = { complete: 0, incomplete: 0 };
  for (const row of rowsOf(result)) {
    counts[Number(row[0]) === 1 ? "complete" : "incomplete"] = Number(row[1]);
  }
  return counts;
}

function parseView(row: Row): SwarmView {
  return { complete: Number(row[0]), incomplete: Number(row[1]), peersJson: String(row[2]) };
}

function toKey(row: Row): PeerKey {
  const [swarm, random, host, port] = [row[0], row[1], row[2], row[3]];
  return { swarm: Number(swarm), random: Number(random), host: String(host), port: Number(port) };
}
