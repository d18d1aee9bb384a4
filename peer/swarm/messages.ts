import type { Address } from "../../protocol/address.ts";
import type { PartIndex, PartRun } from "../../protocol/geometry.ts";
import type { PeerId } from "../../protocol/ids.ts";
import type { ControlMessage } from "../../protocol/messages.ts";

/** What goes into the engine and what comes out of it: the only way anything else touches a swarm's state. */

/** One connection of this process, never used twice. */
export type ConnectionId = number;

/** Who told us of an address; `user` is the command line. */
export type AddressSource = "user" | "tracker" | "exchange";

/** An address as somebody tells it. */
export interface ToldAddress extends Address {
  /** Whether the tracker says that another peer reached it there. */
  readonly verified?: boolean;
}

/** On whose word an address would be dialled. */
export interface AddressOrigin {
  /** The user's own: nobody else's rules apply. */
  readonly isUsers: boolean;
  /** The address, as an IP literal, of the tracker or peer that told us; undefined when it is not known. */
  readonly teller: string | undefined;
}

export type SwarmEvent =
  /** A remote proved that it holds the torrent. `address` is where it listens, or, if it does not, where it called from. */
  | {
      readonly type: "joined";
      readonly connection: ConnectionId;
      readonly peerId: PeerId;
      readonly address: Address;
      readonly isListening: boolean;
      /** Whether we dialled it. */
      readonly isDialled: boolean;
      /** Its end of the connection, as an IP literal, where `address` may have a name. */
      readonly remoteHost?: string;
    }
  /** The connection is gone; `reason` is for people. */
  | { readonly type: "left"; readonly connection: ConnectionId; readonly reason: string }
  | {
      readonly type: "message";
      readonly connection: ConnectionId;
      readonly message: ControlMessage;
    }
  /** Bytes of a requested run arrived. */
  | {
      readonly type: "arrived";
      readonly connection: ConnectionId;
      readonly first: PartIndex;
      readonly bytes: number;
    }
  /** All of a requested run arrived and every part of it is right; it goes to the store next. */
  | { readonly type: "verified"; readonly connection: ConnectionId; readonly run: PartRun }
  /** A part of a requested run is not what the torrent says. */
  | {
      readonly type: "bad";
      readonly connection: ConnectionId;
      readonly run: PartRun;
      readonly part: PartIndex;
    }
  /** The store has the run; in a pipe it waits for the reader. */
  | { readonly type: "written"; readonly run: PartRun }
  /** So many bytes of what is served to the remote go out, and what is said to it next goes behind them. */
  | { readonly type: "sent"; readonly connection: ConnectionId; readonly bytes: number }
  /** The reader of a pipe has taken the run: each that was verified while it was wanted, in order. */
  | { readonly type: "taken"; readonly run: PartRun }
  /** All of what the remote requested with this run was sent, or, with no bytes, was refused by the sender. */
  | {
      readonly type: "served";
      readonly connection: ConnectionId;
      readonly run: PartRun;
      readonly bytes: number;
    }
  | {
      readonly type: "learned";
      readonly source: AddressSource;
      /** Where the tracker answered from, as an IP literal. */
      readonly teller?: string | undefined;
      readonly addresses: readonly ToldAddress[];
    }
  | { readonly type: "dialFailed"; readonly address: Address; readonly reason: string }
  /** The address turned out to be this very process. */
  | { readonly type: "dialledSelf"; readonly address: Address }
  /** Time passed: due at least every TICK_MS. */
  | {
      readonly type: "tick";
      /** Whether a limit of our own makes what arrives wait: then nobody else is slow. */
      readonly isHeldBack?: boolean;
    };

export type SwarmEffect =
  | { readonly type: "send"; readonly connection: ConnectionId; readonly message: ControlMessage }
  /** Read the run and send its data, in turn, in frames of so many bytes at most. */
  | {
      readonly type: "serve";
      readonly connection: ConnectionId;
      readonly run: PartRun;
      readonly blockBytes: number;
    }
  /** As much is under way to the connection as may be, and more of its data waits; or it goes on. Messages never wait. */
  | { readonly type: "hold"; readonly connection: ConnectionId; readonly isHeld: boolean }
  /** The remote takes its request back: refuse it as cancelled unless it is being sent already. */
  | { readonly type: "unserve"; readonly connection: ConnectionId; readonly run: PartRun }
  | { readonly type: "close"; readonly connection: ConnectionId; readonly reason: string }
  | { readonly type: "dial"; readonly address: Address }
  /** For the user: who came, went or was banned. */
  | {
      readonly type: "report";
      readonly event: "joined" | "left" | "banned";
      readonly address: Address;
      readonly reason?: string;
    }
  /** Every part is written. */
  | { readonly type: "complete" }
  /** So many peers sent a wrong part that the torrent, or this machine's memory, must be wrong. */
  | { readonly type: "suspect"; readonly part: PartIndex };

/** How far a swarm is; a snapshot. */
export interface SwarmStats {
  readonly bytesDone: number;
  readonly partsDone: number;
  readonly isComplete: boolean;
  /** Connections that proved themselves. */
  readonly peers: number;
  /** Addresses known, banned ones left out. */
  readonly peersKnown: number;
  readonly peersBanned: number;
  /** Connected peers that have a part we miss. */
  readonly sources: number;
  /** Whether more sources are wanted than there are. */
  readonly isHungry: boolean;
  /** Verified bytes by the address they came from. */
  readonly bytesPerPeer: ReadonlyMap<string, number>;
  readonly badParts: number;
  readonly duplicateBytes: number;
  readonly bytesServed: number;
}

/** Why nothing moves: some missing parts and what each peer that was asked for them answered. */
export interface WaitingFor {
  readonly missingParts: number;
  /** Connections that proved themselves. */
  readonly peers: number;
  readonly parts: readonly {
    readonly part: PartIndex;
    readonly holders: number;
    readonly askedOf: readonly { readonly address: Address; readonly answer: string }[];
  }[];
  /** Addresses that could not be reached, with the last reason. */
  readonly unreachable: readonly { readonly address: Address; readonly reason: string }[];
}
