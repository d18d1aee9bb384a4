import { edenGC, fullGC } from "bun:jsc";

/** Collects garbage as work makes it, instead of when the heap has grown to twice of what lives: the columns of a million
 * peers count as living, and hundreds of megabytes of past answers would lie beside them. It goes fast, since hardly anything of
 * what lives is an object. */

/** What outlived a collection of the young is found by one of all. */
const COLLECTIONS_PER_FULL_ONE = 10;

export interface Collector {
  /** Collects what was made since the last collection. */
  young(): void;
  all(): void;
}

const ENGINE: Collector = { young: edenGC, all: fullGC };

/** @param steps how many make some thirty megabytes of garbage
 * @returns what has to be called once a step */
export function collectEvery(steps: number, collector = ENGINE): () => void {
  let [done, collections] = [0, 0];
  return () => {
    if (++done < steps) return;
    done = 0;
    collections = (collections + 1) % COLLECTIONS_PER_FULL_ONE;
    if (collections === 0) collector.all();
    else collector.young();
  };
}
