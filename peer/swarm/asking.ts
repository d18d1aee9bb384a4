import type { Geometry, PartRun } from "../../protocol/geometry.ts";
import { REQUESTS_OPEN_MAX } from "../../protocol/limits.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import type { ConnectionId, SwarmEffect } from "./messages.ts";
import type { Picker } from "./picker.ts";
import type { OpenRequest, RequestLedger } from "./requests.ts";
import type { Rules } from "./rules.ts";
import { Unwritten } from "./unwritten.ts";

/** Whom to ask for what, and when to take it back.
 *
 * Each part is asked of one peer at a time, until nothing is left that nobody was asked for. A peer is asked for as much as
 * it delivers in `depthMs`, within the memory that all requests share. One that has nothing free for us any more takes over
 * what a much slower one still owes, and at the very end what others owe is asked of it a second time. */
export class Asking {
  readonly #geometry: Geometry;
  readonly #rules: Rules;
  readonly #picker: Picker;
  readonly #ledger: RequestLedger;
  readonly #peers: ReadonlyMap<ConnectionId, ConnectedPeer>;
  readonly unwritten = new Unwritten();
  readonly #inFlightBytesMax: number;
  /** Whether somebody was not asked for want of memory. */
  #isShort = false;

  /** @param options.inFlightBytesMax bytes asked for and not yet written, over all connections */
  constructor(
    options: {
      readonly geometry: Geometry;
      readonly inFlightBytesMax: number;
      readonly rules: Rules;
    },
    picker: Picker,
    ledger: RequestLedger,
    peers: ReadonlyMap<ConnectionId, ConnectedPeer>,
  ) {
    this.#geometry = options.geometry;
    this.#rules = options.rules;
    this.#inFlightBytesMax = options.inFlightBytesMax;
    this.#picker = picker;
    this.#ledger = ledger;
    this.#peers = peers;
  }

  /** Bytes that came, or are under way, and are not written. */
  get heldBytes(): number {
    return this.#ledger.bytesTotal + this.unwritten.bytes;
  }

