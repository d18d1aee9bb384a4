import type { ResultSet, Row } from "@libsql/client";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import type { Census } from "./census.ts";
import type { CommitLanes } from "./commit-lanes.ts";
import type { Swept, Totals } from "./store.ts";
import { createSweepStatements, type PeerKey, type SweepStatements } from "./sweep-statements.ts";

/** Rows that counting everything may go through a second: the totals of a large database are counted less often. */
const TOTALS_ROWS_PER_SECOND = 10_000;

/** What concerns all swarms of a shared database: clearing away what expired, a piece at a time, and the totals. */
export class SharedSweep {
  readonly #lanes: CommitLanes;
  readonly #statements: SweepStatements;
  readonly #census: Census;
  #sweptPeer: PeerKey = BEFORE_ALL_PEERS;
  #sweptSwarm = 0;
  #totals: { readonly at: number; readonly value: Totals } | undefined;

  /** @param census told what went */
  constructor(lanes: CommitLanes, database: LibSQLDatabase, census: Census) {
    this.#lanes = lanes;
    this.#census = census;
    this.#statements = createSweepStatements(database);
  }

  async sweep({ now, limit }: { now: number; limit: number }): Promise<Swept> {
    const { nextPeers, nextSwarms } = this.#statements;
    const [peers, swarms] = await this.#submit([
      nextPeers({ ...this.#sweptPeer, limit }),
      nextSwarms({ id: this.#sweptSwarm, limit }),
    ]);
    const lastPeer = rowsOf(peers).at(-1);
    const lastSwarm = rowsOf(swarms).at(-1);
    const removedPeers = lastPeer === undefined ? 0 : await this.#expirePeers(toKey(lastPeer), now);
    const removedSwarms =
      lastSwarm === undefined ? 0 : await this.#expireSwarms(Number(lastSwarm[0]), now);
    this.#census.note({ swarms: -removedSwarms, peers: -removedPeers });
    const finished = rowsOf(peers).length < limit && rowsOf(swarms).length < limit;
    if (finished) {
      this.#sweptPeer = BEFORE_ALL_PEERS;
      this.#sweptSwarm = 0;
    }
    return { peers: removedPeers, swarms: removedSwarms, finished };
  }

  /** @returns exact ones below TOTALS_ROWS_PER_SECOND peers, above it as many seconds old as there are ten thousands */
  async totals(now: number): Promise<Totals> {
    const { at = 0, value } = this.#totals ?? {};
    const peers = value === undefined ? 0 : value.complete + value.incomplete;
    const ageMaxMs = Math.floor(peers / TOTALS_ROWS_PER_SECOND) * 1000;
    if (value !== undefined && now >= at && now - at < ageMaxMs) return value;
    const { countSwarms, countAllPeers } = this.#statements;
    const [swarms, counts] = await this.#submit([countSwarms({ now }), countAllPeers({ now })]);
    const totals = { swarms: Number(rowsOf(swarms)[0]?.[0] ?? 0), ...toCounts(counts) };
    this.#totals = { at: now, value: totals };
    return totals;
  }

  #submit(statements: Prepared): Promise<readonly ResultSet[]> {
    return this.#lanes.submit("", {
      prepare: () => statements,
      finish: (results) => results,
      failed: () => {},
    });
  }

  async #expirePeers(to: PeerKey, now: number): Promise<number> {
    const { swarm: toSwarm, random: toRandom, host: toHost, port: toPort } = to;
    const range = { ...this.#sweptPeer, toSwarm, toRandom, toHost, toPort };
    const [result] = await this.#submit([this.#statements.expirePeers({ ...range, now })]);
    this.#sweptPeer = to;
    return result?.rowsAffected ?? 0;
  }

  async #expireSwarms(to: number, now: number): Promise<number> {
    const range = { from: this.#sweptSwarm, to };
    const [result] = await this.#submit([this.#statements.expireSwarms({ ...range, now })]);
    this.#sweptSwarm = to;
    return result?.rowsAffected ?? 0;
  }
}

type Prepared = readonly ReturnType<SweepStatements["countSwarms"]>[];

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

function toKey(row: Row): PeerKey {
  const [swarm, random, host, port] = [row[0], row[1], row[2], row[3]];
  return { swarm: Number(swarm), random: Number(random), host: String(host), port: Number(port) };
}
