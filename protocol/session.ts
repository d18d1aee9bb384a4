import { type Crypto, hkdfSha256, isEqualConstantTime } from "./crypto.ts";
import { assert, ProtocolError } from "./errors.ts";
import { encodeMessage, FrameDecoder, type FrameItem } from "./frame.ts";
import {
  fromSwarmHashBytes,
  type PeerId,
  type SwarmHash,
  type TorrentDigest,
  toPeerId,
} from "./ids.ts";
import { BODY_BYTES_MAX, HANDSHAKE_BYTES_MAX, PREFACE_BYTES } from "./limits.ts";
import type { HelloMessage, ProofMessage } from "./messages.ts";

/** How a connection begins (SPEC.md §2), without any I/O: preface, then hello and proof of knowing the torrent. */

export const WIRE_VERSION = 1;

/** Whether the connection is encrypted after the preface. */
export const TRANSPORT_MODES = ["tls", "plain"] as const;
export type TransportMode = (typeof TRANSPORT_MODES)[number];
const MODE_CODES: Readonly<Record<TransportMode, number>> = { tls: 1, plain: 2 };
const MAGIC = new TextEncoder().encode("P2PEER");
const KEY_LABEL = "p2p swarm key v1";
const ROLE_LABELS = { dialler: "A", listener: "B" } as const;

/** @returns the 8 bytes that open a connection, each way */
export function encodePreface(mode: TransportMode): Uint8Array {
  const preface = new Uint8Array(PREFACE_BYTES);
  preface.set(MAGIC);
  preface.set([WIRE_VERSION, MODE_CODES[mode]], MAGIC.length);
  return preface;
}

/** Checks the remote's preface against our own mode; there is no falling back.
 * @param preface exactly PREFACE_BYTES
 * @throws {ProtocolError} bad_preface, bad_version, bad_mode */
export function checkPreface(preface: Uint8Array, mode: TransportMode): void {
  assert(preface.length === PREFACE_BYTES, "A preface has 8 bytes");
  if (!MAGIC.every((byte, at) => byte === preface[at])) {
    throw new ProtocolError(
      "bad_preface",
      "Cannot talk to remote: it does not speak this protocol",
    );
  }
  if (preface[6] !== WIRE_VERSION) {
    throw new ProtocolError(
      "bad_version",
      `Cannot talk to remote: version ${preface[6]}, expected ${WIRE_VERSION}`,
    );
  }
  if (preface[7] !== MODE_CODES[mode]) {
    throw new ProtocolError(
      "bad_mode",
      `Cannot talk to remote: its transport is not ${mode} as ours`,
    );
  }
}

/** @returns the 32-byte key that only holders of the torrent can make */
export function swarmKey(crypto: Crypto, digest: TorrentDigest): Uint8Array {
  return hkdfSha256(crypto, Uint8Array.fromHex(digest), KEY_LABEL);
}

/** What a side says of itself in its hello. */
export interface LocalIdentity {
  /** 16 bytes, one for the life of the process. */
  readonly peerId: Uint8Array;
  /** 0 when it takes no connections. */
  readonly listenPort: number;
  /** 16 random bytes, new for every connection. */
  readonly nonce: Uint8Array;
}

/** The remote after its proof was found right. */
export interface Established {
  readonly swarm: SwarmHash;
  readonly peerId: PeerId;
  readonly listenPort: number;
  readonly features: number;
}

export interface HandshakeOptions {
  readonly mode: TransportMode;
  readonly local: LocalIdentity;
  /** What the transport is bound to: both certificates' fingerprints, empty in plain mode. */
  readonly binding: { readonly dialler: Uint8Array; readonly listener: Uint8Array };
}

/** What the handshake wants done after some bytes arrived. */
export interface HandshakeStep {
  /** To be sent in order. */
  readonly send: readonly Uint8Array[];
  /** Set once, when the remote has proved itself. */
  readonly established?: Established;
  /** Bytes and items after the handshake that came with it; only with `established`. */
  readonly items?: readonly FrameItem[];
}

/** hello and proof, either side.
 *
 * Invariants: nothing that depends on the torrent is said before the remote could be a member; a listener that does not
 * know the swarm answers as one that does, with a proof nobody can check; at most HANDSHAKE_BYTES_MAX are taken from a
 * stranger. */
export class Handshake {
  /** Goes on with the connection's frames after the handshake. */
  readonly decoder = new FrameDecoder({ bodyBytesMax: HANDSHAKE_BYTES_MAX });
  readonly #crypto: Crypto;
  readonly #options: HandshakeOptions;
  readonly #role: "dialler" | "listener";
  readonly #keyOf: (swarm: SwarmHash) => Uint8Array;
  readonly #transcript: Uint8Array[];
  readonly #swarm: Uint8Array | undefined;
  #remote: HelloMessage | undefined;
  #bytesSeen = PREFACE_BYTES;
  #isEstablished = false;

  private constructor(
    crypto: Crypto,
    role: "dialler" | "listener",
    swarm: Uint8Array | undefined,
    keyOf: (swarm: SwarmHash) => Uint8Array,
    options: HandshakeOptions,
  ) {
    this.#crypto = crypto;
    this.#options = options;
    this.#role = role;
    this.#swarm = swarm;
    this.#keyOf = keyOf;
    const preface = encodePreface(options.mode);
    this.#transcript = [preface, preface, options.binding.dialler, options.binding.listener];
  }

