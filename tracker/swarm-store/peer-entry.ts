import { neighbourhoodOf, networkOf } from "../../protocol/address-policy.ts";
import type { Expiring } from "./expiry-queue.ts";
import type { Announce } from "./store.ts";

/** A peer in a swarm, as it is kept in memory. */
export interface PeerEntry extends Expiring {
  /** Where it can be taken out of. */
  readonly swarm: { remove(entry: PeerEntry): void };
  /** Its address as the JSON text of a PeerAddress: name of the entry, and what answers are made of. */
  readonly text: string;
  /** The same number for all addresses of one /24 or /48, as good as never for others. */
  readonly neighbourhood: number;
  readonly zone: Announce["zone"];
  readonly peer: string | undefined;
  complete: boolean;
  /** Until when the log knows it: when that is before `expires`, it has to be written again. */
  kept: number;
  /** The row of the log that tells of it. */
  seq: number;
  /** Where it stands among the complete, or the incomplete. */
  place: number;
  /** The network that answers for it, when entries of a network are counted, and the next older entry of that network. */
  readonly network: string | undefined;
  older: PeerEntry | undefined;
  gone: boolean;
}

/** Where the log has an entry. */
export type Written = Pick<PeerEntry, "seq" | "kept">;

export function createEntry(
  swarm: PeerEntry["swarm"],
  { host, port, peer, zone, expires }: Announce,
  options: { readonly complete: boolean; readonly countsNetworks: boolean },
): PeerEntry {
  return {
    swarm,
    text: textOf(host, port),
    neighbourhood: toNumber(neighbourhoodOf(host)),
    zone,
    peer,
    complete: options.complete,
    expires,
    kept: 0,
    seq: 0,
    place: 0,
    network: options.countsNetworks ? networkOf(host) : undefined,
    older: undefined,
    gone: false,
  };
}

/** @param host a checked literal or name: it needs no escaping
 * @returns the JSON text of the address */
export function textOf(host: string, port: number): string {
  return `{"host":"${host}","port":${port}}`;
}

/** FNV-1a. */
function toNumber(text: string): number {
  let mixed = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    mixed = Math.imul(mixed ^ text.charCodeAt(at), 0x01000193);
  }
  return mixed;
}
