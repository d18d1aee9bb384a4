/** Everything two peers can say to each other (SPEC.md §4): a msgpack array `[type, …]` in the frame's header. */

/** First word of each side: who it is and which swarm it means (SPEC.md §2.2). */
export interface HelloMessage {
  readonly type: "hello";
  readonly version: number;
  /** 16 random bytes, new for every connection. */
  readonly nonce: Uint8Array;
  /** The swarm hash, 16 bytes. */
  readonly swarm: Uint8Array;
  /** The sender's PeerId, 16 bytes. */
  readonly peerId: Uint8Array;
  /** TCP port at which the sender takes connections, 0 when it takes none. */
  readonly listenPort: number;
  /** Bit set of optional abilities; none is defined in version 1. */
  readonly features: number;
}

/** HMAC over all that was said so far, under the swarm's key (SPEC.md §2.3). */
export interface ProofMessage {
  readonly type: "proof";
  /** 32 bytes. */
  readonly mac: Uint8Array;
}

/** Which parts the sender has; the first message after the proof, and never again. */
export interface BitmapMessage {
  readonly type: "bitmap";
  readonly parts: "none" | "all" | "some";
  /** One bit a part when `parts` is "some", else empty. */
  readonly bits: Uint8Array;
}

/** The sender now has the parts first to first + count - 1. */
export interface HaveMessage {
  readonly type: "have";
  readonly first: number;
  readonly count: number;
}

/** Please send the run: one part, or several that together fit one payload.
 * Every request gets one answer: all its data, or one refuse. */
export interface RequestMessage {
  readonly type: "request";
  readonly first: number;
  readonly count: number;
}

/** Bytes of the run that was requested with this `first`, from `offset` within the run; the bytes are the payload. */
export interface DataMessage {
  readonly type: "data";
  readonly first: number;
  readonly offset: number;
}

/** Why a request is not answered with data. */
export type RefuseReason = "missing" | "changed" | "busy" | "stopping" | "cancelled";

export interface RefuseMessage {
  readonly type: "refuse";
  readonly first: number;
  readonly count: number;
  readonly reason: RefuseReason;
}

/** The request is not needed any more; it is still answered: by its data when that is on its way, else by refuse. */
export interface CancelMessage {
  readonly type: "cancel";
  readonly first: number;
  readonly count: number;
}

/** Other peers of this swarm. */
export interface PeersMessage {
  readonly type: "peers";
  readonly peers: readonly { readonly host: string; readonly port: number }[];
}

/** Asks for a pong with the same number. */
export interface PingMessage {
  readonly type: "ping";
  readonly id: number;
}

export interface PongMessage {
  readonly type: "pong";
  readonly id: number;
  /** When the ping was read, in milliseconds by a clock of who was pinged, from any start and modulo 2^32. */
  readonly readAtMs: number;
}

/** The sender ends the connection and says why, for the other's log. */
export interface ByeMessage {
  readonly type: "bye";
  readonly reason: string;
}

export type HandshakeMessage = HelloMessage | ProofMessage;

/** What peers say after the proof, part data aside. */
export type ControlMessage =
  | BitmapMessage
  | HaveMessage
  | RequestMessage
  | RefuseMessage
  | CancelMessage
  | PeersMessage
  | PingMessage
  | PongMessage
  | ByeMessage;

export type Message = HandshakeMessage | ControlMessage | DataMessage;
export type MessageType = Message["type"];

/** The number that stands for a type on the wire. */
export const MESSAGE_CODES: Readonly<Record<MessageType, number>> = {
  hello: 1,
  proof: 2,
  bitmap: 3,
  have: 4,
  request: 5,
  data: 6,
  refuse: 7,
  cancel: 8,
  peers: 9,
  ping: 10,
  pong: 11,
  bye: 12,
};

export const BITMAP_KINDS = ["none", "all", "some"] as const;
export const REFUSE_REASONS = [
  "missing",
  "changed",
  "busy",
  "stopping",
  "cancelled",
] as const satisfies readonly RefuseReason[];