  /** Asks the peer for as much as it may owe. */
  *fill(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    while (this.#mayAsk(peer, nowMs)) {
      const run = this.#pick(peer);
      if (run === undefined) return;
      // What was taken back from this very peer is still to be answered; until then it cannot be asked again.
      if (this.#ledger.find(peer.connection, run.first) !== undefined) return;
      yield this.#ask(peer, run, nowMs);
    }
  }

  /** The same, and gives it what another owes when it has nothing else. */
  *fillOrTakeOver(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    yield* this.fill(peer, nowMs);
    if (peer.exhaustedAt === this.#picker.releases && this.#mayAsk(peer, nowMs))
      yield* this.#takeOver(peer, nowMs);
  }

  /** The peer has got the run: asks for it, when that is all it could be asked for. */
  *fillFrom(peer: ConnectedPeer, run: PartRun, nowMs: number): Generator<SwarmEffect> {
    if (peer.exhaustedAt === this.#picker.releases) {
      const news = this.#picker.pickWithin(run, peer.bits);
      if (news === undefined) return;
      peer.exhaustedAt = undefined;
    }
    yield* this.fill(peer, nowMs);
  }

  /** Asks every peer, the one that owes least first. */
  *fillAll(nowMs: number): Generator<SwarmEffect> {
    if (this.#picker.isAllClaimed && this.#ledger.bytesTotal === 0) return;
    this.#isShort = false;
    const peers = [...this.#peers.values()].filter((peer) => this.#mayAsk(peer, nowMs));
    peers.sort((left, right) => this.#owed(left) - this.#owed(right));
    for (const peer of peers) yield* this.fill(peer, nowMs);
  }

  /** Moves what is late to those that have nothing else to do. */
  *takeOverLate(nowMs: number): Generator<SwarmEffect> {
    if (this.#ledger.bytesTotal === 0) return;
    for (const peer of this.#peers.values()) {
      if (peer.exhaustedAt === this.#picker.releases && this.#mayAsk(peer, nowMs))
        yield* this.#takeOver(peer, nowMs);
    }
  }

  /** Memory has become free: asks those that waited for it. */
  *fillFreed(nowMs: number): Generator<SwarmEffect> {
    if (this.#isShort) yield* this.fillAll(nowMs);
  }

  /** Lets the peer owe more as it delivers, up to what its rate carries through `depthMs`. */
  deepen(peer: ConnectedPeer, bytes: number, nowMs: number): void {
    const rate = peer.received.bytesPerSecond(nowMs);
    const wanted = Math.max((rate * this.#rules.depthMs) / 1000, 2 * this.#spanBytes());
    peer.depthBytes = Math.min(peer.depthBytes + bytes, wanted, DEPTH_BYTES_MAX);
  }

  /** How deep a new peer may be asked: two spans, so that one travels while the other is written. */
  firstDepthBytes(): number {
    return Math.min(2 * this.#spanBytes(), DEPTH_BYTES_MAX);
  }

  /** Takes a request back. Its parts are free unless another was asked for them, too; its answer is still to come. */
  cancel(request: OpenRequest): SwarmEffect {
    request.isCancelled = true;
    this.release(request.run);
    const { first, count } = request.run;
    return {
      type: "send",
      connection: request.connection,
      message: { type: "cancel", first, count },
    };
  }

  /** The run is not coming from where it was asked for: what of it nobody else was asked for, and is not there already, is
   * free. */
  release(run: PartRun): void {
    this.#picker.release(run);
    for (const other of this.#ledger.touching(run)) this.#picker.claim(other.run);
    for (const held of this.unwritten.runs()) if (isTouching(held, run)) this.#picker.claim(held);
  }

  /** The run came: what else was asked for and lies within it need not be sent any more. */
  *withdraw(run: PartRun): Generator<SwarmEffect> {
    for (const request of [...this.#ledger.touching(run)]) {
      if (!isWithin(request.run, run)) continue;
      yield this.cancel(request);
      this.#picker.claim(request.run);
    }
  }

  #pick(peer: ConnectedPeer): PartRun | undefined {
    const { releases } = this.#picker;
    if (peer.exhaustedAt === releases) return undefined;
    const run = this.#picker.pick(peer.bits);
    peer.exhaustedAt = run === undefined ? releases : undefined;
    return run;
  }

  #mayAsk(peer: ConnectedPeer, nowMs: number): boolean {
    if (peer.isLeaving || peer.bits.isEmpty || peer.askAfterMs > nowMs) return false;
    if (this.#ledger.countOpen(peer.connection) >= REQUESTS_OPEN_MAX / 2) return false;
    if (this.#owed(peer) >= peer.depthBytes) return false;
    const { heldBytes } = this;
    const hasRoom = heldBytes === 0 || heldBytes + this.#spanBytes() <= this.#inFlightBytesMax;
    if (!hasRoom) this.#isShort = true;
    return hasRoom;
  }

  #ask(peer: ConnectedPeer, run: PartRun, nowMs: number): SwarmEffect {
    if (this.#owed(peer) === 0) peer.dataAtMs = nowMs;
    this.#picker.claim(run);
    const bytes = this.#geometry.runRange(run).length;
    this.#ledger.add({ connection: peer.connection, run, bytes, askedAtMs: nowMs });
    return { type: "send", connection: peer.connection, message: { type: "request", ...run } };
  }

  /** Moves to the peer what would take longest where it is, if the peer is a good deal faster; asks it of the peer, too,
   * when nothing but such is left and the peer would be no later. */
  *#takeOver(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    const ownMs = this.#expectedMs(peer, this.#owed(peer) + this.#spanBytes(), nowMs);
    const { takeOverFactor, duplicatesMax } = this.#rules;
    const moveMs = takeOverFactor * ownMs + TAKEOVER_MARGIN_MS;
    const doubleMs = this.#picker.isAllClaimed ? ownMs + ENDGAME_MARGIN_MS : moveMs;
    const late = this.#latestFor(peer, { aboveMs: Math.min(moveMs, doubleMs), nowMs });
    if (late === undefined) return;
    const { request, leftMs } = late;
    const copies = [...this.#ledger.touching(request.run)].length;
    if (copies === 1 && leftMs > moveMs) yield this.cancel(request);
    else if (!this.#picker.isAllClaimed || copies > duplicatesMax) return;
    yield this.#ask(peer, request.run, nowMs);
  }

  /** Among the last things that each of the others owes, the one that would come latest and that the peer has. */
  #latestFor(
    peer: ConnectedPeer,
    options: { readonly aboveMs: number; readonly nowMs: number },
  ): { readonly request: OpenRequest; readonly leftMs: number } | undefined {
    let latest: { readonly request: OpenRequest; readonly leftMs: number } | undefined;
    let aboveMs = options.aboveMs;
    for (const connection of this.#ledger.owing()) {
      const holder = this.#peers.get(connection);
      if (holder === undefined || holder === peer) continue;
      const leftMs = this.#expectedMs(holder, this.#owed(holder), options.nowMs);
      if (leftMs <= aboveMs) continue;
      const request = this.#lastOf(connection, peer);
      if (request === undefined) continue;
      latest = { request, leftMs };
      aboveMs = leftMs;
    }
    return latest;
  }

  /** @returns the last that the connection was asked for and that could be asked of the peer, too */
  #lastOf(connection: ConnectionId, peer: ConnectedPeer): OpenRequest | undefined {
    return this.#ledger
      .of(connection)
      .findLast(
        ({ run, isCancelled }) =>
          !isCancelled &&
          this.#picker.holds(peer.bits, run) &&
          this.#ledger.find(peer.connection, run.first) === undefined,
      );
  }

  /** When the bytes will have come. Of a peer that has not been measured, we expect what a fair one would do for some
   * time, and after that as little as it did. */
  #expectedMs(peer: ConnectedPeer, bytes: number, nowMs: number): number {
    const rate = peer.received.bytesPerSecond(nowMs);
    const silentMs = this.#owed(peer) > 0 ? nowMs - peer.dataAtMs : 0;
    if (rate > 0) return Math.max((bytes * 1000) / rate, silentMs);
    return silentMs > UNMEASURED_PATIENCE_MS ? Number.MAX_SAFE_INTEGER : UNMEASURED_PATIENCE_MS;
  }

  #owed(peer: ConnectedPeer): number {
    return this.#ledger.bytesOpen(peer.connection);
  }

  #spanBytes(): number {
    return this.#geometry.partsPerSpan * this.#geometry.partBytes;
  }
}

function isTouching(left: PartRun, right: PartRun): boolean {
  return left.first < right.first + right.count && right.first < left.first + left.count;
}

function isWithin(inner: PartRun, outer: PartRun): boolean {
  return inner.first >= outer.first && inner.first + inner.count <= outer.first + outer.count;
}

const DEPTH_BYTES_MAX = 16 * 1024 * 1024;
const TAKEOVER_MARGIN_MS = 250;
const ENDGAME_MARGIN_MS = 100;
const UNMEASURED_PATIENCE_MS = 2000;
