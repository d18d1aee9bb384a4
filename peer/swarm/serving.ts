import type { Bitfield } from "../../protocol/bitfield.ts";
import { InvariantError, ProtocolError } from "../../protocol/errors.ts";
import type { Geometry, PartIndex, PartRun, SpanIndex } from "../../protocol/geometry.ts";
import { REQUESTS_OPEN_MAX } from "../../protocol/limits.ts";
import type { CancelMessage, RefuseReason, RequestMessage } from "../../protocol/messages.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import type { ConnectionId, SwarmEffect } from "./messages.ts";
import type { Rules } from "./rules.ts";
import { UploadSlots } from "./upload-slots.ts";

/** What others ask of us: each request is answered once, with its data or with a refusal.
 *
 * A few peers are served at a time, a run each, so that whoever is served soon has something to give on. Whose turn it is
 * next: what we sent least often goes first, since nobody else can give it; among equals whoever has least, then whoever
 * got the fewest bytes. One turn in FAIR_TURN goes by bytes alone. Whoever does not take what it is sent has no turn, and
 * takes none from others: a few that read nothing would else keep everybody waiting. */
export class Serving {
  readonly #geometry: Geometry;
  readonly #rules: Rules;
  readonly #have: Bitfield;
  readonly #customers = new Map<ConnectionId, Customer>();
  /** Connected peers that we sent a span to. */
  readonly #copies: Uint16Array;
  readonly #slots: UploadSlots;
  #bytesServed = 0;
  #turns = 0;

  /** @param have the parts that can be served; changes as they come */
  constructor(geometry: Geometry, have: Bitfield, rules: Rules) {
    this.#geometry = geometry;
    this.#have = have;
    this.#rules = rules;
    this.#copies = new Uint16Array(geometry.spanCount);
    this.#slots = new UploadSlots(rules);
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
    yield* this.#serveNext();
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

  /** Some of a run went out. */
  onSent(bytes: number): void {
    this.#bytesServed += bytes;
    this.#slots.onSent(bytes);
  }

  /** All of the run went out, or what was left of it was refused: somebody's turn. */
  *onServed(connection: ConnectionId, run: PartRun, bytes: number): Generator<SwarmEffect> {
    const customer = this.#customers.get(connection);
    if (customer?.serving?.first === run.first) {
      customer.serving = undefined;
      customer.bytes += bytes;
      const span = this.#geometry.spanOf(run.first);
      if (bytes > 0 && !customer.spans.has(span)) {
        customer.spans.add(span);
        this.#count(span, 1);
      }
    }
    yield* this.#serveNext();
  }

  /** The connection is gone. */
  *onLeft(connection: ConnectionId): Generator<SwarmEffect> {
    const customer = this.#customers.get(connection);
    if (customer === undefined) return;
    this.#customers.delete(connection);
    for (const span of customer.spans) this.#count(span, -1);
    yield* this.#serveNext();
  }

  /** Refuses what would have to wait too long, so that it is asked of others; finds out how many to serve at a time.
   * @param stuck connections whose remote takes nothing just now */
  *review(stuck: ReadonlySet<ConnectionId> | undefined, nowMs: number): Generator<SwarmEffect> {
    let isAnyoneWaiting = false;
    for (const [connection, customer] of this.#customers) {
      customer.isStuck = stuck?.has(connection) ?? false;
      // Whoever is being served just now has nothing to complain of.
      if (customer.serving !== undefined) continue;
      for (const { run, sinceMs } of customer.waiting.values()) {
        if (nowMs - sinceMs < WAIT_MS_MAX) break;
        customer.waiting.delete(run.first);
        yield refusal(connection, run, "busy");
      }
      isAnyoneWaiting ||= customer.isReady;
    }
    this.#slots.review(isAnyoneWaiting, nowMs);
    yield* this.#serveNext();
  }

  #welcome(peer: ConnectedPeer): Customer {
    const customer = new Customer(peer);
    this.#customers.set(peer.connection, customer);
    return customer;
  }

