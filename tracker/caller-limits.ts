import { SwarmQuota } from "./announce/swarm-quota.ts";
import { CallerNetworks } from "./caller-networks.ts";
import type { Clock } from "./clock.ts";
import type { Exposure } from "./exposure.ts";
import { RateLimit } from "./rate-limit.ts";

export interface CallerLimits {
  readonly rateLimit: RateLimit | undefined;
  readonly swarmQuota: SwarmQuota | undefined;
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
