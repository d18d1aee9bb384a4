import type { Random } from "../clock.ts";
import type { PeerPool } from "./peer-pool.ts";

/** How many entries of a pool one answer looks at: a bound on its cost in a swarm full of neighbours. */
const LOOKS_MAX = 1024;

/** A walk through a pool that comes by every place once, in an order drawn by lot: steps of one length that has no factor in
 * common with the pool's, from anywhere. It changes nothing, and costs what is drawn, whatever the pool's size. */
export class Walk {
  readonly pool: PeerPool;
  readonly #size: number;
  readonly #step: number;
  #place: number;
  #left: number;

  /** @param pool stays as it is during the walk */
  constructor(pool: PeerPool, random: Random) {
    this.pool = pool;
    this.#size = pool.size;
    this.#left = Math.min(this.#size, LOOKS_MAX);
    this.#place = below(this.#size, random);
    this.#step = drawStep(this.#size, random);
  }

  /** @returns the next place, or undefined at the end */
  next(): number | undefined {
    if (this.#left === 0) return undefined;
    this.#left--;
    const place = this.#place;
    const next = place + this.#step;
    this.#place = next >= this.#size ? next - this.#size : next;
    return place;
  }
}

function drawStep(size: number, random: Random): number {
  let step = 1 + below(size, random);
  while (commonFactor(step, size) > 1) step = step === size ? 1 : step + 1;
  return step;
}

/** @returns a number from 0 to `size` - 1 */
function below(size: number, random: Random): number {
  return Math.floor((random.uint32() / UINT32_COUNT) * size);
}

const UINT32_COUNT = 2 ** 32;

function commonFactor(one: number, other: number): number {
  let [larger, smaller] = [other, one];
  while (smaller > 0) [larger, smaller] = [smaller, larger % smaller];
  return larger;
}
