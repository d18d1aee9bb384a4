import type { PeersRequest } from "../../protocol/announce.ts";
import type { SwarmView } from "../swarm-store/store.ts";

/** When a caller is asked to announce itself again: soon while it has too few others to fetch from, and all the later the
 * more of them there are. */

export interface IntervalOptions {
  /** Between two announces of a peer that has what it needs, in seconds. */
  readonly intervalSeconds: number;
  /** How long after its last announce a peer is forgotten, in milliseconds. */
  readonly ttlMs: number;
}

export interface Intervals {
  /** Until the next announce, in seconds. */
  readonly interval: number;
  /** The least time between two, whatever the caller wants, in seconds. */
  readonly min_interval: number;
}

/** A downloader with fewer others is hungry: one more may double its rate. */
const OTHERS_ENOUGH = 5;
const HUNGRY_SECONDS = 2;
/** Above so many announces a second, everybody is asked to come less often: well below what one core answers. */
const COMFORTABLE_PER_SECOND = 10_000;
/** An interval is never longer than this part of the TTL, so that one lost announce is not the end of a peer. */
const TTL_PART_MAX = 0.45;

/** @param perSecond how many announces there are at present */
export function planInterval(
  request: PeersRequest,
  { complete, incomplete }: Pick<SwarmView, "complete" | "incomplete">,
  perSecond: number,
  { intervalSeconds, ttlMs }: IntervalOptions,
): Intervals {
  const stretch = Math.max(1, perSecond / COMFORTABLE_PER_SECOND);
  const longest = Math.max(intervalSeconds, (ttlMs / 1000) * TTL_PART_MAX);
  const usual = toWhole(Math.min(intervalSeconds * stretch, longest), intervalSeconds);
  const least = Math.min(toWhole(HUNGRY_SECONDS * stretch, HUNGRY_SECONDS), usual);
  const others = complete + incomplete - 1;
  const isHungry = (request.left ?? 0) > 0 && others < OTHERS_ENOUGH;
  return { interval: isHungry ? least : usual, min_interval: least };
}

/** Whole seconds, unless it is what was configured. */
function toWhole(seconds: number, configured: number): number {
  return seconds === configured ? seconds : Math.ceil(seconds);
}
