import type { Geometry, PartRun } from "../../protocol/geometry.ts";
import { REQUESTS_OPEN_MAX } from "../../protocol/limits.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import type { ConnectionId, SwarmEffect } from "./messages.ts";
import type { Picker } from "./picker.ts";
import type { OpenRequest, RequestLedger } from "./requests.ts";
import { Unwritten } from "./unwritten.ts";

/** Whom to ask for what, and when to take it back.
 *
 * Each part is asked of one peer at a time. A peer is asked for as much as it delivers in DEPTH_MS, within the memory
 * that all requests share. When nothing is free any more, a fast peer takes over what a slow one still owes. */
export class Asking {
  readonly #geometry: Geometry;
  readonly #picker: Picker;
  readonly #ledger: RequestLedger;
  readonly #peers: ReadonlyMap<ConnectionId, ConnectedPeer>;
  readonly unwritten = new Unwritten();
  readonly #inFlightBytesMax: number;

  /** @param options.inFlightBytesMax bytes asked for and not yet written, over all connections */
  constructor(
    options: { readonly geometry: Geometry; readonly inFlightBytesMax: number },
    picker: Picker,
    ledger: RequestLedger,
    peers: ReadonlyMap<ConnectionId, ConnectedPeer>,
  ) {
    this.#geometry = options.geometry;
    this.#inFlightBytesMax = options.inFlightBytesMax;
    this.#picker = picker;
    this.#ledger = ledger;
    this.#peers = peers;
  }

