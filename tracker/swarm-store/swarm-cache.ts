import type { SwarmPool } from "./swarm-pool.ts";

/** Most swarms, and most peers of all together, that are kept: some 100 MiB. Those read longest ago go first. */
const SWARMS_MAX = 20_000;
const PEERS_MAX = 400_000;

/** What is kept of swarms for a moment, within a bound. */
export class SwarmCache {
  readonly #pools = new Map<string, SwarmPool>();
  /** Swarms that are known to be larger than a pool and have not been counted yet. */
  readonly #large = new Set<string>();
  #peers = 0;

  get(hash: string): SwarmPool | undefined {
    return this.#pools.get(hash);
  }

  isLarge(hash: string): boolean {
    return this.#large.has(hash) || this.#pools.get(hash)?.isPart === true;
  }

  setLarge(hash: string): void {
    if (this.#large.size >= SWARMS_MAX) this.#large.clear();
    this.#large.add(hash);
  }

  set(hash: string, pool: SwarmPool): void {
    this.delete(hash);
    this.#large.delete(hash);
    this.#pools.set(hash, pool);
    this.#peers += pool.size;
    for (const oldest of this.#pools.keys()) {
      if (this.#pools.size <= SWARMS_MAX && this.#peers <= PEERS_MAX) break;
      this.delete(oldest);
    }
  }

  delete(hash: string): void {
    const pool = this.#pools.get(hash);
    if (pool === undefined) return;
    this.#pools.delete(hash);
    this.#peers -= pool.size;
  }
}
