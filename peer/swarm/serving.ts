import type { Bitfield } from "../../protocol/bitfield.ts";
import { InvariantError, ProtocolError } from "../../protocol/errors.ts";
import type { Geometry, PartRun, SpanIndex } from "../../protocol/geometry.ts";
import { REQUESTS_OPEN_MAX } from "../../protocol/limits.ts";
import type { CancelMessage, PongMessage, RequestMessage } from "../../protocol/messages.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import { Customer } from "./customer.ts";
import type { ConnectionId, SwarmEffect } from "./messages.ts";
import { refusal } from "./refusal.ts";
import type { Rules } from "./rules.ts";
import { type OwnState, SendPace } from "./send-pace.ts";
import { SendWindow } from "./send-window.ts";
import { isSooner, type Offer, type Turn } from "./turn.ts";
import { UploadSlots } from "./upload-slots.ts";

/** What others ask of us: each request is answered once, with its data or with a refusal.
 *
 * A few peers are served at a time, a run each, so that whoever is served soon has something to give on: it holds its place
 * until most of the run has arrived. Whose turn it is next: what we sent least often goes first, since nobody else can
 * give it; among equals whoever has least, then whoever got the fewest bytes. One turn in FAIR_TURN goes by bytes alone.
 * Whoever does not take what it is sent has no turn, and takes none from others: a few that read nothing would else keep
 * everybody waiting. */
export class Serving {
  readonly #geometry: Geometry;
  readonly #rules: Rules;
  readonly #have: Bitfield;
  readonly #customers = new Map<ConnectionId, Customer>();
  /** Connected peers that a span was sent to, or is being sent to. */
  readonly #copies: Uint16Array;
  readonly #slots: UploadSlots;
  readonly #pace: SendPace;
  readonly #random: (below: number) => number;
  #bytesServed = 0;
  #turns = 0;

  /** @param options.have the parts that can be served; changes as they come
   * @param options.random a whole number from 0 to below the given one */
  constructor(
    geometry: Geometry,
    rules: Rules,
    options: { readonly have: Bitfield; readonly random: (below: number) => number },
  ) {
    const { have, random } = options;
    this.#geometry = geometry;
    this.#have = have;
    this.#rules = rules;
    this.#pace = new SendPace(rules);
    this.#copies = new Uint16Array(geometry.spanCount);
    this.#slots = new UploadSlots(rules, geometry.partsPerSpan * geometry.partBytes);
    this.#random = random;
  }

  get bytesServed(): number {
    return this.#bytesServed;
  }