  /** Asks the peer for as much as it may owe. */
  *fill(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    while (this.#mayAsk(peer, nowMs)) {
      const run = this.#picker.pick(peer.bits);
      if (run === undefined) {
        yield* this.#takeOver(peer, nowMs);
        return;
      }
      // What was taken back from this very peer is still to be answered; until then it cannot be asked again.
      if (this.#ledger.find(peer.connection, run.first) !== undefined) return;
      yield this.#ask(peer, run, nowMs);
    }
  }

  /** Asks every peer, the one that owes least first. */
  *fillAll(nowMs: number): Generator<SwarmEffect> {
    if (this.#picker.isAllClaimed && this.#ledger.bytesTotal === 0) return;
    const peers = [...this.#peers.values()].filter((peer) => this.#mayAsk(peer, nowMs));
    peers.sort((left, right) => this.#owed(left) - this.#owed(right));
    for (const peer of peers) yield* this.fill(peer, nowMs);
  }

  /** Lets the peer owe more as it delivers, up to what its rate carries through DEPTH_MS. */
  deepen(peer: ConnectedPeer, bytes: number, nowMs: number): void {
    const rate = peer.received.bytesPerSecond(nowMs);
    const wanted = Math.max((rate * DEPTH_MS) / 1000, 2 * this.#spanBytes());
    peer.depthBytes = Math.min(peer.depthBytes + bytes, wanted, DEPTH_BYTES_MAX);
  }

  /** How deep a new peer may be asked: two spans, so that one travels while the other is written. */
  firstDepthBytes(): number {
    return Math.min(2 * this.#spanBytes(), DEPTH_BYTES_MAX);
  }

  /** Takes a request back. Its parts are free; its answer is still to come. */
  cancel(request: OpenRequest): SwarmEffect {
    request.isCancelled = true;
    this.#picker.release(request.run);
    const { first, count } = request.run;
    return {
      type: "send",
      connection: request.connection,
      message: { type: "cancel", first, count },
    };
  }

  /** Parts that came another way need not be sent any more. */
  *withdraw(run: PartRun): Generator<SwarmEffect> {
    for (const request of [...this.#ledger.active()]) {
      const isTouched =
        request.run.first < run.first + run.count &&
        run.first < request.run.first + request.run.count;
      if (isTouched && !this.#picker.isWanted(request.run)) yield this.cancel(request);
    }
  }

  /** Looks after those that owe us and are silent: asked whether they live, freed of what others have, left. */
  *review(nowMs: number): Generator<SwarmEffect> {
    // A pipeline whose writes are behind reads nothing, not even a pong.
    const isOurFault =
      this.unwritten.bytes > this.#inFlightBytesMax / 2 ||
      this.unwritten.oldestMs(nowMs) > SLOW_WRITE_MS;
    for (const peer of [...this.#peers.values()]) {
      if (peer.isLeaving) continue;
      if (isOurFault) {
        peer.pingedAtMs = undefined;
        peer.heardAtMs = nowMs;
        peer.dataAtMs = nowMs;
      } else yield* this.#reviewPeer(peer, nowMs);
    }
  }

  *#reviewPeer(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    const owes = this.#owed(peer) > 0;
    const { connection } = peer;
    const noDataMs = owes && this.#peers.size > 1 ? nowMs - peer.dataAtMs : 0;
    const isSilent = peer.pingedAtMs !== undefined && nowMs - peer.pingedAtMs > PONG_MS_MAX;
    if (isSilent || noDataMs > NO_ANSWER_MS_MAX) {
      const reason = isSilent ? "it fell silent" : "it answers no request";
      yield { type: "close", connection, reason };
      return;
    }
    if (
      peer.pingedAtMs === undefined &&
      nowMs - peer.heardAtMs > (owes ? SILENT_OWING_MS : SILENT_IDLE_MS)
    ) {
      peer.pingedAtMs = nowMs;
      yield {
        type: "send",
        connection,
        message: { type: "ping", id: Math.floor(nowMs) % 2 ** 32 },
      };
    }
    if (noDataMs > NO_DATA_MS_MAX) yield* this.#snub(peer, nowMs);
  }

  /** It lives and sends nothing: others are asked for what it owes. */
  *#snub(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    peer.askAfterMs = nowMs + SNUB_MS;
    peer.lastAnswer = "nothing in time";
    peer.depthBytes = this.#spanBytes();
    for (const request of this.#ledger.of(peer.connection))
      if (!request.isCancelled) yield this.cancel(request);
  }

  #mayAsk(peer: ConnectedPeer, nowMs: number): boolean {
    if (peer.isLeaving || peer.bits.isEmpty || peer.askAfterMs > nowMs) return false;
    if (this.#ledger.countOpen(peer.connection) >= REQUESTS_OPEN_MAX / 2) return false;
    if (this.#owed(peer) >= peer.depthBytes) return false;
    const heldBytes = this.#ledger.bytesTotal + this.unwritten.bytes;
    return heldBytes === 0 || heldBytes + this.#spanBytes() <= this.#inFlightBytesMax;
  }

  #ask(peer: ConnectedPeer, run: PartRun, nowMs: number): SwarmEffect {
    if (this.#owed(peer) === 0) peer.dataAtMs = nowMs;
    this.#picker.claim(run);
    const bytes = this.#geometry.runRange(run).length;
    this.#ledger.add({ connection: peer.connection, run, bytes, askedAtMs: nowMs });
    return { type: "send", connection: peer.connection, message: { type: "request", ...run } };
  }

  /** Moves to the peer the request that would take longest where it is, if the peer is a good deal faster. */
  *#takeOver(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    const slowest = this.#slowestRequestFor(peer, nowMs);
    if (
      slowest === undefined ||
      this.#ledger.find(peer.connection, slowest.run.first) !== undefined
    )
      return;
    yield this.cancel(slowest);
    yield this.#ask(peer, slowest.run, nowMs);
  }

  #slowestRequestFor(peer: ConnectedPeer, nowMs: number): OpenRequest | undefined {
    let slowest: { readonly request: OpenRequest; readonly leftMs: number } | undefined;
    const ahead = new Map<ConnectionId, number>();
    for (const request of this.#ledger.active()) {
      const bytesAhead =
        (ahead.get(request.connection) ?? 0) + request.bytes - request.bytesArrived;
      ahead.set(request.connection, bytesAhead);
      const holder = this.#peers.get(request.connection);
      if (holder === undefined || holder === peer || !this.#holds(peer, request.run)) continue;
      const leftMs = this.#expectedMs(holder, bytesAhead, nowMs);
      if (slowest === undefined || leftMs > slowest.leftMs) slowest = { request, leftMs };
    }
    if (slowest === undefined) return undefined;
    const ownMs = this.#expectedMs(peer, this.#owed(peer) + slowest.request.bytes, nowMs);
    return slowest.leftMs > TAKEOVER_FACTOR * ownMs + TAKEOVER_MARGIN_MS
      ? slowest.request
      : undefined;
  }

  /** When the bytes will have come. Of a peer that has not been measured, we expect what a fair one would do for some
   * time, and after that as little as it did. */
  #expectedMs(peer: ConnectedPeer, bytes: number, nowMs: number): number {
    const rate = peer.received.bytesPerSecond(nowMs);
    const silentMs = this.#owed(peer) > 0 ? nowMs - peer.dataAtMs : 0;
    if (rate > 0) return Math.max((bytes * 1000) / rate, silentMs);
    return silentMs > UNMEASURED_PATIENCE_MS ? Number.MAX_SAFE_INTEGER : UNMEASURED_PATIENCE_MS;
  }

  #holds(peer: ConnectedPeer, run: PartRun): boolean {
    const gap = peer.bits.next(false, run.first);
    return gap === undefined || gap >= run.first + run.count;
  }

  #owed(peer: ConnectedPeer): number {
    return this.#ledger.bytesOpen(peer.connection);
  }

  #spanBytes(): number {
    return this.#geometry.partsPerSpan * this.#geometry.partBytes;
  }
}

const DEPTH_MS = 1000;
const DEPTH_BYTES_MAX = 16 * 1024 * 1024;
const TAKEOVER_FACTOR = 3;
const TAKEOVER_MARGIN_MS = 250;
const UNMEASURED_PATIENCE_MS = 2000;
/** Silence after which a peer is asked whether it lives, while it owes us data and otherwise; and how long it may take. */
const SILENT_OWING_MS = 10_000;
const SILENT_IDLE_MS = 60_000;
const PONG_MS_MAX = 20_000;
/** A peer that owes and sends no data for so long is not asked again for SNUB_MS. */
const NO_DATA_MS_MAX = 20_000;
const SNUB_MS = 60_000;
/** One that does not even answer that its requests were taken back holds memory for nothing: it is left. */
const NO_ANSWER_MS_MAX = 40_000;
/** A write that takes longer shows that it is our disk that is slow. */
const SLOW_WRITE_MS = 2000;
