import type { Bitfield } from "../../protocol/bitfield.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import type { EmitEvent } from "../events.ts";
import type { PartSource, PartStore } from "../storage/store.ts";
import type { PartOrder } from "../swarm/engine-options.ts";
import type { TrackerClient } from "../tracker-client.ts";
import type { OrderedRuns } from "./ordered-runs.ts";

/** What a swarm is about, on this peer. */
export interface SwarmOptions {
  readonly torrent: Torrent;
  /** Parts that can be served from the start, of a pipe those that nobody wants; the swarm's own from here on. */
  readonly have: Bitfield;
  /** Where parts are read from; closed by whoever opened it. */
  readonly source: PartSource;
  /** Where missing parts go; absent when nothing is fetched, or into a pipe. */
  readonly store?: PartStore;
  /** Who takes missing parts in their order, in place of a store: nothing is offered to others then. The only swarm of
   * its node, since it counts on all of the memory for what arrives. */
  readonly pipe?: OrderedRuns;
  /** What is asked for first; rarest when it is not said, always sequential into a pipe. */
  readonly order?: PartOrder;
  readonly trackers: readonly TrackerClient[];
  /** Told who comes and goes. */
  readonly emit?: EmitEvent;
}
