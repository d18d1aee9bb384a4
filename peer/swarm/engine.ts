import type { Address } from "../../protocol/address.ts";
import { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry, PartIndex, PartRun } from "../../protocol/geometry.ts";
import type { ControlMessage, HaveMessage } from "../../protocol/messages.ts";
import { Answers } from "./answers.ts";
import { Asking } from "./asking.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import type { EngineOptions } from "./engine-options.ts";
import { Exchange } from "./exchange.ts";
import { Lateness } from "./lateness.ts";
import { Members } from "./members.ts";
import type {
  AddressOrigin,
  ConnectionId,
  SwarmEffect,
  SwarmEvent,
  SwarmStats,
  WaitingFor,
} from "./messages.ts";
import { explainMissing } from "./missing.ts";
import { Picker } from "./picker.ts";
import { RequestLedger } from "./requests.ts";
import { RULES } from "./rules.ts";
import { Serving } from "./serving.ts";
import { Silence } from "./silence.ts";
import { TakeOver } from "./take-over.ts";
import { Window } from "./window.ts";

type Of<Type extends SwarmEvent["type"]> = Extract<SwarmEvent, { readonly type: Type }>;

/** One swarm as this peer sees it: the only owner of its state.
 *
 * Each event is applied whole, at a time that is given, and answered with effects for others to carry out. No I/O, no
 * clock, no chance but the given one: the same events give the same effects. */
export class Engine {
  readonly #geometry: Geometry;
  readonly #ledger: RequestLedger;
  readonly #picker: Picker;
  readonly #members: Members;
  readonly #asking: Asking;
  readonly #takeOver: TakeOver;
  readonly #lateness = new Lateness();
  readonly #silence: Silence;
  readonly #exchange: Exchange;
  /** Of a pipe. */
  readonly #window: Window | undefined;
  readonly #serving: Serving;
  readonly #answers: Answers;

  constructor(options: EngineOptions) {
    const { geometry, have, pipe, rules = RULES } = options;
    this.#geometry = geometry;
    const first = have.next(false, 0) ?? geometry.partCount;
    this.#window = pipe && new Window(geometry, { places: pipe.places, first });
    const order = pipe === undefined ? options.order : "sequential";
    const random = (below: number) => Math.floor(options.random() * below);
    const picker = new Picker(geometry, have, random, { order, window: this.#window });
    // What a pipe's reader took is gone: others are offered nothing of it.
    const offered = pipe === undefined ? have : new Bitfield(geometry.partCount);
    const members = new Members(geometry, picker, { ...options, offered, rules });
    const { peers } = members;
    const ledger = new RequestLedger(geometry);
    const asking = new Asking({ ...options, rules }, picker, ledger, peers);
    const takeOver = new TakeOver(rules, { picker, ledger, peers, asking });
    const heldBytesMax = options.inFlightBytesMax / 2;
    this.#silence = new Silence(asking, ledger, { peers, heldBytesMax });
    this.#exchange = new Exchange(rules, peers);
    this.#answers = new Answers(geometry, { picker, ledger, members, asking, takeOver });
    this.#serving = new Serving(geometry, rules, { have: offered, random });
    this.#picker = picker;
    this.#members = members;
    this.#ledger = ledger;
    this.#asking = asking;
    this.#takeOver = takeOver;
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

  /** @returns on whose word the address is known */
  originOf(address: Address): AddressOrigin {
    return this.#members.book.originOf(address);
  }

  /** @returns where others were reached, of which no tracker knows yet: at most so many, by lot */
  reached(most: number): readonly Address[] {
    return this.#members.book.reached(most);
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
      ...this.#answers.stats(),
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
        return this.#answers.onArrived(event, nowMs);
      case "verified":
        return yield* this.#answers.onVerified(event, nowMs);
      case "bad":
        return yield* this.#answers.onBad(event, nowMs);
      case "written":
        return yield* this.#answers.onWritten(event.run, nowMs);
      case "taken":
        this.#window?.take(event.run);
        this.#picker.onTaken();
        return yield* this.#asking.fillAll(nowMs);
      case "sent":
        return yield* this.#serving.onSent(event.connection, event.bytes, nowMs);
      case "served":
        return yield* this.#serving.onServed(event.connection, event.run, event.bytes, nowMs);
      case "learned":
        this.#members.book.learn(event.addresses, event.source, event.teller);
        return yield* this.#members.dial(nowMs);
      case "dialFailed":
        this.#members.book.onFailed(event.address, event.reason, nowMs);
        return yield* this.#members.dial(nowMs);
      case "dialledSelf":
        return this.#members.book.onSelf(event.address);
      case "tick":
        this.#asking.onTick(event.isHeldBack ?? false, nowMs);
        return yield* this.#onTick(nowMs);
      default:
        return event satisfies never;
    }
  }

  *#onLeft(event: Of<"left">, nowMs: number): Generator<SwarmEffect> {
    const peer = this.#members.peers.get(event.connection);
    if (peer === undefined) return;
    for (const request of this.#ledger.drop(event.connection)) {
      if (!request.isCancelled) this.#asking.release(request.run);
    }
    yield* this.#members.leave(peer, event.reason, nowMs);
    yield* this.#serving.onLeft(event.connection, nowMs);
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
        this.#answers.forgetWrong(peer);
        return yield* this.#asking.fill(peer, nowMs);
      case "have":
        return yield* this.#onHave(peer, message, nowMs);
      case "request":
        return yield* this.#serving.onRequest(peer, message, nowMs);
      case "cancel":
        return yield* this.#serving.onCancel(peer, message);
      case "refuse":
        return yield* this.#answers.onRefuse(peer, message, nowMs);
      case "peers":
        this.#members.onPeers(peer, message);
        return yield* this.#members.dial(nowMs);
      case "ping":
        yield {
          type: "send",
          connection: peer.connection,
          message: { type: "pong", id: message.id, readAtMs: Math.floor(nowMs) % 2 ** 32 },
        };
        return;
      case "pong":
        return yield* this.#serving.onPong(peer.connection, message, nowMs);
      case "bye":
        yield { type: "close", connection: peer.connection, reason: `it left: ${message.reason}` };
        return;
      default:
        return message satisfies never;
    }
  }

  *#onHave(peer: ConnectedPeer, message: HaveMessage, nowMs: number): Generator<SwarmEffect> {
    const run = this.#geometry.run(message.first, message.count);
    if (run === undefined) return;
    yield* this.#members.onHave(peer, run);
    this.#answers.forgetWrong(peer);
    yield* this.#asking.fillFrom(peer, run, nowMs);
  }

  *#onTick(nowMs: number): Generator<SwarmEffect> {
    yield* this.#answers.giveUp(nowMs);
    yield* this.#silence.review(nowMs);
    this.#lateness.onTick(nowMs);
    const isReceiving = this.#asking.isReceiving(nowMs);
    yield* this.#serving.review({ isReceiving, lateMs: this.#lateness.ms }, nowMs);
    if (this.#window !== undefined) yield* this.#members.closeEmpty(nowMs);
    yield* this.#asking.fillAll(nowMs);
    yield* this.#takeOver.review(nowMs);
    yield* this.#exchange.review(nowMs);
    yield* this.#members.makeRoom(nowMs);
    yield* this.#members.dial(nowMs);
  }
}
