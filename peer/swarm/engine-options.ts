import type { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry } from "../../protocol/geometry.ts";
import type { PeerId } from "../../protocol/ids.ts";
import type { Rules } from "./rules.ts";

/** Everything random or given that the engine needs. */
export interface EngineOptions {
  readonly geometry: Geometry;
  /** Parts we have at the start; owned by the engine from here on. */
  readonly have: Bitfield;
  readonly peerId: PeerId;
  /** Connections at most. */
  readonly peersMax: number;
  /** Bytes asked for and not yet written, over all connections. */
  readonly inFlightBytesMax: number;
  /** What a limit of our own lets pass, in bytes a second over all swarms; absent: there is none. */
  readonly limitDownBytesPerSecond?: number | undefined;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** RULES when they are not said. */
  readonly rules?: Rules;
  /** What is asked for first; rarest when it is not said. */
  readonly order?: PartOrder;
  /** A reader takes the parts in their order, and they are forgotten then: nothing is offered to others, and `have` are
   * parts that nobody wants. */
  readonly pipe?: {
    /** Runs that find room in memory, from being asked for until they are taken; at least 1. */
    readonly places: number;
  };
}

/** Parts that fewest peers have, equals at random; or the lowest first. */
export type PartOrder = "rarest" | "sequential";

/** How often a `tick` is due at least, in milliseconds. */
export const TICK_MS = 250;