  /** @throws {ProtocolError} too_many_requests, bad_order (the same request twice) */
  *onRequest(peer: ConnectedPeer, message: RequestMessage, nowMs: number): Generator<SwarmEffect> {
    const { connection } = peer;
    peer.wantedAtMs = nowMs;
    const customer = this.#customers.get(connection) ?? this.#welcome(peer);
    if (customer.openCount >= REQUESTS_OPEN_MAX) {
      throw new ProtocolError(
        "too_many_requests",
        `Cannot serve: more than ${REQUESTS_OPEN_MAX} requests open`,
      );
    }
    const first = this.#geometry.part(message.first);
    if (first !== undefined && customer.isOpen(first))
      throw new ProtocolError("bad_order", "Cannot serve: the run is requested already");
    const run = this.#geometry.run(message.first, message.count);
    if (run === undefined || !this.#hasAll(run)) {
      const { first, count } = message;
      yield refusal(connection, { first, count }, "missing");
      return;
    }
    if (!customer.isWaiting) customer.bytes = Math.max(customer.bytes, this.#fewestBytes());
    customer.waiting.set(run.first, { run, sinceMs: nowMs });
    yield* this.#serveNext(nowMs);
  }

  /** The remote takes a request back; one that was answered meanwhile is no fault of either. */
  *onCancel(peer: ConnectedPeer, message: CancelMessage): Generator<SwarmEffect> {
    const { connection } = peer;
    const run = this.#geometry.run(message.first, message.count);
    const customer = this.#customers.get(connection);
    if (run === undefined || customer === undefined) return;
    if (customer.serving?.first === run.first && customer.serving.count === run.count)
      yield { type: "unserve", connection, run };
    else if (customer.waiting.get(run.first)?.run.count === run.count) {
      customer.waiting.delete(run.first);
      yield refusal(connection, run, "cancelled");
    }
  }

  /** Some of a run goes out. */
  *onSent(connection: ConnectionId, bytes: number, nowMs: number): Generator<SwarmEffect> {
    this.#bytesServed += bytes;
    this.#pace.onSent(bytes, nowMs);
    const customer = this.#customers.get(connection);
    if (customer === undefined) return;
    yield* ping(connection, customer.window.onSent(bytes, nowMs));
    yield* customer.hold();
  }

  /** What was sent before a ping has arrived: somebody's turn. */
  *onPong(connection: ConnectionId, pong: PongMessage, nowMs: number): Generator<SwarmEffect> {
    const customer = this.#customers.get(connection);
    const bytes = customer?.window.onPong(pong, nowMs) ?? 0;
    if (customer === undefined || bytes === 0) return;
    customer.isStuck = false;
    yield* customer.hold();
    this.#slots.onArrived(bytes, nowMs);
    yield* this.#serveNext(nowMs);
  }

  /** All of the run went out, or what was left of it was refused: somebody's turn. */
  *onServed(
    connection: ConnectionId,
    run: PartRun,
    bytes: number,
    nowMs: number,
  ): Generator<SwarmEffect> {
    const customer = this.#customers.get(connection);
    if (customer?.serving?.first === run.first) {
      const span = this.#newSpanOf(customer);
      if (span !== undefined && bytes > 0) customer.spans.add(span);
      else if (span !== undefined) this.#count(span, -1);
      customer.serving = undefined;
      customer.bytes += bytes;
    }
    yield* this.#serveNext(nowMs);
  }

  /** The connection is gone. */
  *onLeft(connection: ConnectionId, nowMs: number): Generator<SwarmEffect> {
    const customer = this.#customers.get(connection);
    if (customer === undefined) return;
    this.#customers.delete(connection);
    for (const span of customer.spans) this.#count(span, -1);
    const span = this.#newSpanOf(customer);
    if (span !== undefined) this.#count(span, -1);
    yield* this.#serveNext(nowMs);
  }

  /** Refuses what would have to wait too long, so that it is asked of others; finds out how many to serve at a time. */
  *review(own: OwnState, nowMs: number): Generator<SwarmEffect> {
    this.#pace.review(own, nowMs);
    let isAnyoneWaiting = false;
    let roundTripMs = 0;
    let customers = 0;
    const bestRate = this.#bestRate();
    let late: Customer | undefined;
    for (const [connection, customer] of this.#customers) {
      roundTripMs = Math.max(roundTripMs, customer.window.roundTripMs);
      // One at a time: on a narrow line all are late who share it.
      const canBeLate = late === undefined;
      customer.review({ bestRate, canBeLate }, nowMs);
      if (customer.isOverdue(nowMs)) late ??= customer;
      const stuckMs = customer.window.stuckMs(nowMs);
      if (stuckMs >= patienceMs(customer.window.awaitedBytes) && !customer.peer.isLeaving)
        yield { type: "close", connection, reason: "it does not take what it asked for" };
      if (customer.openCount > 0) customers++;
      // Whoever is being served just now has nothing to complain of.
      if (customer.isBusy && !customer.isStuck) continue;
      yield* customer.refuseLate(nowMs);
      isAnyoneWaiting ||= customer.isReady;
    }
    const isSeed = this.#have.isFull;
    this.#slots.review({ isAnyoneWaiting, roundTripMs, customers, isSeed }, nowMs);
    yield* this.#serveNext(nowMs);
  }

  #welcome(peer: ConnectedPeer): Customer {
    const customer = new Customer(peer, new SendWindow(this.#pace, this.#random));
    this.#customers.set(peer.connection, customer);
    return customer;
  }

  *#serveNext(nowMs: number): Generator<SwarmEffect> {
    for (;;) {
      const next = this.#next();
      if (next === undefined) return;
      const { connection, customer, run } = next;
      customer.waiting.delete(run.first);
      customer.serving = run;
      customer.turnAtMs = nowMs;
      const span = this.#newSpanOf(customer);
      if (span !== undefined) this.#count(span, 1);
      yield* ping(connection, customer.window.onServe(nowMs));
      yield { type: "serve", connection, run, blockBytes: customer.window.markBytes };
    }
  }

  #next(): Turn | undefined {
    // Now and then it is simply the turn of whoever got least, whatever he asks for and says he has: nobody waits for ever.
    const isByRarity = this.#rules.servesRarestFirst && this.#turns % FAIR_TURN !== 0;
    let best: Turn | undefined;
    for (const customer of this.#contenders()) {
      const offer = isByRarity ? this.#rarestOf(customer) : this.#oldestOf(customer);
      const turn = { connection: customer.peer.connection, customer, ...offer };
      if (best === undefined || isSooner(turn, best)) best = turn;
    }
    if (best !== undefined) this.#turns++;
    return best;
  }

