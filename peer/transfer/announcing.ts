import type { TrackerClient } from "../tracker-client.ts";
import { type AnnouncePort, Announcer, type TrackerState } from "./announcer.ts";
import type { NodeContext } from "./node-context.ts";

/** Announces one swarm at all of its trackers, and knows how each answered last. */
export class Announcing {
  readonly #announcers: readonly Announcer[];
  readonly #states = new Map<string, TrackerState>();

  constructor(
    { clock, log, random }: NodeContext,
    trackers: readonly TrackerClient[],
    port: Omit<AnnouncePort, "onState">,
  ) {
    this.#announcers = trackers.map((tracker) => {
      this.#states.set(tracker.url, { type: "pending" });
      const onState = (state: TrackerState) => {
        this.#states.set(tracker.url, state);
      };
      return new Announcer(clock, log, random, tracker, { ...port, onState });
    });
  }

  /** Announces until the signal is aborted, then says `stopped`. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#announcers.map((announcer) => announcer.run(signal)));
  }

  /** The file became complete: told at once. */
  complete(): void {
    for (const announcer of this.#announcers) announcer.complete();
  }

  /** How each tracker answered last, in the order of asking. */
  states(): readonly TrackerState[] {
    return [...this.#states.values()];
  }
}
