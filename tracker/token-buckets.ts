import type { Clock } from "./clock.ts";
import { RecentMap } from "./recent-map.ts";

export interface TokenBucketsOptions {
  /** What a bucket that is empty gets back. */
  readonly perSecond: number;
  /** What a full bucket holds. */
  readonly burst: number;
  /** Of how many callers it is remembered what they took; whoever is forgotten has a full bucket again. */
  readonly callersMax: number;
}

/** Tokens left as of some time, in milliseconds. */
interface Bucket {
  tokens: number;
  at: number;
}

/** For each caller a bucket of tokens that fills again with time. */
export class TokenBuckets {
  readonly #clock: Clock;
  readonly #options: TokenBucketsOptions;
  readonly #buckets: RecentMap<Bucket>;

  constructor(clock: Clock, options: TokenBucketsOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#buckets = new RecentMap(options.callersMax);
  }

  /** How many callers are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one token.
   * @returns 0, or in how many seconds there is one; then none was taken */
  take(caller: string): number {
    const { perSecond, burst } = this.#options;
    const now = this.#clock.monotonic();
    let bucket = this.#buckets.get(caller);
    if (bucket === undefined) {
      bucket = { tokens: burst, at: now };
      this.#buckets.set(caller, bucket);
    }
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * perSecond) / 1000);
    bucket.at = now;
    if (bucket.tokens < 1) return (1 - bucket.tokens) / perSecond;
    bucket.tokens--;
    return 0;
  }
}
