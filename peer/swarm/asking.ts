import type { Geometry, PartRun } from "../../protocol/geometry.ts";
import { REQUESTS_OPEN_MAX } from "../../protocol/limits.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import { Intake } from "./intake.ts";
import type { ConnectionId, SwarmEffect } from "./messages.ts";
import { Pace, type Sharer } from "./pace.ts";
import type { Picker } from "./picker.ts";
import type { OpenRequest, RequestLedger } from "./requests.ts";
import type { Rules } from "./rules.ts";
import { Unwritten } from "./unwritten.ts";

/** Whom to ask for what, and when to take it back.
 *
 * Each part is asked of one peer at a time, until nothing is left that nobody was asked for. A peer is asked for as much as
 * it delivers in `depthMs`, within the memory that all requests share. */
export class Asking {
  readonly #geometry: Geometry;
  readonly #rules: Rules;
  readonly #picker: Picker;
  readonly #ledger: RequestLedger;
  readonly #peers: ReadonlyMap<ConnectionId, ConnectedPeer>;
  readonly unwritten = new Unwritten();
  readonly #intake: Intake;
  readonly #inFlightBytesMax: number;
  readonly #pace: Pace;
  #isHeldBack = false;
  /** Whether somebody was not asked for want of memory, or of a place in the window. */
  #isShort = false;

