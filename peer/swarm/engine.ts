import { formatAddress } from "../../protocol/address.ts";
import type { Bitfield } from "../../protocol/bitfield.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { Geometry, PartIndex, PartRun } from "../../protocol/geometry.ts";
import type { PeerId } from "../../protocol/ids.ts";
import type { ControlMessage, RefuseMessage } from "../../protocol/messages.ts";
import { Asking } from "./asking.ts";
import { Blame } from "./blame.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import { Members } from "./members.ts";
import type { ConnectionId, SwarmEffect, SwarmEvent, SwarmStats, WaitingFor } from "./messages.ts";
import { explainMissing } from "./missing.ts";
import { Picker } from "./picker.ts";
import { RequestLedger } from "./requests.ts";
import { Serving } from "./serving.ts";

/** Everything random or given that the engine needs. */
export interface EngineOptions {
  readonly geometry: Geometry;
  /** Parts we have at the start; owned by the engine from here on. */
  readonly have: Bitfield;
  readonly peerId: PeerId;
  /** Connections at most. */
  readonly peersMax: number;
  /** Bytes asked for and not yet written, over all connections. */
  readonly inFlightBytesMax: number;
  /** From 0 to below 1. */
  readonly random: () => number;
}

type Of<Type extends SwarmEvent["type"]> = Extract<SwarmEvent, { readonly type: Type }>;

/** How often a `tick` is due at least, in milliseconds. */
export const TICK_MS = 250;

/** One swarm as this peer sees it: the only owner of its state.
 *
 * Each event is applied whole, at a time that is given, and answered with effects for others to carry out. No I/O, no
 * clock, no chance but the given one: the same events give the same effects. */
export class Engine {
  readonly #geometry: Geometry;
  readonly #ledger = new RequestLedger();
  readonly #picker: Picker;
  readonly #members: Members;
  readonly #asking: Asking;
  readonly #serving: Serving;
  readonly #bytesPerPeer = new Map<string, number>();
  readonly #blame = new Blame();
  #badParts = 0;
  #duplicateBytes = 0;

  constructor(options: EngineOptions) {
    const { geometry, have } = options;
    this.#geometry = geometry;
    this.#picker = new Picker(geometry, have, (below) => Math.floor(options.random() * below));
    this.#members = new Members(geometry, this.#picker, options);
    this.#asking = new Asking(options, this.#picker, this.#ledger, this.#members.peers);
    this.#serving = new Serving(geometry, have);
  }

  get isComplete(): boolean {
    return this.#picker.have.isFull;
  }

  /** Applies one event.
   * @param nowMs monotonic milliseconds, never going back
   * @throws {ProtocolError} when a message breaks the rules: its connection is to be closed */
  handle(event: SwarmEvent, nowMs: number): readonly SwarmEffect[] {
    const effects: SwarmEffect[] = [];
    for (const effect of this.#apply(event, nowMs)) {
      effects.push(effect);
      if (effect.type === "close") this.#members.onClosing(effect.connection);
    }
    return effects;
  }

  /** @returns the run that was asked of the connection with this first part, or undefined when none was */
  requested(connection: ConnectionId, first: PartIndex): PartRun | undefined {
    return this.#ledger.find(connection, first)?.run;
  }

  /** @returns whether any part of the run is still missing */
  isWanted(run: PartRun): boolean {
    return this.#picker.isWanted(run);
  }

