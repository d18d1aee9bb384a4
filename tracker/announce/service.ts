import type { AddressPolicy } from "../../protocol/address-policy.ts";
import type { HashRequest, HashResponse, PeersRequest } from "../../protocol/announce.ts";
import { parseSwarmHash, type SwarmHash } from "../../protocol/ids.ts";
import { Activity } from "../activity.ts";
import type { Clock, Random } from "../clock.ts";
import { ClientError } from "../errors.ts";
import type { Announce, SwarmStore, SwarmView, Totals } from "../swarm-store/store.ts";
import { isComplete, planHandout } from "./handout.ts";
import { type IntervalOptions, planInterval } from "./interval.ts";
import { AddressSanitizer } from "./sanitize.ts";
import type { SwarmQuota } from "./swarm-quota.ts";
import { whomToBelieve } from "./vouching.ts";

export interface AnnounceOptions extends IntervalOptions {
  /** Which addresses peers are stored under. */
  readonly addressPolicy: AddressPolicy;
  /** How many swarms a network may make; undefined for any number. */
  readonly swarmQuota: SwarmQuota | undefined;
}

/** Totals are counted over the whole store, so no more often than this. */
const TOTALS_MAX_AGE_MS = 1000;

/** The rules of the tracker: what an announce means, whatever carried it here. */
export class AnnounceService {
  /** Counts what is answered. */
  readonly activity: Activity;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #store: SwarmStore;
  readonly #options: AnnounceOptions;
  readonly #addresses: AddressSanitizer;
  #totals: { readonly at: number; readonly value: Promise<Totals> } | undefined;

  constructor(clock: Clock, random: Random, store: SwarmStore, options: AnnounceOptions) {
    this.activity = new Activity(clock);
    this.#clock = clock;
    this.#random = random;
    this.#store = store;
    this.#options = options;
    this.#addresses = new AddressSanitizer(options.addressPolicy);
  }

  /** Makes a swarm; who asks for one has the file, so it is the first complete peer.
   * @param source the caller's socket address, if one is seen
   * @throws {ClientError} bad_host, bad_port, too_many_swarms
   * @throws {StoreError} */
  async register(request: HashRequest, source: string | undefined): Promise<HashResponse> {
    const address = this.#addresses.sanitize(request, source);
    const hash = this.#random.swarmHash();
    const now = this.#clock.now();
    this.#options.swarmQuota?.make(hash, source);
    await this.#store.announce({
      ...address,
      swarm: hash,
      peer: request.peer,
      action: "add",
      complete: true,
      create: true,
      reached: [],
      want: 0,
      only: "all",
      now,
      expires: now + this.#options.ttlMs,
    });
    this.activity.count();
    return { hash, interval: this.#options.intervalSeconds };
  }

  /** Takes a peer's news and tells it of others. A peer that has the whole file makes the swarm known again, so that one with
   * an old data directory, or after a lost database, is found.
   * @param source the caller's socket address, if one is seen
   * @throws {ClientError} bad_host, bad_port, unknown_swarm, too_many_swarms
   * @throws {StoreError}
   * @returns the JSON text of a PeersResponse */
  async announce(request: PeersRequest, source: string | undefined): Promise<string> {
    const stopped = request.event === "stopped";
    const { host, port, zone } = this.#addresses.sanitize(request, source);
    const { want, only } = planHandout(request);
    const now = this.#clock.now();
    const announce: Announce = {
      swarm: toSwarmHash(request.hash),
      host,
      port,
      zone,
      peer: request.peer,
      action: stopped ? "remove" : "add",
      complete: isComplete(request),
      create: request.left === 0 && !stopped,
      reached: whomToBelieve(request, source),
      want,
      only,
      now,
      expires: now + this.#options.ttlMs,
    };
    const view = await this.#place(announce, source);
    if (view === undefined) throw new ClientError("unknown_swarm");
    this.activity.count();
    const { peersJson, complete, incomplete } = view;
    const perSecond = this.activity.perSecond();
    const { interval, min_interval } = planInterval(request, view, perSecond, this.#options);
    const intervals = `"interval":${interval},"min_interval":${min_interval}`;
    return `{"peers":${peersJson},${intervals},"complete":${complete},"incomplete":${incomplete}}`;
  }

  /** Only what makes a swarm counts as one that is made, and only the store knows which announce does. */
  async #place(announce: Announce, source: string | undefined): Promise<SwarmView | undefined> {
    const { swarmQuota } = this.#options;
    swarmQuota?.renew(announce.swarm);
    if (swarmQuota === undefined || !announce.create) return this.#store.announce(announce);
    const view = await this.#store.announce({ ...announce, create: false });
    if (view !== undefined) return view;
    swarmQuota.make(announce.swarm, source);
    return this.#store.announce(announce);
  }

  /** @returns what is alive, at most TOTALS_MAX_AGE_MS old
   * @throws {StoreError} */
  totals(): Promise<Totals> {
    const at = this.#clock.monotonic();
    if (this.#totals === undefined || at - this.#totals.at > TOTALS_MAX_AGE_MS) {
      this.#totals = { at, value: this.#store.totals(this.#clock.now()) };
    }
    return this.#totals.value;
  }
}

function toSwarmHash(text: string): SwarmHash {
  const hash = parseSwarmHash(text);
  if (hash === undefined) throw new ClientError("bad_request");
  return hash;
}
