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

  /** @param places the next ones are put here
   * @returns how many: `count`, or fewer at the end */
  take(places: Uint32Array, count: number): number {
    const taken = Math.min(count, this.#left);
    const size = this.#size;
    const step = this.#step;
    let place = this.#place;
    for (let index = 0; index < taken; index++) {
      places[index] = place;
      place += step;
      if (place >= size) place -= size;
    }
    this.#place = place;
    this.#left -= taken;
    return taken;
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
  let larger = other;
  let smaller = one;
  while (smaller > 0) {
    const rest = larger % smaller;
    larger = smaller;
    smaller = rest;
  }
  return larger;
}
