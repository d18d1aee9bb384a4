import type { Address } from "../../protocol/address.ts";
import { REACHED_PEERS_MAX } from "../../protocol/announce-limits.ts";
import type { PartIndex } from "../../protocol/geometry.ts";
import { swarmKey } from "../../protocol/session.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { IntegrityError } from "../errors.ts";
import { createPartSink } from "../storage/part-sink.ts";
import type { PartSource } from "../storage/store.ts";
import { Engine } from "../swarm/engine.ts";
import { TICK_MS } from "../swarm/engine-options.ts";
import type {
  AddressOrigin,
  ConnectionId,
  SwarmEffect,
  SwarmEvent,
  SwarmStats,
  WaitingFor,
} from "../swarm/messages.ts";
import type { TrackerState } from "./announcer.ts";
import { Announcing } from "./announcing.ts";
import { Connection } from "./connection.ts";
import { type ConnectionEffect, carryOutOn } from "./connection-effects.ts";
import { withoutForbidden, withoutForbiddenIn } from "./dialler.ts";
import type { Greeted } from "./greet.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { Dialled, NodeContext } from "./node-context.ts";
import { Outbox } from "./outbox.ts";
import { type BufferSource, EqualBuffers } from "./part-buffers.ts";
import type { HeldRun, ReceivePort } from "./receive.ts";
import { reportPeer } from "./report-peer.ts";
import type { SendPort } from "./send.ts";
import type { SwarmOptions } from "./swarm-options.ts";

/** One torrent of this peer while it is shared: carries out what the engine decides, and tells it what happened. */
export class Swarm implements Dialled {
  readonly torrent: Torrent;
  /** What only holders of the torrent can make: opens its connections. */
  readonly key: Uint8Array;
  /** Resolves when every part is written; rejects when this peer can go no further (disk, wrong torrent). */
  readonly whenComplete: Promise<void>;
  readonly #context: NodeContext;
  readonly #options: SwarmOptions;
  readonly #engine: Engine;
  readonly #buffers: BufferSource;
  readonly #connections = new Map<ConnectionId, Connection>();
  readonly #running = new Set<Promise<void>>();
  readonly #complete = Promise.withResolvers<void>();
  readonly #stop = new AbortController();
  readonly #announcing: Announcing;
  readonly #heartbeat: Heartbeat;
  readonly #turns: Pick<PartSource, "read">;
  #source: PartSource;
  #onFailure: ((cause: unknown) => void) | undefined;