  *#serveNext(): Generator<SwarmEffect> {
    for (;;) {
      const next = this.#next();
      if (next === undefined) return;
      const { connection, customer, run } = next;
      customer.waiting.delete(run.first);
      customer.serving = run;
      yield { type: "serve", connection, run };
    }
  }

  #next(): Turn | undefined {
    if (this.#busyCount() >= this.#slots.count) return undefined;
    // Now and then it is simply the turn of whoever got least, whatever he asks for and says he has: nobody waits for ever.
    const isByRarity = this.#rules.servesRarestFirst && this.#turns % FAIR_TURN !== 0;
    let best: Turn | undefined;
    for (const [connection, customer] of this.#customers) {
      if (!customer.isReady) continue;
      const offer = isByRarity ? this.#rarestOf(customer) : this.#oldestOf(customer);
      const turn = { connection, customer, ...offer };
      if (best === undefined || isSooner(turn, best)) best = turn;
    }
    if (best !== undefined) this.#turns++;
    return best;
  }

  #busyCount(): number {
    let count = 0;
    for (const { serving, isStuck } of this.#customers.values())
      if (serving !== undefined && !isStuck) count++;
    return count;
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

  /** A newcomer begins with what the least served of the others has got: it is not owed what it was not there for. */
  #fewestBytes(): number {
    let fewest = Number.POSITIVE_INFINITY;
    for (const { isWaiting, serving, bytes } of this.#customers.values())
      if (isWaiting || serving !== undefined) fewest = Math.min(fewest, bytes);
    return Number.isFinite(fewest) ? fewest : 0;
  }

  #count(span: SpanIndex, change: 1 | -1): void {
    this.#copies[span] = (this.#copies[span] ?? 0) + change;
  }

  #hasAll(run: PartRun): boolean {
    const gap = this.#have.next(false, run.first);
    return gap === undefined || gap >= run.first + run.count;
  }
}

/** One that asks things of us. */
class Customer {
  readonly peer: ConnectedPeer;
  /** Requests that wait for their turn, the oldest first. */
  readonly waiting = new Map<PartIndex, { readonly run: PartRun; readonly sinceMs: number }>();
  /** What is being sent. */
  serving: PartRun | undefined;
  /** Spans of which it got something. */
  readonly spans = new Set<SpanIndex>();
  /** Bytes it got, or was not there for. */
  bytes = 0;
  /** Whether it took nothing of what it is sent, at the last look. */
  isStuck = false;

  constructor(peer: ConnectedPeer) {
    this.peer = peer;
  }

  get isWaiting(): boolean {
    return this.waiting.size > 0;
  }

  /** Whether it can have a turn. */
  get isReady(): boolean {
    return this.isWaiting && this.serving === undefined && !this.isStuck;
  }

  get openCount(): number {
    return this.waiting.size + (this.serving === undefined ? 0 : 1);
  }

  isOpen(first: PartIndex): boolean {
    return this.waiting.has(first) || this.serving?.first === first;
  }
}

/** What somebody would be sent, and what speaks for it. */
interface Offer {
  readonly run: PartRun;
  /** Connected peers that we sent it to. */
  readonly copies: number;
  /** Parts that the asker has: who has few has nobody else to ask, or nothing yet to give. */
  readonly had: number;
}

/** Who is next, and with what. */
interface Turn extends Offer {
  readonly connection: ConnectionId;
  readonly customer: Customer;
}

function isSooner(one: Turn, other: Turn): boolean {
  if (one.copies !== other.copies) return one.copies < other.copies;
  if (one.had !== other.had) return one.had < other.had;
  return one.customer.bytes < other.customer.bytes;
}

function refusal(
  connection: ConnectionId,
  run: { readonly first: number; readonly count: number },
  reason: RefuseReason,
): SwarmEffect {
  const { first, count } = run;
  return { type: "send", connection, message: { type: "refuse", first, count, reason } };
}

/** One turn in so many goes by bytes alone. */
const FAIR_TURN = 8;
/** Whoever would wait longer is told to ask others: well below the time after which it would think us dead. */
const WAIT_MS_MAX = 8000;
