import type { AddressClass } from "../../protocol/address-policy.ts";
import type { PeerAddress } from "../../protocol/announce.ts";
import type { SwarmHash } from "../../protocol/ids.ts";

/** One peer's news of one swarm, and what it wants to hear of the others. */
export interface Announce {
  readonly swarm: SwarmHash;
  readonly host: string;
  readonly port: number;
  /** Where the peer's address leads to it: everybody is told of a `public` one, of any other those of the same zone. */
  readonly zone: AddressClass;
  /** The peer's own id; undefined when it does not tell one, then host and port are its name. */
  readonly peer: string | undefined;
  /** Whether the peer is there from now on, or gone. */
  readonly action: "add" | "remove";
  /** Whether it has every part; undefined keeps what it said before, at first "no". */
  readonly complete: boolean | undefined;
  /** Whether an unknown swarm is made by this announce. */
  readonly create: boolean;
  /** Others that the caller vouches for: whoever is in the swarm under one of these addresses is verified as long as it stays. */
  readonly reached: readonly PeerAddress[];
  /** How many other peers are wanted at most, 0 to HANDOUT_PEERS_MAX. */
  readonly want: number;
  /** Which others are wanted: all, or those that still miss parts. */
  readonly only: "all" | "incomplete";
  /** The time of the announce, in milliseconds since 1970. */
  readonly now: number;
  /** When peer and swarm are forgotten unless announced again, in milliseconds since 1970. */
  readonly expires: number;
}

/** A swarm as it is once an announce is committed. */
export interface SwarmView {
  /** Living peers that have every part, the announcing one included. */
  readonly complete: number;
  /** Living peers that miss parts, the announcing one included. */
  readonly incomplete: number;
  /** A random sample of the other living peers, as the JSON text of a `ToldPeer[]`: whoever keeps peers keeps their text
   * too, since to make it anew for each answer costs more than all the rest of one. */
  readonly peersJson: string;
}

/** All that is alive in the store. */
export interface Totals {
  readonly swarms: number;
  readonly complete: number;
  readonly incomplete: number;
}

/** What one call of `sweep` did. */
export interface Swept {
  readonly peers: number;
  readonly swarms: number;
  /** Whether this call came to the end of the store; the next one begins again at its start. */
  readonly finished: boolean;
}

/** Which peers are in which swarms, and until when. A store that many trackers share may be late, by a time that it states, in
 * what others of them announced and in what expired.
 *
 * Promises to keep, each held by the contract suite:
 * - An `announce` that resolved survives the death of the process (memory stores excepted); one that rejected left no trace.
 * - What expired is never handed out, swept or not, nor counted, but where more expires at once than an announce clears away;
 *   a swarm lives until its last announce's `expires`. A store that was opened again, or is shared, may remember a quarter
 *   of that time longer, never shorter.
 * - In a swarm there is at most one entry for a host and port, and at most one for a peer id: the newer replaces the older.
 * - `remove` takes away the entry of the same peer id; the one of the same host and port only if it is not another peer id's.
 * - An entry is verified from when somebody vouched for it until another replaces it; a store that was opened again may have
 *   forgotten it, and one that is shared may be late.
 * - Where a limit on peers is reached, another one makes room for the new one; where that on swarms is, none is made. A store that
 *   is shared may be late in that too.
 * - Concurrent announces are applied one after the other, in the order of the calls. */
export interface SwarmStore extends AsyncDisposable {
  /** Applies an announce.
   * @returns the swarm afterwards, or undefined when the swarm is unknown and not to be made: then nothing changed
   * @throws {StoreError} busy, overloaded, full, failed, closed; nothing of the announce was kept. unavailable: all of it or
   * nothing, as the answer of a database far away may be what got lost */
  announce(announce: Announce): Promise<SwarmView | undefined>;
  /** Looks at the next entries and takes away the expired ones; calls walk through the whole store in turn.
   * @param options.now milliseconds since 1970
   * @param options.limit how many peers, and how many swarms, one call may look at
   * @throws {StoreError} */
  sweep(options: { readonly now: number; readonly limit: number }): Promise<Swept>;
  /** @param now milliseconds since 1970
   * @throws {StoreError} */
  totals(now: number): Promise<Totals>;
  /** Waits for what is under way and releases the store; later calls reject with `closed`. */
  [Symbol.asyncDispose](): Promise<void>;
}
