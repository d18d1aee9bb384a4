import type { PeersRequest } from "../../protocol/announce.ts";
import { HANDOUT_PEERS_MAX } from "../../protocol/announce-limits.ts";
import type { Announce } from "../swarm-store/store.ts";

/** Whether the caller has every part; undefined when it does not say.
 * @returns what both of its fields tell; `left` is the more exact one */
export function isComplete({ event, left }: PeersRequest): boolean | undefined {
  if (left !== undefined) return left === 0;
  return event === "completed" ? true : undefined;
}

/** Decides which peers a caller is given: nobody when it leaves, only those that miss parts when it has them all, since
 * two complete peers have nothing to tell each other. */
export function planHandout(request: PeersRequest): Pick<Announce, "want" | "only"> {
  const only = isComplete(request) === true ? "incomplete" : "all";
  if (request.event === "stopped") return { want: 0, only };
  return { want: Math.min(request.want ?? HANDOUT_PEERS_MAX, HANDOUT_PEERS_MAX), only };
}
