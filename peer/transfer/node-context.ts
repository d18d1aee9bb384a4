import type { Address } from "../../protocol/address.ts";
import type { Crypto } from "../../protocol/crypto.ts";
import type { PeerId } from "../../protocol/ids.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { RateLimit } from "../net/rate-limit.ts";
import type { Slots } from "../slots.ts";
import type { PartVerifier } from "../storage/part-verifier.ts";
import type { AddressOrigin, ConnectionId } from "../swarm/messages.ts";
import type { Greeted } from "./greet.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { PartBuffers } from "./part-buffers.ts";

/** Who is dialled for, as the dialler sees it. */
export interface Dialled {
  readonly torrent: Torrent;
  /** What only holders of the torrent can make. */
  readonly key: Uint8Array;
  /** On whose word an address is dialled. */
  originOf(address: Address): AddressOrigin;
  /** Takes a connection whose remote proved that it holds the torrent.
   * @param from where the remote listens, or where it called from */
  accept(greeted: Greeted, from: { readonly address: Address; readonly isDialled: boolean }): void;
  dialFailed(address: Address, reason: string): void;
  dialledSelf(address: Address): void;
}

/** What a swarm uses of its node. */
export interface NodeContext {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly log: Log;
  readonly random: () => number;
  readonly peerId: PeerId;
  readonly peersMax: number;
  readonly limitDown: RateLimit | undefined;
  readonly limitUp: RateLimit | undefined;
  readonly memory: MemoryBudget;
  /** Who reads from files to send: connections take turns, one block each. */
  readonly reads: Slots;
  /** What arriving runs of all swarms are put together in. */
  readonly buffers: PartBuffers;
  /** Who hashes them. */
  readonly verifier: PartVerifier;
  nextConnectionId(): ConnectionId;
  /** Makes what a greeting needs, before anybody waits for it. */
  prepareGreetings(): void;
  /** How a tracker is told who and where we are. */
  announced(): {
    readonly listening_host: string;
    readonly listening_port: number;
    readonly peer: string;
  };
  /** Connects and greets for the swarm; tells it how that went, never throws. */
  dial(swarm: Dialled, address: Address, signal: AbortSignal): Promise<void>;
}
