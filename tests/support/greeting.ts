import type { Certificate } from "../../peer/net/certificate.ts";
import type { SocketStreams } from "../../peer/net/socket.ts";
import { type Greeted, type GreetOptions, greet } from "../../peer/transfer/greet.ts";
import { toSwarmHashBytes } from "../../protocol/ids.ts";
import {
  Handshake,
  type LocalIdentity,
  swarmKey,
  type TransportMode,
} from "../../protocol/session.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { testCrypto } from "./crypto.ts";
import { makeTorrent, randomBytes } from "./fixtures.ts";

const TORRENT = makeTorrent();

/** What a test may set of one side; the rest has a default that fits the other side's. */
export interface GreetingSide {
  readonly torrent?: Torrent;
  readonly mode?: TransportMode;
  /** Seeds the peer id and the nonce. */
  readonly seed?: number;
  readonly listenPort?: number;
  readonly signal?: AbortSignal;
  readonly certificate?: () => Promise<Certificate>;
}

/** Greets over a real socket, as the side that dialled. */
export function greetAsDialler(socket: SocketStreams, side: GreetingSide = {}): Promise<Greeted> {
  const torrent = side.torrent ?? TORRENT;
  const key = swarmKey(testCrypto, torrent.digest);
  const local = identityOf(side, 1);
  const hash = toSwarmHashBytes(torrent.hash);
  return greet(
    socket,
    (options) => Handshake.dial(testCrypto, hash, key, { ...options, local }),
    toOptions(side, true),
  );
}

/** Greets over a real socket, as the side that was called; in its torrent's swarm and no other. */
export function greetAsListener(socket: SocketStreams, side: GreetingSide = {}): Promise<Greeted> {
  const torrent = side.torrent ?? TORRENT;
  const key = swarmKey(testCrypto, torrent.digest);
  const local = identityOf(side, 2);
  return greet(
    socket,
    (options) =>
      Handshake.listen(testCrypto, (hash) => (hash === torrent.hash ? key : randomBytes(77, 32)), {
        ...options,
        local,
      }),
    toOptions(side, false),
  );
}

function identityOf(side: GreetingSide, salt: number): LocalIdentity {
  const seed = side.seed ?? salt;
  return {
    peerId: randomBytes(seed, 16),
    listenPort: side.listenPort ?? 7000 + salt,
    nonce: randomBytes(1000 + salt, 16),
  };
}

function toOptions(side: GreetingSide, isDialler: boolean): GreetOptions {
  return {
    mode: side.mode ?? "plain",
    isDialler,
    certificate:
      side.certificate ?? (() => Promise.reject(new Error("No certificate in this test"))),
    signal: side.signal ?? AbortSignal.timeout(5000),
  };
}