  /** @param options.inFlightBytesMax bytes asked for and not yet written, over all connections */
  constructor(
    options: {
      readonly geometry: Geometry;
      readonly inFlightBytesMax: number;
      readonly limitDownBytesPerSecond?: number | undefined;
      readonly rules: Rules;
    },
    picker: Picker,
    ledger: RequestLedger,
    peers: ReadonlyMap<ConnectionId, ConnectedPeer>,
  ) {
    this.#geometry = options.geometry;
    this.#rules = options.rules;
    this.#inFlightBytesMax = options.inFlightBytesMax;
    this.#pace = new Pace({
      bytesPerSecond: options.limitDownBytesPerSecond,
      paceMs: options.rules.paceMs,
    });
    this.#intake = new Intake(options.rules.fullShare);
    this.#picker = picker;
    this.#ledger = ledger;
    this.#peers = peers;
  }

  /** Whether a limit of our own makes what arrives wait: then everybody looks slow, and hardly anybody is (`isSlow`). */
  get isHeldBack(): boolean {
    return this.#isHeldBack;
  }

  /** Bytes of a run came. */
  onArrived(bytes: number, nowMs: number): void {
    this.#intake.onArrived(bytes, nowMs);
  }

  /** Whether our own line sets the pace: then hardly anybody would be sooner than another. */
  isLineFull(nowMs: number): boolean {
    return !this.#isHeldBack && this.#intake.isFull(nowMs);
  }

  /** Whether anything comes to us just now. */
  isReceiving(nowMs: number): boolean {
    return this.#intake.isFlowing(nowMs);
  }

  /** Whether less is under way than the limit lets pass in a moment. */
  runsDry(nowMs: number): boolean {
    return this.#pace.runsDry(this.#underWay(nowMs));
  }

  /** Whether the peer would be slow without the limit, too. */
  isSlow(peer: ConnectedPeer, nowMs: number): boolean {
    return this.#pace.isSlow(this.#toSharer(peer, nowMs), this.#ledger.countOwing);
  }

  /** @param isHeldBack as the getter says from now on */
  onTick(isHeldBack: boolean, nowMs: number): void {
    this.#isHeldBack = isHeldBack;
    this.#pace.review(isHeldBack, nowMs);
  }

  /** Bytes that came, or are under way, and are not written. */
  get heldBytes(): number {
    return this.#ledger.bytesTotal + this.unwritten.bytes;
  }

  /** Bytes of a span that is not the last. */
  get spanBytes(): number {
    return this.#geometry.partsPerSpan * this.#geometry.partBytes;
  }

  /** Bytes that the peer was asked for and has not answered. */
  owed(peer: ConnectedPeer): number {
    return this.#ledger.bytesOpen(peer.connection);
  }

  /** Whether there is a place for the run in the window of a reader; true where there is none. */
  hasPlaceFor(run: PartRun): boolean {
    return this.#picker.hasPlaceFor(run, this.#ledger.countTotal);
  }

  /** Whether the peer could owe more and has nothing free for us. */
  isIdle(peer: ConnectedPeer, nowMs: number): boolean {
    if (!this.#mayAsk(peer, nowMs)) return false;
    const run = this.#pick(peer);
    return run === undefined || !this.hasPlaceFor(run);
  }

  /** Asks the peer for the run. */
  ask(peer: ConnectedPeer, run: PartRun, nowMs: number): SwarmEffect {
    if (this.owed(peer) === 0) {
      peer.dataAtMs = nowMs;
      peer.busySinceMs = nowMs;
    }
    this.#picker.claim(run);
    const bytes = this.#geometry.runRange(run).length;
    const { connection, received } = peer;
    const receivedBefore = received.bytes;
    this.#ledger.add({ connection, run, bytes, askedAtMs: nowMs, receivedBefore });
    return { type: "send", connection, message: { type: "request", ...run } };
  }

  /** Asks the peer for as much as it may owe. */
  *fill(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    while (this.#mayAsk(peer, nowMs)) {
      const run = this.#pick(peer);
      if (run === undefined) return;
      if (!this.hasPlaceFor(run)) {
        this.#isShort = true;
        return;
      }
      // What was taken back from this very peer is still to be answered; until then it cannot be asked again.
      if (this.#ledger.find(peer.connection, run.first) !== undefined) return;
      yield this.ask(peer, run, nowMs);
    }
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
    peers.sort((left, right) => this.owed(left) - this.owed(right));
    for (const peer of peers) yield* this.fill(peer, nowMs);
  }

  /** Memory has become free: asks those that waited for it. */
  *fillFreed(nowMs: number): Generator<SwarmEffect> {
    if (this.#isShort) yield* this.fillAll(nowMs);
  }

  /** Lets the peer owe more as it delivers: as much as it delivers in `depthMs`, within DEPTH_BYTES_MAX; where the way is
   * long, whatever it delivers in ROUND_TRIPS, be it all the memory there is.
   * @param answered what it has just delivered */
  deepen(peer: ConnectedPeer, answered: OpenRequest, nowMs: number): void {
    const { received, roundTripMs = 0 } = peer;
    const rate = received.bytesPerSecond(nowMs);
    const queued = Math.min((rate * this.#rules.depthMs) / 1000, DEPTH_BYTES_MAX);
    // What came since this was asked for shows a rate that rises sooner than seconds do.
    const tookMs = Math.max(nowMs - answered.askedAtMs, 1);
    const lately = ((received.bytes - answered.receivedBefore) * 1000) / tookMs;
    const answerMs = Math.min(ROUND_TRIPS * roundTripMs, DEPTH_MS_MAX);
    const travelling = (Math.max(rate, lately) * answerMs) / 1000;
    const wanted = Math.max(queued, travelling, 2 * this.spanBytes);
    peer.depthBytes = Math.min(peer.depthBytes + answered.bytes, wanted);
  }

  /** How deep a new peer may be asked: two spans, so that one travels while the other is written. */
  firstDepthBytes(): number {
    return Math.min(2 * this.spanBytes, DEPTH_BYTES_MAX);
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
    if (!peer.isDialled && !this.#rules.asksCallers) return false;
    if (this.#ledger.countOpen(peer.connection) >= REQUESTS_OPEN_MAX / 2) return false;
    if (this.owed(peer) >= peer.depthBytes) return false;
    const hasRoom = this.#hasRoom(nowMs);
    if (!hasRoom) this.#isShort = true;
    return hasRoom;
  }

  /** Bytes that a limit of our own will make wait, or all that was asked for where there is none. */
  #underWay(nowMs: number): number {
    if (!this.#pace.isLimited) return this.#ledger.bytesTotal;
    const sharers = this.#ledger.countOwing;
    let bytes = 0;
    for (const connection of this.#ledger.owing()) {
      const peer = this.#peers.get(connection);
      if (peer !== undefined) bytes += this.#pace.share(this.#toSharer(peer, nowMs), sharers);
    }
    return bytes;
  }

  #toSharer(peer: ConnectedPeer, nowMs: number): Sharer {
    const { received, busySinceMs } = peer;
    return {
      owedBytes: this.owed(peer),
      busyMs: nowMs - busySinceMs,
      bytesPerSecond: received.bytesPerSecond(nowMs, busySinceMs),
    };
  }

  /** Whether one more span may be under way to us. */
  #hasRoom(nowMs: number): boolean {
    if (!this.#pace.allows(this.spanBytes, this.#underWay(nowMs), nowMs)) return false;
    // Runs for a reader have their places instead, however many bytes they are.
    if (this.#picker.isWindowed) return true;
    const { heldBytes } = this;
    return heldBytes === 0 || heldBytes + this.spanBytes <= this.#inFlightBytesMax;
  }
}

function isTouching(left: PartRun, right: PartRun): boolean {
  return left.first < right.first + right.count && right.first < left.first + left.count;
}

function isWithin(inner: PartRun, outer: PartRun): boolean {
  return inner.first >= outer.first && inner.first + inner.count <= outer.first + outer.count;
}

/** As much again as is on its way: with just as much the rate would stay what it is. */
const ROUND_TRIPS = 2;
const DEPTH_MS_MAX = 5000;
/** Where answers come at once, more would only lie in memory. */
const DEPTH_BYTES_MAX = 16 * 1024 * 1024;
