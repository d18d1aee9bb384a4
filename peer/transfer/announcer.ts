import type { Address } from "../../protocol/address.ts";
import type { AnnounceEvent, PeersRequest, PeersResponse } from "../../protocol/announce.ts";
import type { Clock } from "../clock.ts";
import { createDeadline } from "../deadline.ts";
import { TrackerError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { TrackerClient } from "../tracker-client.ts";

/** How one tracker answered last. */
export type TrackerState =
  | { readonly type: "pending" }
  | { readonly type: "answered" }
  /** It does not know the swarm. */
  | { readonly type: "unknown"; readonly error: TrackerError }
  | { readonly type: "failing"; readonly error: TrackerError };

/** What an announcer says for its swarm, and whom it tells. */
export interface AnnouncePort {
  /** The announce as of now, without its event and whom it vouches for. */
  describe(): Omit<PeersRequest, "event" | "reached">;
  /** Where others were reached, of which no tracker knows yet. */
  reached(): readonly Address[];
  /** Whether more sources are wanted: then the tracker is asked every few seconds. */
  isHungry(): boolean;
  /** @param teller where the tracker answered from, as an IP literal; undefined when that is not known */
  onPeers(addresses: readonly Address[], teller: string | undefined): void;
  onState(state: TrackerState): void;
}

/** Announces one swarm at one tracker for as long as it runs: started, again and again, completed, stopped.
 *
 * The tracker may be down at any time: it is asked again with a growing delay, and nothing else depends on it. */
export class Announcer {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #random: () => number;
  readonly #tracker: TrackerClient;
  readonly #port: AnnouncePort;
  #event: AnnounceEvent | undefined = "started";
  #wake: AbortController | undefined;
  #failures = 0;
  #isKnown = false;
  /** How long a hungry swarm waits: as long as the tracker wishes, at least. */
  #hungryMs = HUNGRY_MS;

  constructor(
    clock: Clock,
    log: Log,
    random: () => number,
    tracker: TrackerClient,
    port: AnnouncePort,
  ) {
    this.#clock = clock;
    this.#log = log;
    this.#random = random;
    this.#tracker = tracker;
    this.#port = port;
  }

  /** Announces until the signal is aborted, then says `stopped` once, within a short time.
   * @throws what the port throws: no tracker's doing */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = await this.#announce(signal);
      if (this.#event !== undefined && this.#failures === 0) continue;
      await this.#sleep(waitMs, signal);
    }
    if (this.#isKnown) await this.#sayStopped();
  }

  /** The file became complete: told at once. */
  complete(): void {
    this.#event = "completed";
    this.#wake?.abort();
  }

  /** @returns milliseconds until the next announce is due */
  async #announce(signal: AbortSignal): Promise<number> {
    const event = this.#event;
    try {
      const reached = this.#port.reached();
      const request: PeersRequest = {
        ...this.#port.describe(),
        ...(event === undefined ? {} : { event }),
        ...(reached.length === 0 ? {} : { reached: [...reached] }),
      };
      const answer = await this.#tracker.announce(request, signal);
      if (this.#event === event) this.#event = undefined;
      this.#failures = 0;
      this.#isKnown = true;
      this.#port.onState({ type: "answered" });
      this.#port.onPeers(answer.peers, this.#tracker.answeredFrom);
      return this.#nextMs(answer);
    } catch (cause) {
      if (signal.aborted) {
        // Cut off, it may have arrived all the same.
        this.#isKnown = true;
        return 0;
      }
      if (!(cause instanceof TrackerError)) throw cause;
      return this.#onFailure(cause);
    }
  }

  #onFailure(error: TrackerError): number {
    this.#failures++;
    if (this.#failures === 1)
      this.#log.warn("The tracker does not help", { tracker: this.#tracker.url, error });
    this.#port.onState({ type: error.code === "unknown_swarm" ? "unknown" : "failing", error });
    const maxMs = this.#port.isHungry() ? RETRY_HUNGRY_MS_MAX : RETRY_MS_MAX;
    const ownMs = Math.min(RETRY_MS * 2 ** (this.#failures - 1), maxMs);
    const wishedMs = (error.retryAfterSeconds ?? 0) * 1000;
    return Math.max(ownMs * (0.5 + this.#random() / 2), wishedMs);
  }

  #nextMs({ interval, min_interval }: PeersResponse): number {
    const seconds = inBounds(interval ?? INTERVAL_SECONDS);
    this.#hungryMs = Math.max(HUNGRY_MS, inBounds(min_interval ?? 0) * 1000);
    return this.#port.isHungry() ? this.#hungryMs : seconds * 1000;
  }

  /** Waits, in steps: a swarm that becomes hungry meanwhile is not kept waiting for a long interval. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const wake = new AbortController();
    this.#wake = wake;
    const either = AbortSignal.any([signal, wake.signal]);
    const until = this.#clock.monotonic() + ms;
    while (!either.aborted) {
      const leftMs = until - this.#clock.monotonic();
      if (leftMs <= 0) return;
      if (this.#failures === 0 && ms > this.#hungryMs && this.#port.isHungry()) return;
      const stepMs = Math.min(leftMs, this.#hungryMs);
      await this.#clock.sleep(stepMs, { signal: either }).catch(() => undefined);
    }
  }

  async #sayStopped(): Promise<void> {
    using deadline = createDeadline(this.#clock, STOPPED_MS_MAX);
    const request = { ...this.#port.describe(), event: "stopped" as const, want: 0 };
    await this.#tracker.announce(request, deadline.signal).catch((error: unknown) => {
      this.#log.debug("The tracker was not told that we stop", {
        tracker: this.#tracker.url,
        error,
      });
    });
  }
}

function inBounds(seconds: number): number {
  return Math.min(Math.max(seconds, INTERVAL_SECONDS_MIN), INTERVAL_SECONDS_MAX);
}

/** While hungry: well under the 3 s within which a new source is to be used. */
const HUNGRY_MS = 2000;
const INTERVAL_SECONDS = 30;
const INTERVAL_SECONDS_MIN = 2;
const INTERVAL_SECONDS_MAX = 3600;
const RETRY_MS = 1000;
const RETRY_HUNGRY_MS_MAX = 10_000;
const RETRY_MS_MAX = 300_000;
const STOPPED_MS_MAX = 2000;
