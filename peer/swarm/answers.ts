import { formatAddress } from "../../protocol/address.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { Geometry, PartIndex, PartRun } from "../../protocol/geometry.ts";
import type { RefuseMessage } from "../../protocol/messages.ts";
import type { Asking } from "./asking.ts";
import { Blame } from "./blame.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import type { Members } from "./members.ts";
import type { SwarmEffect, SwarmEvent } from "./messages.ts";
import type { Picker } from "./picker.ts";
import type { RequestLedger } from "./requests.ts";
import type { TakeOver } from "./take-over.ts";

type Of<Type extends SwarmEvent["type"]> = Extract<SwarmEvent, { readonly type: Type }>;

/** What comes back for what was asked: data that is right or wrong, or a refusal; and who is to blame or to be thanked. */
export class Answers {
  readonly #geometry: Geometry;
  readonly #picker: Picker;
  readonly #ledger: RequestLedger;
  readonly #members: Members;
  readonly #asking: Asking;
  readonly #takeOver: TakeOver;
  readonly #blame = new Blame();
  readonly #bytesPerPeer = new Map<string, number>();
  #badParts = 0;
  #duplicateBytes = 0;

  constructor(
    geometry: Geometry,
    parts: {
      readonly picker: Picker;
      readonly ledger: RequestLedger;
      readonly members: Members;
      readonly asking: Asking;
      readonly takeOver: TakeOver;
    },
  ) {
    this.#geometry = geometry;
    this.#picker = parts.picker;
    this.#ledger = parts.ledger;
    this.#members = parts.members;
    this.#asking = parts.asking;
    this.#takeOver = parts.takeOver;
  }

  stats() {
    return {
      bytesPerPeer: new Map(this.#bytesPerPeer),
      badParts: this.#badParts,
      duplicateBytes: this.#duplicateBytes,
    };
  }

  /** What it sent wrong once is not among what the peer has for us. */
  forgetWrong(peer: ConnectedPeer): void {
    for (const part of this.#blame.partsOf(peer.address)) this.#members.forget(peer, part, 1);
  }

  onArrived(event: Of<"arrived">, nowMs: number): void {
    const peer = this.#members.peers.get(event.connection);
    const request = this.#ledger.find(event.connection, event.first);
    if (peer === undefined || request === undefined) return;
    if (request.bytesArrived === 0) {
      const ms = nowMs - request.askedAtMs;
      peer.roundTripMs = Math.min(peer.roundTripMs ?? ms, ms);
    }
    request.bytesArrived += event.bytes;
    peer.received.add(event.bytes, nowMs);
    this.#asking.onArrived(event.bytes, nowMs);
    peer.heardAtMs = nowMs;
    peer.dataAtMs = nowMs;
    peer.silences = 0;
    peer.pingedAtMs = undefined;
    peer.lastAnswer = "sending";
  }

  *onVerified(event: Of<"verified">, nowMs: number): Generator<SwarmEffect> {
    const { connection, run } = event;
    const { length } = this.#geometry.runRange(run);
    const isWanted = this.#picker.isWanted(run);
    const request = this.#ledger.settle(connection, run.first);
    if (isWanted) {
      this.#asking.unwritten.add(run, length, nowMs);
      this.#picker.keep(run);
      yield* this.#asking.withdraw(run);
    } else this.#duplicateBytes += length;
    const peer = this.#members.peers.get(connection);
    if (request === undefined || peer === undefined) return;
    const key = formatAddress(peer.address);
    if (!this.#bytesPerPeer.has(key)) this.#members.book.onDelivered(peer.address);
    this.#bytesPerPeer.set(key, (this.#bytesPerPeer.get(key) ?? 0) + length);
    this.#asking.deepen(peer, request, nowMs);
    yield* this.#asking.fill(peer, nowMs);
    yield* this.#takeOver.help(peer, nowMs);
  }

  *onBad(event: Of<"bad">, nowMs: number): Generator<SwarmEffect> {
    const { connection, run, part } = event;
    this.#badParts++;
    const request = this.#ledger.settle(connection, run.first);
    if (request !== undefined && !request.isCancelled) this.#asking.release(run);
    const peer = this.#members.peers.get(connection);
    if (peer === undefined) return;
    const reason = `it sent a wrong part ${part}`;
    if (this.#blame.note(part, peer.address, nowMs)) yield* this.#members.ban(peer, reason);
    else yield { type: "close", connection, reason };
    yield* this.#asking.fillAll(nowMs);
  }

  *onWritten(run: PartRun, nowMs: number): Generator<SwarmEffect> {
    const { length } = this.#geometry.runRange(run);
    this.#asking.unwritten.remove(run, length);
    if (!this.#picker.finish(run)) {
      this.#duplicateBytes += length;
      return;
    }
    yield* this.#members.tell(run);
    if (!this.#picker.have.isFull) {
      yield* this.#asking.fillFreed(nowMs);
      return;
    }
    yield { type: "complete" };
    yield* this.#members.tellAll();
    for (const peer of [...this.#members.peers.values()]) yield* this.#members.closeIfUseless(peer);
  }

  /** @throws {ProtocolError} not_requested */
  *onRefuse(peer: ConnectedPeer, message: RefuseMessage, nowMs: number): Generator<SwarmEffect> {
    const { connection } = peer;
    const first = this.#geometry.part(message.first);
    const request = first === undefined ? undefined : this.#ledger.find(connection, first);
    if (request === undefined || request.run.count !== message.count) {
      throw new ProtocolError("not_requested", "Cannot take refuse: the run was not requested");
    }
    this.#ledger.settle(connection, request.run.first);
    if (!request.isCancelled) this.#asking.release(request.run);
    if (message.reason === "cancelled" && request.isCancelled) {
      yield* this.#asking.fill(peer, nowMs);
      // A place in a reader's window has become free, for whoever is to be asked for its head.
      if (this.#picker.isWindowed) yield* this.#asking.fillAll(nowMs);
      else yield* this.#asking.fillFreed(nowMs);
      return;
    }
    peer.lastAnswer = message.reason;
    if (message.reason === "missing" || message.reason === "changed") {
      this.#members.forget(peer, message.first, message.count);
    } else {
      // It lives, and says that others are served: that is no silence.
      peer.dataAtMs = nowMs;
      peer.askAfterMs = nowMs + BUSY_RETRY_MS;
    }
    yield* this.#asking.fillAll(nowMs);
  }

  /** Parts that nobody is left to send right, each once. */
  *giveUp(nowMs: number): Generator<SwarmEffect> {
    const isHopeful = (part: PartIndex) =>
      this.#picker.have.has(part) || this.#members.hasHolder(part);
    for (const part of this.#blame.giveUp(isHopeful, nowMs)) yield { type: "suspect", part };
  }
}

const BUSY_RETRY_MS = 1000;
