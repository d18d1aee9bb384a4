/** How much a store holds; where a limit on peers is reached, one heard of long ago goes. */
export interface SizeLimits {
  readonly swarmsMax: number;
  readonly peersMax: number;
  readonly peersPerSwarmMax: number;
  /** Of one network (an IPv4 address, an IPv6 /64) in one swarm; Infinity: networks are not counted. */
  readonly peersPerNetworkMax: number;
}

/** How much a store takes in. */
export interface StoreLimits extends SizeLimits {
  /** How long after it was read again an entry may live, in milliseconds. */
  readonly lifetimeMsMax: number;
}

export const DEFAULT_LIMITS: StoreLimits = {
  swarmsMax: 250_000,
  peersMax: 1_000_000,
  peersPerSwarmMax: 100_000,
  peersPerNetworkMax: Number.POSITIVE_INFINITY,
  lifetimeMsMax: Number.POSITIVE_INFINITY,
};