  constructor(context: NodeContext, options: SwarmOptions) {
    const { torrent, have, pipe } = options;
    this.torrent = torrent;
    this.key = swarmKey(context.crypto, torrent.digest);
    this.#context = context;
    this.#options = options;
    this.#source = options.source;
    this.#turns = {
      read: (offset, into) => context.reads.run(() => this.#source.read(offset, into)),
    };
    this.#heartbeat = new Heartbeat(context.clock, TICK_MS, () => this.#tick());
    this.whenComplete = this.#complete.promise;
    this.whenComplete.catch(() => undefined);
    const { geometry } = torrent;
    const places = pipe && new EqualBuffers(context.buffers, geometry.runBytesMax);
    this.#buffers = places ?? context.buffers;
    pipe?.onTaken((run) => this.#dispatch({ type: "taken", run }));
    this.#engine = new Engine({
      ...(places === undefined ? {} : { pipe: { places: places.count } }),
      ...(options.order === undefined ? {} : { order: options.order }),
      geometry,
      have,
      peerId: context.peerId,
      peersMax: context.peersMax,
      inFlightBytesMax: context.memory.arrivingBytes,
      limitDownBytesPerSecond: context.limitDown?.bytesPerSecond,
      random: context.random,
    });
    this.#announcing = new Announcing(context, options.trackers, {
      describe: () => ({
        hash: torrent.hash,
        // Who forgets what it got is never complete, to others.
        left: geometry.fileBytes - (pipe === undefined ? this.#engine.stats().bytesDone : 0),
        ...context.announced(),
      }),
      reached: () => this.#engine.reached(REACHED_PEERS_MAX),
      isHungry: () => this.#engine.stats().isHungry,
      onPeers: (told, teller) => {
        const addresses = withoutForbidden(told, teller);
        this.#dispatch({ type: "learned", source: "tracker", teller, addresses });
      },
    });
    if (this.#engine.isComplete) this.#complete.resolve();
  }

  /** Begins to announce and to dial.
   * @param peers to be tried besides those that trackers name */
  start(peers: readonly Address[]): void {
    this.#track(this.#announcing.run(this.#stop.signal));
    this.#track(this.#heartbeat.run(this.#stop.signal));
    this.#dispatch({ type: "learned", source: "user", addresses: peers });
    // While the trackers think: the first connection took 30 ms longer for it, at both ends.
    this.#context.prepareGreetings();
  }

  stats(): SwarmStats {
    return this.#engine.stats();
  }

  waitingFor(partsMax: number): WaitingFor {
    return this.#engine.waitingFor(partsMax);
  }

  trackerStates(): readonly TrackerState[] {
    return this.#announcing.states();
  }

  accept(greeted: Greeted, from: { readonly address: Address; readonly isDialled: boolean }): void {
    if (this.#stop.signal.aborted) {
      greeted.socket.terminate();
      return;
    }
    const id = this.#context.nextConnectionId();
    const { geometry } = this.torrent;
    const { limitUp, limitDown, memory } = this.#context;
    const share = memory.share(limitUp?.pieceBytes);
    const outbox = new Outbox({
      unread: memory,
      blockBytes: () => share.blockBytes,
      runBytes: (run) => geometry.runRange(run).length,
    });
    const connection = new Connection(this.#context.clock, greeted.socket, {
      id,
      torrent: this.torrent,
      greeted,
      outbox,
      memory: share,
      receive: this.#receivePort(id, greeted.socket.remote.host),
      send: this.#sendPort(id),
      buffers: this.#buffers,
      verifier: this.#context.verifier,
      sink: createPartSink((held: HeldRun) => this.#settle(id, held), undefined),
      limitDown,
      limitUp,
    });
    this.#connections.set(id, connection);
    this.#heartbeat.wake();
    const { peerId, listenPort } = greeted.established;
    this.#dispatch({
      type: "joined",
      connection: id,
      peerId,
      isListening: listenPort > 0,
      remoteHost: greeted.socket.remote.host,
      ...from,
    });
    this.#track(this.#runConnection(id, connection));
  }

  originOf(address: Address): AddressOrigin {
    return this.#engine.originOf(address);
  }

  dialFailed(address: Address, reason: string): void {
    this.#dispatch({ type: "dialFailed", address, reason });
  }

  dialledSelf(address: Address): void {
    this.#dispatch({ type: "dialledSelf", address });
  }

  /** From here on parts are read from another file of the same content. */
  replaceSource(source: PartSource): void {
    this.#source = source;
  }

  /** @param listener is told when the file cannot be read any more */
  onFailure(listener: (cause: unknown) => void): void {
    this.#onFailure = listener;
  }

  /** Says goodbye to everybody, the trackers too. When it resolves nothing of the swarm runs any more. */
  async stop(reason: string): Promise<void> {
    this.#stop.abort();
    for (const connection of this.#connections.values()) connection.close(reason);
    await Promise.all(this.#running);
  }

  #receivePort(connection: ConnectionId, remoteHost: string): ReceivePort {
    return {
      onMessage: (said) => {
        const message = withoutForbiddenIn(said, remoteHost);
        this.#dispatch({ type: "message", connection, message });
      },
      requested: (first) => this.#engine.requested(connection, first),
      onArrived: (first, bytes) => this.#dispatch({ type: "arrived", connection, first, bytes }),
      onBadPart: (run, part) => this.#dispatch({ type: "bad", connection, run, part }),
    };
  }

  #sendPort(connection: ConnectionId): SendPort {
    return {
      source: () => this.#turns,
      onSent: (bytes) => this.#dispatch({ type: "sent", connection, bytes }),
      onServed: (run, bytes) => this.#dispatch({ type: "served", connection, run, bytes }),
      onUnreadable: (_run, cause) => this.#fail(cause),
    };
  }

  /** A verified run reaches the store, or the pipe. Only from here on it counts as received: what a broken pipeline loses before is
   * still owed by the connection, and asked of another. */
  async #settle(connection: ConnectionId, held: HeldRun): Promise<void> {
    const { run } = held;
    const isWanted = this.#engine.isWanted(run);
    this.#dispatch({ type: "verified", connection, run });
    const { pipe } = this.#options;
    if (isWanted && pipe !== undefined) pipe.take(held);
    else await this.#write(held, isWanted);
    if (isWanted) this.#dispatch({ type: "written", run });
  }

  async #write(held: HeldRun, isWanted: boolean): Promise<void> {
    try {
      if (isWanted) await this.#options.store?.write(held);
    } catch (cause) {
      this.#fail(cause);
      throw cause;
    } finally {
      held.release();
    }
  }

  async #runConnection(id: ConnectionId, connection: Connection): Promise<void> {
    const reason = await connection.run();
    this.#connections.delete(id);
    this.#dispatch({ type: "left", connection: id, reason });
  }

  /** Time matters to a swarm that wants something, and to one that somebody is connected to. */
  #tick(): boolean {
    const isHeldBack = this.#context.limitDown?.isHoldingBack ?? false;
    for (const connection of this.#connections.values()) connection.review();
    this.#dispatch({ type: "tick", isHeldBack });
    return this.#connections.size > 0 || !this.#engine.isComplete;
  }

  #dispatch(event: SwarmEvent): void {
    for (const effect of this.#engine.handle(event, this.#context.clock.monotonic()))
      this.#carryOut(effect);
  }

  #carryOut(effect: SwarmEffect): void {
    switch (effect.type) {
      case "dial":
        if (!this.#stop.signal.aborted)
          this.#track(this.#context.dial(this, effect.address, this.#stop.signal));
        return;
      case "report":
        reportPeer(effect, this.#context.log, this.#options.emit);
        return;
      case "complete":
        this.#complete.resolve();
        if (this.#options.pipe === undefined) this.#announcing.complete();
        return;
      case "suspect":
        this.#fail(suspectError(effect.part));
        return;
      default:
        this.#carryOutOn(effect);
    }
  }

  #carryOutOn(effect: ConnectionEffect): void {
    const connection = this.#connections.get(effect.connection);
    if (connection === undefined || !carryOutOn(connection, effect) || effect.type !== "unserve")
      return;
    this.#dispatch({ ...effect, type: "served", bytes: 0 });
  }

  #fail(cause: unknown): void {
    this.#complete.reject(cause);
    // When everything ends, the file is closed under its last reads: that is no failure of it.
    if (!this.#stop.signal.aborted) this.#onFailure?.(cause);
  }

  #track(running: Promise<void>): void {
    const tracked = running.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }
}

function suspectError(part: PartIndex): IntegrityError {
  const state = "several peers sent it wrong, so the torrent or this machine's memory is wrong";
  return new IntegrityError("part_mismatch", `Cannot get part ${part}: ${state}`);
}