  stats(): SwarmStats {
    const { have } = this.#picker;
    return {
      bytesDone: this.#picker.bytesDone,
      partsDone: have.count,
      isComplete: have.isFull,
      peers: this.#members.peers.size,
      peersKnown: this.#members.book.known,
      peersBanned: this.#members.book.banned,
      sources: this.#members.sources,
      isHungry: this.#members.isHungry,
      bytesPerPeer: new Map(this.#bytesPerPeer),
      badParts: this.#badParts,
      duplicateBytes: this.#duplicateBytes,
      bytesServed: this.#serving.bytesServed,
    };
  }

  /** @param partsMax how many missing parts to explain */
  waitingFor(partsMax: number): WaitingFor {
    return explainMissing(this.#geometry, this.#picker.have, this.#members, partsMax);
  }

  *#apply(event: SwarmEvent, nowMs: number): Generator<SwarmEffect> {
    switch (event.type) {
      case "joined":
        return yield* this.#members.join(event, this.#asking.firstDepthBytes(), nowMs);
      case "left":
        return yield* this.#onLeft(event, nowMs);
      case "message":
        return yield* this.#onMessage(event, nowMs);
      case "arrived":
        return this.#onArrived(event, nowMs);
      case "verified":
        return yield* this.#onVerified(event, nowMs);
      case "bad":
        return yield* this.#onBad(event, nowMs);
      case "written":
        return yield* this.#onWritten(event.run, nowMs);
      case "served":
        return this.#onServed(event);
      case "learned":
        this.#members.book.learn(event.addresses, event.source);
        return yield* this.#members.dial(nowMs);
      case "dialFailed":
        this.#members.book.onFailed(event.address, event.reason, nowMs);
        return yield* this.#members.dial(nowMs);
      case "dialledSelf":
        return this.#members.book.onSelf(event.address);
      case "tick":
        return yield* this.#onTick(nowMs);
      default:
        return event satisfies never;
    }
  }

  *#onLeft(event: Of<"left">, nowMs: number): Generator<SwarmEffect> {
    const peer = this.#members.peers.get(event.connection);
    if (peer === undefined) return;
    for (const request of this.#ledger.drop(event.connection)) {
      if (!request.isCancelled) this.#picker.release(request.run);
    }
    yield* this.#members.leave(peer, event.reason, nowMs);
    yield* this.#asking.fillAll(nowMs);
    yield* this.#members.dial(nowMs);
  }

