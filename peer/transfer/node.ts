import type { Address } from "../../protocol/address.ts";
import { formatAddress } from "../../protocol/address.ts";
import type { Crypto } from "../../protocol/crypto.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import { PEER_ID_BYTES, type SwarmHash, toPeerId, toSwarmHashBytes } from "../../protocol/ids.ts";
import { Handshake, type LocalIdentity, type TransportMode } from "../../protocol/session.ts";
import type { Clock, Random } from "../clock.ts";
import { createDeadline } from "../deadline.ts";
import { StorageError, TransportError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type Certificate, createCertificate } from "../net/certificate.ts";
import { dial } from "../net/dial.ts";
import { type Listener, listen } from "../net/listen.ts";
import { connectionsMax } from "../net/open-files.ts";
import { RateLimit } from "../net/rate-limit.ts";
import type { SocketStreams } from "../net/socket.ts";
import type { Lookup } from "../resolve.ts";
import { Slots } from "../slots.ts";
import { PartVerifier } from "../storage/part-verifier.ts";
import { Admission, type Visit } from "./admission.ts";
import { Dialler } from "./dialler.ts";
import { type GreetOptions, greet } from "./greet.ts";
import { MemoryBudget } from "./memory-budget.ts";
import type { Dialled, NodeContext } from "./node-context.ts";
import { PartBuffers } from "./part-buffers.ts";
import { Swarm } from "./swarm.ts";
import type { SwarmOptions } from "./swarm-options.ts";

/** What a node runs on. */
export interface NodeDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly log: Log;
  /** What addresses names have. */
  readonly lookup: Lookup;
}

export interface NodeOptions {
  /** Where connections are taken; port 0 is any free one. */
  readonly listen: Address;
  /** What others are told to dial; absent: what the tracker sees, and the bound port. */
  readonly announce: Address | undefined;
  readonly mode: TransportMode;
  /** Bytes a second over all connections; absent: no limit. */
  readonly limitDownBytesPerSecond: number | undefined;
  readonly limitUpBytesPerSecond: number | undefined;
  /** Connections of one torrent at most. */
  readonly peersMax: number;
  /** Bytes of all buffers together. */
  readonly memoryBytesMax: number;
}

/** A running peer: one listener, and the swarms that it is in. */
export class Node implements AsyncDisposable {
  /** The port connections are taken at. */
  readonly port: number;
  readonly #dependencies: NodeDependencies;
  readonly #options: NodeOptions;
  readonly #listener: Listener;
  readonly #peerId: Uint8Array;
  readonly #swarms = new Map<SwarmHash, Swarm>();
  readonly #stop = new AbortController();
  readonly #verifier: PartVerifier;
  readonly #greeting = new Set<Promise<void>>();
  readonly #context: NodeContext;
  readonly #dialler: Dialler;
  readonly #admission: Admission;
  #connectionCount = 0;
  #madeCertificate: Promise<Certificate> | undefined;

  /** Starts listening.
   * @throws {StorageError} busy: the port is in use; {UsageError} the address is none of this machine's */
  constructor(dependencies: NodeDependencies, options: NodeOptions) {
    this.#dependencies = dependencies;
    this.#options = options;
    this.#peerId = dependencies.random.bytes(PEER_ID_BYTES);
    this.#admission = new Admission(dependencies.clock, connectionsMax());
    this.#dialler = new Dialler(dependencies.clock, { lookup: dependencies.lookup, dial });
    this.#listener = listen(options.listen, (socket) => this.#onConnection(socket));
    this.port = this.#listener.port;
    const memory = new MemoryBudget(options.memoryBytesMax);
    const buffers = new PartBuffers(memory.arrivingBytes);
    this.#verifier = new PartVerifier(buffers.memory);
    this.#context = this.#createContext(memory, buffers);
  }

  /** How trackers are told who and where we are. */
  announced(): ReturnType<NodeContext["announced"]> {
    return this.#context.announced();
  }

