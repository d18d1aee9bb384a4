import { classOf, networkOf } from "../protocol/address-policy.ts";
import { RecentMap } from "./recent-map.ts";

/** Whom a limit counts as one caller. */
export interface CallerNetwork {
  /** The same text for all addresses that one customer has to choose from. */
  readonly name: string;
  /** Whether limits do not hold for it. */
  readonly isExempt: boolean;
}

export interface CallerNetworksOptions {
  /** Whether this machine may ask without limits: right where nobody else can call it, or nobody stands behind it. */
  readonly isLoopbackExempt: boolean;
}

/** Of how many addresses it is remembered: to read one takes as long as all the rest of a limit. */
const ADDRESSES_MAX = 20_000;
/** Those whose address nobody sees are one caller. */
const UNSEEN = "unseen";

/** Knows callers by their addresses. */
export class CallerNetworks {
  readonly #options: CallerNetworksOptions;
  readonly #known = new RecentMap<CallerNetwork>(ADDRESSES_MAX);

  constructor(options: CallerNetworksOptions) {
    this.#options = options;
  }

  /** @param source an IP literal; undefined when none is seen */
  of(source: string = UNSEEN): CallerNetwork {
    const known = this.#known.get(source);
    if (known !== undefined) return known;
    const isExempt = this.#options.isLoopbackExempt && classOf(source) === "loopback";
    const network = { name: networkOf(source), isExempt };
    this.#known.set(source, network);
    return network;
  }
}