  *#onMessage(event: Of<"message">, nowMs: number): Generator<SwarmEffect> {
    const peer = this.#members.peers.get(event.connection);
    if (peer === undefined) return;
    peer.heardAtMs = nowMs;
    peer.pingedAtMs = undefined;
    yield* this.#take(peer, event.message, nowMs);
  }

  *#take(peer: ConnectedPeer, message: ControlMessage, nowMs: number): Generator<SwarmEffect> {
    switch (message.type) {
      case "bitmap":
        yield* this.#members.onBitmap(peer, message);
        return yield* this.#onOffer(peer, nowMs);
      case "have":
        yield* this.#members.onHave(peer, message);
        return yield* this.#onOffer(peer, nowMs);
      case "request":
        yield this.#serving.onRequest(peer, message);
        return;
      case "cancel":
        return yield* this.#serving.onCancel(peer, message);
      case "refuse":
        return yield* this.#onRefuse(peer, message, nowMs);
      case "peers":
        this.#members.book.learn(message.peers, "exchange");
        return yield* this.#members.dial(nowMs);
      case "ping":
        yield {
          type: "send",
          connection: peer.connection,
          message: { type: "pong", id: message.id },
        };
        return;
      case "pong":
        return;
      case "bye":
        yield { type: "close", connection: peer.connection, reason: `it left: ${message.reason}` };
        return;
      default:
        return message satisfies never;
    }
  }

  /** It has more for us than before; what it sent wrong once is not among it. */
  *#onOffer(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    for (const part of this.#blame.partsOf(peer.address)) this.#members.forget(peer, part, 1);
    yield* this.#asking.fill(peer, nowMs);
  }

  *#onRefuse(peer: ConnectedPeer, message: RefuseMessage, nowMs: number): Generator<SwarmEffect> {
    const { connection } = peer;
    const first = this.#geometry.part(message.first);
    const request = first === undefined ? undefined : this.#ledger.find(connection, first);
    if (request === undefined || request.run.count !== message.count) {
      throw new ProtocolError("not_requested", "Cannot take refuse: the run was not requested");
    }
    this.#ledger.settle(connection, request.run.first);
    if (!request.isCancelled) this.#picker.release(request.run);
    const isAsWished = message.reason === "cancelled" && request.isCancelled;
    if (!isAsWished) peer.lastAnswer = message.reason;
    if (message.reason === "missing" || message.reason === "changed") {
      this.#members.forget(peer, message.first, message.count);
    } else if (!isAsWished) peer.askAfterMs = nowMs + BUSY_RETRY_MS;
    yield* this.#asking.fillAll(nowMs);
  }

  #onArrived(event: Of<"arrived">, nowMs: number): void {
    const peer = this.#members.peers.get(event.connection);
    const request = this.#ledger.find(event.connection, event.first);
    if (peer === undefined || request === undefined) return;
    request.bytesArrived += event.bytes;
    peer.received.add(event.bytes, nowMs);
    peer.heardAtMs = nowMs;
    peer.dataAtMs = nowMs;
    peer.pingedAtMs = undefined;
    peer.lastAnswer = "sending";
  }

  *#onVerified(event: Of<"verified">, nowMs: number): Generator<SwarmEffect> {
    const { connection, run } = event;
    const { length } = this.#geometry.runRange(run);
    if (this.#picker.isWanted(run)) this.#asking.unwritten.add(run, length, nowMs);
    else this.#duplicateBytes += length;
    const peer = this.#members.peers.get(connection);
    if (this.#ledger.settle(connection, run.first) === undefined || peer === undefined) return;
    const key = formatAddress(peer.address);
    this.#bytesPerPeer.set(key, (this.#bytesPerPeer.get(key) ?? 0) + length);
    this.#asking.deepen(peer, length, nowMs);
    yield* this.#asking.fill(peer, nowMs);
  }

  *#onBad(event: Of<"bad">, nowMs: number): Generator<SwarmEffect> {
    const { connection, run, part } = event;
    this.#badParts++;
    const request = this.#ledger.settle(connection, run.first);
    if (request !== undefined && !request.isCancelled) this.#picker.release(run);
    const peer = this.#members.peers.get(connection);
    if (peer === undefined) return;
    const reason = `it sent a wrong part ${part}`;
    if (this.#blame.note(part, peer.address, nowMs)) yield* this.#members.ban(peer, reason);
    else yield { type: "close", connection, reason };
    yield* this.#asking.fillAll(nowMs);
  }

  *#onWritten(run: PartRun, nowMs: number): Generator<SwarmEffect> {
    const { length } = this.#geometry.runRange(run);
    this.#asking.unwritten.remove(run, length);
    if (!this.#picker.finish(run)) {
      this.#duplicateBytes += length;
      return;
    }
    for (const peer of this.#members.peers.values()) {
      if (peer.bits.isFull) continue;
      yield { type: "send", connection: peer.connection, message: { type: "have", ...run } };
    }
    yield* this.#asking.withdraw(run);
    if (!this.#picker.have.isFull) {
      yield* this.#asking.fillAll(nowMs);
      return;
    }
    yield { type: "complete" };
    for (const peer of [...this.#members.peers.values()]) yield* this.#members.closeIfUseless(peer);
  }

  #onServed(event: Of<"served">): void {
    const peer = this.#members.peers.get(event.connection);
    if (peer !== undefined) this.#serving.onServed(peer, event.run, event.bytes);
  }

  *#onTick(nowMs: number): Generator<SwarmEffect> {
    const isHopeful = (part: PartIndex) =>
      this.#picker.have.has(part) || this.#members.hasHolder(part);
    for (const part of this.#blame.giveUp(isHopeful, nowMs)) yield { type: "suspect", part };
    yield* this.#asking.review(nowMs);
    yield* this.#asking.fillAll(nowMs);
    yield* this.#members.dial(nowMs);
  }
}

const BUSY_RETRY_MS = 1000;
