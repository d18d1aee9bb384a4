import { formatAddress } from "../../protocol/address.ts";
import type { EmitEvent } from "../events.ts";
import type { Log } from "../log.ts";
import type { SwarmEffect } from "../swarm/messages.ts";

/** Tells the log and whoever listens that a peer came, left or was banned. */
export function reportPeer(
  { event, address, reason }: Extract<SwarmEffect, { readonly type: "report" }>,
  log: Log,
  emit: EmitEvent | undefined,
): void {
  const peer = formatAddress(address);
  const fields = reason === undefined ? { peer } : { peer, reason };
  if (event === "banned") log.warn("A peer was banned", fields);
  else log.debug(`A peer ${event}`, fields);
  emit?.({
    type: "peer",
    event,
    address: peer,
    ...(reason === undefined ? {} : { reason }),
  });
}
