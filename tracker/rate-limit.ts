import type { CallerNetworks } from "./caller-networks.ts";
import type { Clock } from "./clock.ts";
import { ClientError } from "./errors.ts";
import { TokenBuckets } from "./token-buckets.ts";

/** How many seconds' worth of requests may come at once. */
const BURST_SECONDS = 3;
/** Of how many networks it is remembered how much they asked: some 20 MiB. */
const NETWORKS_MAX = 100_000;

/** How many requests a network may make, whatever it asks for. */
export class RateLimit {
  readonly #networks: CallerNetworks;
  readonly #buckets: TokenBuckets;

  /** @param options.perSecond requests that one network may make, above 0 */
  constructor(
    clock: Clock,
    networks: CallerNetworks,
    { perSecond }: { readonly perSecond: number },
  ) {
    this.#networks = networks;
    this.#buckets = new TokenBuckets(clock, {
      perSecond,
      burst: perSecond * BURST_SECONDS,
      callersMax: NETWORKS_MAX,
    });
  }

  /** Counts a request.
   * @param source the caller's address, if one is seen
   * @throws {ClientError} too_many_requests */
  check(source: string | undefined): void {
    const { name, isExempt } = this.#networks.of(source);
    if (isExempt) return;
    const retryAfterSeconds = this.#buckets.take(name);
    if (retryAfterSeconds > 0) throw new ClientError("too_many_requests", { retryAfterSeconds });
  }
}
