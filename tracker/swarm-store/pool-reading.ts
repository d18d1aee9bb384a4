import type { InStatement, ResultSet, Row } from "@libsql/client";
import type { SharedStatements } from "./shared-statements.ts";
import type { SharedValues } from "./shared-terms.ts";
import type { SwarmCache } from "./swarm-cache.ts";
import { type Counts, POOL_PEERS, type PooledPeer, SwarmPool } from "./swarm-pool.ts";

/** The part of a job that reads its swarm anew, when that is due and no job before it does. */
export class PoolReading {
  readonly #statements: SharedStatements;
  readonly #values: SharedValues;
  readonly #cache: SwarmCache;
  readonly #others: Set<string>;
  #isOurs = false;

  /** @param others swarms that a job on its way reads; by their order its results are there for the jobs behind it */
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

  prepare(now: number): readonly InStatement[] {
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
    network: String(row[7]),
  };
}
