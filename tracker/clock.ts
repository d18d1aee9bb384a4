import { assert } from "../protocol/errors.ts";
import { parseSwarmHash, type SwarmHash } from "../protocol/ids.ts";

/** Time as the tracker sees it. */
export interface Clock {
  /** @returns milliseconds since 1970 */
  now(): number;
  /** For durations: never goes back, whatever is done to the machine's clock.
   * @returns milliseconds since some time in the past */
  monotonic(): number;
  /** Waits; an aborted `signal` ends the wait at once, without an error.
   * @param ms milliseconds */
  sleep(ms: number, options: { readonly signal: AbortSignal }): Promise<void>;
  /** Waits until the input that is there by now has been taken: one turn of the event loop. */
  turn(): Promise<void>;
}

/** Chance as the tracker uses it. */
export interface Random {
  /** @returns an integer from 0 to 2^32 - 1 */
  uint32(): number;
  /** @returns a name for a new swarm that nobody can guess */
  swarmHash(): SwarmHash;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, { signal }) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const finish = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      signal.addEventListener("abort", finish);
    }),
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

/** Drawn ahead: to ask for each number costs a hundred times what it costs to take it. */
const drawn = new Uint32Array(1024);
let drawnLeft = 0;

function nextUint32(): number {
  if (drawnLeft === 0) {
    crypto.getRandomValues(drawn);
    drawnLeft = drawn.length;
  }
  return drawn[--drawnLeft] ?? 0;
}

/** For how long something took: no clock that is set back or forward moves it. */
export function systemStopwatch(): number {
  return performance.now();
}

export const systemRandom: Random = {
  uint32: nextUint32,
  swarmHash: () => {
    const hash = parseSwarmHash(crypto.randomUUID());
    assert(hash !== undefined, "The platform's uuids are uuids");
    return hash;
  },
};
