import { SwarmQuota } from "./announce/swarm-quota.ts";
import { CallerNetworks } from "./caller-networks.ts";
import type { Clock } from "./clock.ts";
import type { Exposure } from "./exposure.ts";
import { RateLimit } from "./rate-limit.ts";

export interface CallerLimits {
  readonly rateLimit: RateLimit | undefined;
  readonly swarmQuota: SwarmQuota | undefined;
}

/** Peers of one network in one swarm of a public tracker. */
const PEERS_PER_NETWORK_MAX = 8;

/** How many peers of one network (an IPv4 address, an IPv6 /64) may be in a swarm; any number within a network of one's own,
 * where many of one address are the rule, and no harm. */
export function peersPerNetworkMaxOf({ isPublic, requestsPerSecond }: Exposure): number {
  return isPublic && requestsPerSecond > 0 ? PEERS_PER_NETWORK_MAX : Number.POSITIVE_INFINITY;
}

/** What one network of callers may ask for. */
export function createCallerLimits(
  clock: Clock,
  options: Exposure & { readonly ttlMs: number },
): CallerLimits {
  const { isPublic, requestsPerSecond: perSecond, ttlMs } = options;
  if (perSecond === 0) return { rateLimit: undefined, swarmQuota: undefined };
  const networks = new CallerNetworks({ isLoopbackExempt: !isPublic });
  return {
    rateLimit: new RateLimit(clock, networks, { perSecond }),
    swarmQuota: new SwarmQuota(clock, networks, { ttlMs }),
  };
}
