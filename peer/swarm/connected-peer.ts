import type { Address } from "../../protocol/address.ts";
import { Bitfield } from "../../protocol/bitfield.ts";
import type { PeerId } from "../../protocol/ids.ts";
import type { ConnectionId } from "./messages.ts";
import { RateMeter } from "./rate-meter.ts";

/** What the engine knows of one connection. */
export interface ConnectedPeer {
  readonly connection: ConnectionId;
  readonly peerId: PeerId;
  readonly address: Address;
  /** Its end of the connection, as an IP literal. */
  readonly remoteHost: string;
  readonly isDialled: boolean;
  /** Whether it takes connections at its address. */
  readonly isListening: boolean;
  /** Parts it said it has; empty until its bitmap came. */
  bits: Bitfield;
  /** Whether it had all parts from the first: such peers are not counted span by span. */
  isSeed: boolean;
  /** Bytes of requested runs that came from it. */
  readonly received: RateMeter;
  /** Bytes we may ask of it at once; grows with what it delivers. */
  depthBytes: number;
  readonly joinedAtMs: number;
  /** Whether it was asked and gives nothing, at the last look. */
  isSilent: boolean;
  /** When anything last came from it. */
  heardAtMs: number;
  /** Since when it has owed something without a break. */
  busySinceMs: number;
  /** When data last came, or when it was first asked after having owed nothing. */
  dataAtMs: number;
  /** When it last asked for something, or joined. */
  wantedAtMs: number;
  pingedAtMs: number | undefined;
  /** When it was last told that we live while we read nothing; undefined since we read again. */
  signedAtMs: number | undefined;
  /** `Picker.releases` when it was found to have nothing free for us; undefined when it may have. */
  exhaustedAt: number | undefined;
  /** Not to be asked before this. */
  askAfterMs: number;
  /** How often it sent nothing of what was taken from it for that, since it last sent anything. */
  silences: number;
  /** The shortest time from a request to its first bytes, in milliseconds; undefined before the first. */
  roundTripMs: number | undefined;
  /** What it was told of others: when it may be told more, and of whom it was told already. */
  readonly exchange: { afterMs: number; readonly told: Set<ConnectionId> };
  /** Addresses that it told us. */
  addressesTold: number;
  /** Whether its connection is being closed. */
  isLeaving: boolean;
  /** What it last answered to a request that was not data, for the user. */
  lastAnswer: string | undefined;
}

/** @param partCount bits in the torrent */
export function createConnectedPeer(
  joined: Pick<ConnectedPeer, "connection" | "peerId" | "address" | "isDialled" | "isListening"> &
    Partial<Pick<ConnectedPeer, "remoteHost">>,
  options: { readonly partCount: number; readonly depthBytes: number; readonly nowMs: number },
): ConnectedPeer {
  return {
    connection: joined.connection,
    peerId: joined.peerId,
    address: joined.address,
    remoteHost: joined.remoteHost ?? joined.address.host,
    isDialled: joined.isDialled,
    isListening: joined.isListening,
    bits: new Bitfield(options.partCount),
    isSeed: false,
    received: new RateMeter(options.nowMs),
    depthBytes: options.depthBytes,
    joinedAtMs: options.nowMs,
    isSilent: false,
    heardAtMs: options.nowMs,
    busySinceMs: options.nowMs,
    dataAtMs: options.nowMs,
    wantedAtMs: options.nowMs,
    pingedAtMs: undefined,
    signedAtMs: undefined,
    exhaustedAt: undefined,
    askAfterMs: 0,
    silences: 0,
    roundTripMs: undefined,
    exchange: { afterMs: 0, told: new Set() },
    addressesTold: 0,
    isLeaving: false,
    lastAnswer: undefined,
  };
}
