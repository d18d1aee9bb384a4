import { ProtocolError } from "../../protocol/errors.ts";
import { type SwarmHash, type TorrentDigest, toSwarmHashBytes } from "../../protocol/ids.ts";
import {
  type Established,
  Handshake,
  type HandshakeOptions,
  swarmKey,
} from "../../protocol/session.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { testCrypto } from "./crypto.ts";
import { makeTorrent, randomBytes } from "./fixtures.ts";

const TORRENT = makeTorrent();

/** What a test may set of one side; the rest has a default that fits the other side's. */
export interface SideOptions {
  readonly torrent?: Torrent;
  readonly digest?: TorrentDigest;
  readonly swarm?: SwarmHash;
  readonly seed?: number;
  readonly peerId?: Uint8Array;
  readonly mode?: HandshakeOptions["mode"];
  readonly binding?: HandshakeOptions["binding"];
}

/** What one side is after its part of the handshake: who it found, why it closed, or still waiting. */
export type Outcome = Established | string | undefined;

/** One side, and the bytes it has said and not yet sent. */
export class Side {
  readonly handshake: Handshake;
  outcome: Outcome;
  readonly #outbox: Uint8Array[];

  constructor(handshake: Handshake) {
    this.handshake = handshake;
    this.#outbox = [...handshake.start()];
  }

  get isEstablished(): boolean {
    return typeof this.outcome === "object";
  }

  /** @returns everything said since the last call, frame by frame */
  said(): Uint8Array[] {
    return this.#outbox.splice(0);
  }

  /** Takes bytes; an error ends the side, as it would end the connection. */
  hear(...pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) {
      if (typeof this.outcome === "string") return;
      try {
        const { send, established } = this.handshake.receive(piece);
        this.#outbox.push(...send);
        if (established !== undefined) this.outcome = established;
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this.outcome = error.code;
      }
    }
  }
}

/** @returns the side that dials */
export function diallingSide(options: SideOptions = {}): Side {
  const torrent = options.torrent ?? TORRENT;
  const key = swarmKey(testCrypto, options.digest ?? torrent.digest);
  const swarm = toSwarmHashBytes(options.swarm ?? torrent.hash);
  return new Side(Handshake.dial(testCrypto, swarm, key, sideOptions(options, 100)));
}

/** @returns the side that listens, in the swarm of its torrent only */
export function listeningSide(options: SideOptions = {}): Side {
  const torrent = options.torrent ?? TORRENT;
  const digest = options.digest ?? torrent.digest;
  const own = options.swarm ?? torrent.hash;
  const keyOf = (swarm: SwarmHash) =>
    swarm === own ? swarmKey(testCrypto, digest) : randomBytes((options.seed ?? 0) + 77, 32);
  return new Side(Handshake.listen(testCrypto, keyOf, sideOptions(options, 200)));
}

/** Changes what passes between two sides; the frames of one direction at a time. */
export type Meddler = (frames: Uint8Array[], by: "dialler" | "listener") => Uint8Array[];

/** Carries everything both say to each other until they are silent. */
export function talk(dialler: Side, listener: Side, meddle: Meddler = (frames) => frames): void {
  for (let round = 0; round < 8; round++) {
    const toListener = dialler.said();
    const toDialler = listener.said();
    if (toListener.length + toDialler.length === 0) return;
    listener.hear(...meddle(toListener, "dialler"));
    dialler.hear(...meddle(toDialler, "listener"));
  }
}

function sideOptions(options: SideOptions, salt: number): HandshakeOptions {
  const seed = (options.seed ?? 0) + salt;
  return {
    mode: options.mode ?? "plain",
    local: {
      peerId: options.peerId ?? randomBytes(seed + 1, 16),
      listenPort: 6881,
      nonce: randomBytes(seed + 2, 16),
    },
    binding: options.binding ?? { dialler: new Uint8Array(0), listener: new Uint8Array(0) },
  };
}
