import type { RefuseReason } from "../../protocol/messages.ts";
import type { ConnectionId, SwarmEffect } from "./messages.ts";

/** @returns what tells a remote that a run will not be sent */
export function refusal(
  connection: ConnectionId,
  run: { readonly first: number; readonly count: number },
  reason: RefuseReason,
): SwarmEffect {
  const { first, count } = run;
  return { type: "send", connection, message: { type: "refuse", first, count, reason } };
}