  /** @param swarm the 16 bytes of the hash
   * @param key from `swarmKey` */
  static dial(
    crypto: Crypto,
    swarm: Uint8Array,
    key: Uint8Array,
    options: HandshakeOptions,
  ): Handshake {
    return new Handshake(crypto, "dialler", swarm, () => key, options);
  }

  /** @param keyOf the key of a swarm we are in; random bytes for any other, so that it looks the same */
  static listen(
    crypto: Crypto,
    keyOf: (swarm: SwarmHash) => Uint8Array,
    options: HandshakeOptions,
  ): Handshake {
    return new Handshake(crypto, "listener", undefined, keyOf, options);
  }

  /** @returns what to send before anything is received: the dialler's hello */
  start(): readonly Uint8Array[] {
    return this.#swarm === undefined ? [] : [this.#hello(this.#swarm)];
  }

  /** Takes bytes as they arrive after the preface.
   * @throws {ProtocolError} frame_too_large, bad_order, bad_version, bad_proof, self_connection, and what frames can throw */
  receive(chunk: Uint8Array): HandshakeStep {
    const send: Uint8Array[] = [];
    const items: FrameItem[] = [];
    let established: Established | undefined;
    for (const item of this.decoder.push(this.#count(chunk))) {
      if (this.#isEstablished) {
        items.push(item);
        continue;
      }
      established = this.#take(item, send);
    }
    return established === undefined ? { send } : { send, established, items };
  }

  /** A stranger's bytes are counted; those that come in one chunk with the proof are its frames, under their own limits. */
  #count(chunk: Uint8Array): Uint8Array {
    if (this.#bytesSeen > HANDSHAKE_BYTES_MAX) {
      throw new ProtocolError(
        "frame_too_large",
        `Cannot greet remote: more than ${HANDSHAKE_BYTES_MAX} bytes before its proof`,
      );
    }
    this.#bytesSeen += chunk.length;
    return chunk;
  }

  #take(item: FrameItem, send: Uint8Array[]): Established | undefined {
    const message = item.type === "message" ? item.message : undefined;
    if (message?.type === "hello" && this.#remote === undefined) {
      this.#takeHello(message, send);
      return undefined;
    }
    if (message?.type === "proof" && this.#remote !== undefined)
      return this.#takeProof(message, this.#remote, send);
    throw new ProtocolError(
      "bad_order",
      "Cannot greet remote: it did not say hello and proof in order",
    );
  }

  #takeHello(hello: HelloMessage, send: Uint8Array[]): void {
    if (hello.version !== WIRE_VERSION)
      throw new ProtocolError("bad_version", `Cannot greet remote: version ${hello.version}`);
    this.#remote = hello;
    this.#transcript.push(encodeMessage(hello));
    if (this.#role === "dialler") return;
    send.push(this.#hello(hello.swarm));
    send.push(this.#prove(hello.swarm));
  }

  #takeProof(proof: ProofMessage, remote: HelloMessage, send: Uint8Array[]): Established {
    const swarm = this.#swarm ?? remote.swarm;
    const remoteRole = this.#role === "dialler" ? "listener" : "dialler";
    const expected = this.#mac(swarm, remoteRole);
    const isSameSwarm = isEqualConstantTime(remote.swarm, swarm);
    if (!isEqualConstantTime(proof.mac, expected) || !isSameSwarm) {
      throw new ProtocolError("bad_proof", "Cannot greet remote: it does not hold this torrent");
    }
    if (isEqualConstantTime(remote.peerId, this.#options.local.peerId)) {
      throw new ProtocolError("self_connection", "Cannot greet remote: it is this peer itself");
    }
    this.#transcript.push(encodeMessage(proof));
    if (this.#role === "dialler") send.push(this.#prove(swarm));
    this.#isEstablished = true;
    this.decoder.bodyBytesMax = BODY_BYTES_MAX;
    return {
      swarm: fromSwarmHashBytes(swarm),
      peerId: toPeerId(remote.peerId),
      listenPort: remote.listenPort,
      features: remote.features,
    };
  }

  #hello(swarm: Uint8Array): Uint8Array {
    const frame = encodeMessage({
      type: "hello",
      version: WIRE_VERSION,
      swarm,
      features: 0,
      ...this.#options.local,
    });
    this.#transcript.push(frame);
    return frame;
  }

  #prove(swarm: Uint8Array): Uint8Array {
    const frame = encodeMessage({ type: "proof", mac: this.#mac(swarm, this.#role) });
    this.#transcript.push(frame);
    return frame;
  }

  /** HMAC over everything said so far, both fingerprints included, under the role of who proves. */
  #mac(swarm: Uint8Array, role: "dialler" | "listener"): Uint8Array {
    const label = new TextEncoder().encode(ROLE_LABELS[role]);
    const transcript = this.#crypto.sha256(
      ...this.#transcript.map((said) => this.#crypto.sha256(said)),
    );
    return this.#crypto.hmacSha256(this.#keyOf(fromSwarmHashBytes(swarm)), label, transcript);
  }
}
