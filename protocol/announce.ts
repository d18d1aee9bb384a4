import { type Static, Type } from "@sinclair/typebox";
import {
  ANSWER_PEERS_MAX,
  HOST_CHARS_MAX,
  REACHED_PEERS_MAX,
  SWARM_HASH_PATTERN,
} from "./announce-limits.ts";

/** The tracker's HTTP API as TypeBox schemas: what the tracker validates and what the peer checks of an answer.
 * The original program's fields are required, everything newer is optional. */

/** Where the caller listens. `0.0.0.0`, `::` and the empty string mean "the address you see me at". */
const listening = {
  listening_host: Type.String({ maxLength: HOST_CHARS_MAX }),
  /** 1 to 65535; a string of decimal digits is taken too, since old clients send one. */
  listening_port: Type.Union([
    Type.Integer({ minimum: 1, maximum: 65535 }),
    Type.String({ pattern: "^[0-9]{1,5}$" }),
  ]),
};

/** `POST /hash`: register a new swarm. */
export const HashRequest = Type.Object({
  ...listening,
  /** The caller's PeerId. */
  peer: Type.Optional(Type.String({ pattern: "^[0-9a-f]{32}$" })),
});
export type HashRequest = Static<typeof HashRequest>;

/** Answer of `POST /hash`; `interval` is in seconds. */
export const HashResponse = Type.Object({
  hash: Type.String({ pattern: SWARM_HASH_PATTERN }),
  interval: Type.Optional(Type.Number({ minimum: 0 })),
});
export type HashResponse = Static<typeof HashResponse>;

export const AnnounceEvent = Type.Union([
  Type.Literal("started"),
  Type.Literal("completed"),
  Type.Literal("stopped"),
]);
export type AnnounceEvent = Static<typeof AnnounceEvent>;

export const PeerAddress = Type.Object({
  host: Type.String({ minLength: 1, maxLength: HOST_CHARS_MAX }),
  port: Type.Integer({ minimum: 1, maximum: 65535 }),
});
export type PeerAddress = Static<typeof PeerAddress>;

/** `POST /peers`: announce oneself to a swarm and ask for others. */
export const PeersRequest = Type.Object({
  hash: Type.String({ pattern: SWARM_HASH_PATTERN }),
  ...listening,
  /** The caller's PeerId: the same peer at a new address replaces its old entry. */
  peer: Type.Optional(Type.String({ pattern: "^[0-9a-f]{32}$" })),
  event: Type.Optional(AnnounceEvent),
  /** Bytes still missing; 0 is a complete peer, absent is "does not say". */
  left: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  /** How many peers the caller would like; the tracker may give fewer. */
  want: Type.Optional(Type.Integer({ minimum: 0, maximum: ANSWER_PEERS_MAX })),
  /** Where the caller reached others of the swarm, which proved there that they hold its torrent. */
  reached: Type.Optional(Type.Array(PeerAddress, { maxItems: REACHED_PEERS_MAX })),
});
export type PeersRequest = Static<typeof PeersRequest>;

/** A peer as it is told of. */
export const ToldPeer = Type.Object({
  ...PeerAddress.properties,
  /** Whether somebody else reached the peer there; without it the address is the word of whoever announced it. */
  verified: Type.Optional(Type.Boolean()),
});
export type ToldPeer = Static<typeof ToldPeer>;

/** Answer of `POST /peers`; `interval` and `min_interval`, the least time between two announces whatever the caller wants, are
 * in seconds, `complete` and `incomplete` count the whole swarm. */
export const PeersResponse = Type.Object({
  peers: Type.Array(ToldPeer, { maxItems: ANSWER_PEERS_MAX }),
  interval: Type.Optional(Type.Number({ minimum: 0 })),
  min_interval: Type.Optional(Type.Number({ minimum: 0 })),
  complete: Type.Optional(Type.Integer({ minimum: 0 })),
  incomplete: Type.Optional(Type.Integer({ minimum: 0 })),
});
export type PeersResponse = Static<typeof PeersResponse>;

/** Every refusal of the API: fixed JSON, never exception text; `peers` is there for an unknown swarm, since old clients read it. */
export const ErrorResponse = Type.Object({
  error: Type.String(),
  code: Type.Optional(Type.String()),
  peers: Type.Optional(Type.Array(PeerAddress)),
});
export type ErrorResponse = Static<typeof ErrorResponse>;

/** Answer of `GET /stats`: what is alive in all swarms together. */
export const StatsResponse = Type.Object({
  swarms: Type.Integer({ minimum: 0 }),
  /** Peers that have every part. */
  complete: Type.Integer({ minimum: 0 }),
  /** Peers that miss parts. */
  incomplete: Type.Integer({ minimum: 0 }),
  /** Since the start. */
  announces: Type.Optional(Type.Integer({ minimum: 0 })),
  /** The mean of the last ten seconds. */
  announcesPerSecond: Type.Optional(Type.Number({ minimum: 0 })),
  uptimeSeconds: Type.Integer({ minimum: 0 }),
  version: Type.String(),
});
export type StatsResponse = Static<typeof StatsResponse>;