  /** Those who can be next: whoever has no place yet, if there is one to be had. When everybody who wants something has
   * one, nobody has to wait for what is under way. */
  #contenders(): readonly Customer[] {
    let placesHeld = 0;
    const holders: Customer[] = [];
    const others: Customer[] = [];
    for (const customer of this.#customers.values()) {
      if (customer.holdsPlace) placesHeld++;
      if (customer.isReady) (customer.holdsPlace ? holders : others).push(customer);
    }
    if (others.length === 0) return holders;
    return placesHeld < this.#slots.count ? others : [];
  }

  #rarestOf(customer: Customer): Offer {
    let best: Offer | undefined;
    const had = customer.peer.bits.count;
    for (const { run } of customer.waiting.values()) {
      const copies = this.#copies[this.#geometry.spanOf(run.first)] ?? 0;
      if (best === undefined || copies < best.copies) best = { run, copies, had };
      if (copies === 0) break;
    }
    return best ?? this.#oldestOf(customer);
  }

  /** By bytes alone: nothing else is looked at. */
  #oldestOf(customer: Customer): Offer {
    for (const { run } of customer.waiting.values()) return { run, copies: 0, had: 0 };
    throw new InvariantError("Whoever waits has a request open");
  }

  #bestRate(): number {
    let best = 0;
    for (const { window } of this.#customers.values())
      best = Math.max(best, window.bytesPerSecond ?? 0);
    return best;
  }

  /** A newcomer begins with what the least served of the others has got: it is not owed what it was not there for. */
  #fewestBytes(): number {
    let fewest = Number.POSITIVE_INFINITY;
    for (const { isWaiting, serving, bytes } of this.#customers.values())
      if (isWaiting || serving !== undefined) fewest = Math.min(fewest, bytes);
    return Number.isFinite(fewest) ? fewest : 0;
  }

  /** @returns the span that is being sent to it, when it had nothing of it before */
  #newSpanOf({ serving, spans }: Customer): SpanIndex | undefined {
    const span = serving && this.#geometry.spanOf(serving.first);
    return span === undefined || spans.has(span) ? undefined : span;
  }

  #count(span: SpanIndex, change: 1 | -1): void {
    this.#copies[span] = (this.#copies[span] ?? 0) + change;
  }

  #hasAll(run: PartRun): boolean {
    const gap = this.#have.next(false, run.first);
    return gap === undefined || gap >= run.first + run.count;
  }
}

/** Who limits himself takes the better part of a minute for what one answer stands for. */
function patienceMs(awaitedBytes: number): number {
  return PATIENCE_MS + Math.min((awaitedBytes * 1000) / BYTES_PER_SECOND_MIN, PATIENCE_MS);
}

function* ping(connection: ConnectionId, id: number | undefined): Generator<SwarmEffect> {
  if (id !== undefined) yield { type: "send", connection, message: { type: "ping", id } };
}

/** One turn in so many goes by bytes alone. */
const FAIR_TURN = 8;
/** One that takes so little holds memory of ours, and a connection, for nothing. */
const PATIENCE_MS = 60_000;
const BYTES_PER_SECOND_MIN = 1024;
