import { neighbourhoodOf, networkOf } from "../../protocol/address-policy.ts";
import type { Expiring } from "./expiry-queue.ts";
import { keyOf } from "./name-key.ts";
import type { Announce } from "./store.ts";

/** A peer in a swarm, as it is kept in memory: numbers only, since there may be a million of them. */
export interface PeerEntry extends Expiring {
  /** Where it can be taken out of. */
  readonly swarm: { remove(entry: PeerEntry): void };
  /** Of its address's text. */
  readonly key: number;
  /** Of its peer id; 0 when it has none. */
  readonly peer: number;
  /** Of the network that answers for it; 0 when entries of a network are not counted. */
  readonly network: number;
  /** The next older entry of that network. */
  older: PeerEntry | undefined;
  readonly zone: Announce["zone"];
  complete: boolean;
  /** Until when the log knows it: when that is before `expires`, it has to be written again. */
  kept: number;
  /** The row of the log that tells of it. */
  seq: number;
  /** Where it stands among the complete, or the incomplete. */
  place: number;
}

/** Where the log has an entry. */
export type Written = Pick<PeerEntry, "seq" | "kept">;

/** What an announce is about, looked up once. */
export interface Subject {
  readonly announce: Announce;
  /** The address as the JSON text of a PeerAddress: what answers are made of. */
  readonly text: string;
  readonly key: number;
  readonly peer: number;
}

export function toSubject(announce: Announce): Subject {
  // A checked literal or name: it needs no escaping.
  const text = `{"host":"${announce.host}","port":${announce.port}}`;
  const peer = announce.peer === undefined ? 0 : keyOf(announce.peer);
  return { announce, text, key: keyOf(text), peer };
}

export function createEntry(
  swarm: PeerEntry["swarm"],
  { announce, key, peer }: Subject,
  options: { readonly complete: boolean; readonly countsNetworks: boolean },
): PeerEntry {
  return {
    swarm,
    key,
    peer,
    network: options.countsNetworks ? keyOf(`network ${networkOf(announce.host)}`) : 0,
    older: undefined,
    zone: announce.zone,
    complete: options.complete,
    expires: announce.expires,
    kept: 0,
    seq: 0,
    place: 0,
    gone: false,
  };
}

/** @returns the same number for all addresses of one /24 or /48, as good as never for others; 32 bits with a sign */
export function neighbourhoodNumber(host: string): number {
  return keyOf(neighbourhoodOf(host)) | 0;
}
