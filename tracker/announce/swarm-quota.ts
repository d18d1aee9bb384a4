import type { SwarmHash } from "../../protocol/ids.ts";
import type { CallerNetworks } from "../caller-networks.ts";
import type { Clock } from "../clock.ts";
import { ClientError } from "../errors.ts";
import { TokenBuckets } from "../token-buckets.ts";

export interface SwarmQuotaOptions {
  /** How long a swarm lives after its last announce, in milliseconds. */
  readonly ttlMs: number;
}

/** How many swarms a network may make in an hour. */
const NEW_PER_HOUR_MAX = 60;
/** How many living swarms of one network's making there may be. */
const LIVING_MAX = 200;
/** Of how many networks it is remembered how many they made within the hour: some 20 MiB. */
const NETWORKS_MAX = 100_000;
/** Of how many living swarms it is remembered who made them: some 50 MiB. */
const MAKERS_MAX = 250_000;

/** For how many lifetimes of a swarm it is remembered after it was last looked at. */
const MEMORY_LIFETIMES = 1.5;

interface Made {
  readonly network: string;
  /** By the monotonic clock. */
  readonly expires: number;
}

/** Bounds how many swarms one network makes and keeps alive. It knows those that were made since the process began, the last
 * MAKERS_MAX of them: who has more networks than one is held by the store's own bound. */
export class SwarmQuota {
  readonly #clock: Clock;
  readonly #networks: CallerNetworks;
  readonly #options: SwarmQuotaOptions;
  readonly #buckets: TokenBuckets;
  /** Those that expire first come first, since all live equally long after they were put in. */
  readonly #made = new Map<SwarmHash, Made>();
  readonly #living = new Map<string, number>();

  constructor(clock: Clock, networks: CallerNetworks, options: SwarmQuotaOptions) {
    this.#clock = clock;
    this.#networks = networks;
    this.#options = options;
    this.#buckets = new TokenBuckets(clock, {
      perSecond: NEW_PER_HOUR_MAX / 3600,
      burst: NEW_PER_HOUR_MAX,
      callersMax: NETWORKS_MAX,
    });
  }

  /** Counts a swarm that is about to be made.
   * @param source of whoever makes it, if it is seen
   * @throws {ClientError} too_many_swarms */
  make(swarm: SwarmHash, source: string | undefined): void {
    const { name, isExempt } = this.#networks.of(source);
    if (isExempt) return;
    this.#forgetExpired();
    if ((this.#living.get(name) ?? 0) >= LIVING_MAX) {
      const retryAfterSeconds = this.#options.ttlMs / 1000;
      throw new ClientError("too_many_swarms", { retryAfterSeconds });
    }
    const retryAfterSeconds = this.#buckets.take(name);
    if (retryAfterSeconds > 0) throw new ClientError("too_many_swarms", { retryAfterSeconds });
    this.#forget(swarm);
    this.#remember(swarm, name);
  }

  /** A swarm lives on, whoever announced it. */
  renew(swarm: SwarmHash): void {
    const made = this.#made.get(swarm);
    // It is remembered for half a lifetime more than it has, so as not to be moved at each announce.
    if (made === undefined || made.expires - this.#clock.monotonic() > this.#options.ttlMs) return;
    this.#forget(swarm);
    this.#remember(swarm, made.network);
  }

  #remember(swarm: SwarmHash, network: string): void {
    if (this.#made.size >= MAKERS_MAX) {
      const [oldest] = this.#made.keys();
      if (oldest !== undefined) this.#forget(oldest);
    }
    const expires = this.#clock.monotonic() + this.#options.ttlMs * MEMORY_LIFETIMES;
    this.#made.set(swarm, { network, expires });
    this.#living.set(network, (this.#living.get(network) ?? 0) + 1);
  }

  #forgetExpired(): void {
    const now = this.#clock.monotonic();
    for (const [swarm, { expires }] of this.#made) {
      if (expires > now) return;
      this.#forget(swarm);
    }
  }

  #forget(swarm: SwarmHash): void {
    const network = this.#made.get(swarm)?.network;
    if (network === undefined) return;
    this.#made.delete(swarm);
    const living = (this.#living.get(network) ?? 1) - 1;
    if (living > 0) this.#living.set(network, living);
    else this.#living.delete(network);
  }
}