  /** Joins a swarm; nothing is announced before its `start`.
   * @throws {StorageError} busy: another torrent with the same hash is shared already */
  join(options: SwarmOptions): Swarm {
    const { hash } = options.torrent;
    if (this.#swarms.has(hash)) {
      throw new StorageError(
        "busy",
        `Cannot share ${hash}: this peer shares a torrent with this hash already`,
      );
    }
    const swarm = new Swarm(this.#context, options);
    this.#swarms.set(hash, swarm);
    return swarm;
  }

  /** Leaves a swarm, telling its peers and trackers. */
  async leave(swarm: Swarm, reason: string): Promise<void> {
    this.#swarms.delete(swarm.torrent.hash);
    await swarm.stop(reason);
  }

  /** Stops taking connections, then leaves every swarm. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.stop();
    this.#stop.abort();
    await Promise.all([...this.#swarms.values()].map((swarm) => this.leave(swarm, "stopping")));
    await Promise.all(this.#greeting);
    this.#verifier[Symbol.dispose]();
  }

  #createContext(memory: MemoryBudget, buffers: PartBuffers): NodeContext {
    const { clock, crypto, log, random } = this.#dependencies;
    const {
      limitDownBytesPerSecond,
      limitUpBytesPerSecond,
      peersMax,
      announce,
      listen: address,
    } = this.#options;
    const createLimit = (bytesPerSecond: number | undefined) =>
      bytesPerSecond === undefined ? undefined : new RateLimit(clock, bytesPerSecond);
    return {
      clock,
      crypto,
      log,
      peersMax,
      random: () => random.below(2 ** 32) / 2 ** 32,
      peerId: toPeerId(this.#peerId),
      limitDown: createLimit(limitDownBytesPerSecond),
      limitUp: createLimit(limitUpBytesPerSecond),
      memory,
      reads: new Slots(READS_AT_ONCE_MAX),
      buffers,
      verifier: this.#verifier,
      prepareGreetings: () => {
        // One that fails is heard of by the greeting that needs it.
        if (this.#options.mode === "tls") this.#certificate().catch(() => undefined);
      },
      nextConnectionId: () => ++this.#connectionCount,
      announced: () => ({
        listening_host: (announce ?? address).host,
        listening_port: announce?.port ?? this.port,
        peer: toPeerId(this.#peerId),
      }),
      dial: (swarm, address, signal) => this.#dial(swarm, address, signal),
    };
  }

  #onConnection(socket: SocketStreams): void {
    const visit = this.#stop.signal.aborted ? undefined : this.#admission.enter(socket);
    if (visit === undefined) {
      socket.terminate();
      return;
    }
    const greeting = this.#greetCaller(socket, visit).finally(() =>
      this.#greeting.delete(greeting),
    );
    this.#greeting.add(greeting);
  }

  async #greetCaller(socket: SocketStreams, visit: Visit): Promise<void> {
    const { clock, crypto, random, log } = this.#dependencies;
    using deadline = createDeadline(clock, GREETING_MS_MAX, this.#stop.signal);
    const decoy = random.bytes(32);
    const keyOf = (hash: SwarmHash) => this.#swarms.get(hash)?.key ?? decoy;
    try {
      const local = this.#identity();
      const greeted = await greet(
        socket,
        (options) => Handshake.listen(crypto, keyOf, { ...options, local }),
        this.#greetOptions(false, deadline.signal),
      );
      visit.stay();
      void greeted.socket.closed.then(() => visit[Symbol.dispose]());
      const { swarm: hash, listenPort } = greeted.established;
      const swarm = this.#swarms.get(hash);
      const { host, port } = socket.remote;
      if (swarm === undefined) greeted.socket.terminate();
      else
        swarm.accept(greeted, {
          address: { host, port: listenPort || port },
          isDialled: false,
        });
    } catch (error) {
      visit[Symbol.dispose]();
      log.debug("A caller was not let in", { peer: formatAddress(socket.remote), error });
    }
  }

  async #dial(swarm: Dialled, address: Address, signal: AbortSignal): Promise<void> {
    const { clock, crypto, log } = this.#dependencies;
    const place = this.#admission.call();
    try {
      if (place === undefined) throw noPlace(address);
      const socket = await this.#dialler.connect(address, swarm.originOf(address), signal);
      using deadline = createDeadline(clock, GREETING_MS_MAX, signal);
      const hash = toSwarmHashBytes(swarm.torrent.hash);
      const local = this.#identity();
      const greeted = await greet(
        socket,
        (options) => Handshake.dial(crypto, hash, swarm.key, { ...options, local }),
        this.#greetOptions(true, deadline.signal),
      );
      void greeted.socket.closed.then(() => place[Symbol.dispose]());
      this.#dialler.onProven(greeted.socket);
      swarm.accept(greeted, { address, isDialled: true });
    } catch (error) {
      place?.[Symbol.dispose]();
      log.debug("A peer could not be reached", { peer: formatAddress(address), error });
      if (error instanceof ProtocolError && error.code === "self_connection")
        swarm.dialledSelf(address);
      else swarm.dialFailed(address, error instanceof Error ? error.message : String(error));
    }
  }

  #greetOptions(isDialler: boolean, signal: AbortSignal): GreetOptions {
    const certificate = () => this.#certificate();
    return { mode: this.#options.mode, isDialler, certificate, signal };
  }

  /** One certificate for the life of the process, made when it is first asked for. */
  #certificate(): Promise<Certificate> {
    const { clock, random } = this.#dependencies;
    this.#madeCertificate ??= createCertificate(clock, random);
    return this.#madeCertificate;
  }

  #identity(): LocalIdentity {
    return {
      peerId: this.#peerId,
      listenPort: this.#options.announce?.port ?? this.port,
      nonce: this.#dependencies.random.bytes(16),
    };
  }
}

/** From the first byte to the proof, in all. */
const GREETING_MS_MAX = 10_000;
/** Blocks that are read from files at once, of all connections. */
const READS_AT_ONCE_MAX = 8;

function noPlace(address: Address): TransportError {
  const state = "this process has as many connections as it may have";
  return new TransportError("unreachable", `Cannot dial ${formatAddress(address)}: ${state}`);
}
