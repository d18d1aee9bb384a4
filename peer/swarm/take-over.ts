import type { Asking } from "./asking.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import type { ConnectionId, SwarmEffect } from "./messages.ts";
import type { Picker } from "./picker.ts";
import type { OpenRequest, RequestLedger } from "./requests.ts";
import type { Rules } from "./rules.ts";

/** What becomes of what is late: a peer that has nothing else for us takes it over from a much slower one; at the very end
 * it is asked for besides. */
export class TakeOver {
  readonly #rules: Rules;
  readonly #picker: Picker;
  readonly #ledger: RequestLedger;
  readonly #peers: ReadonlyMap<ConnectionId, ConnectedPeer>;
  readonly #asking: Asking;

  constructor(
    rules: Rules,
    parts: {
      readonly picker: Picker;
      readonly ledger: RequestLedger;
      readonly peers: ReadonlyMap<ConnectionId, ConnectedPeer>;
      readonly asking: Asking;
    },
  ) {
    this.#rules = rules;
    this.#picker = parts.picker;
    this.#ledger = parts.ledger;
    this.#peers = parts.peers;
    this.#asking = parts.asking;
  }

  /** Gives every peer that has nothing to do something that is late. */
  *review(nowMs: number): Generator<SwarmEffect> {
    if (this.#ledger.bytesTotal === 0) return;
    for (const peer of this.#peers.values()) yield* this.help(peer, nowMs);
  }

  /** Moves to the peer, when it has nothing else to do, what would take longest where it is, if the peer is a good deal
   * faster; asks it of the peer, too, when nothing but such is left and the peer would be no later. */
  *help(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    if (!this.#asking.isIdle(peer, nowMs)) return;
    if (this.#asking.isHeldBack && !this.#asking.runsDry(nowMs)) return;
    const ownMs = this.#expectedMs(peer, this.#asking.owed(peer) + this.#asking.spanBytes, nowMs);
    const moveMs = this.#rules.takeOverFactor * ownMs + MOVE_MARGIN_MS;
    const isEndgame = this.#picker.isAllClaimed && !this.#picker.isWindowed;
    const aboveMs = isEndgame ? Math.min(moveMs, ownMs + ENDGAME_MARGIN_MS) : moveMs;
    const isLineFull = this.#asking.isLineFull(nowMs);
    const late = this.#lateFor(peer, { aboveMs, moveMs, isLineFull, nowMs });
    if (late === undefined) return;
    const { request, leftMs, copies } = late;
    const isCopied = copies > this.#rules.duplicatesMax;
    const mayMove = copies === 1 || (isEndgame && isCopied);
    if (mayMove && leftMs > moveMs) yield* this.#move(request, peer, nowMs);
    else if (isEndgame && !isCopied && !this.#isPaced(isLineFull))
      yield this.#asking.ask(peer, request.run, nowMs);
  }

  /** Whether a limit of ours or our line sets the pace: a second copy would only make the first one later. */
  #isPaced(isLineFull: boolean): boolean {
    return isLineFull || this.#asking.isHeldBack;
  }

  *#move(request: OpenRequest, peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    const { run } = request;
    const hasPlace = this.#asking.hasPlaceFor(run);
    if (!hasPlace && !this.#picker.isHead(run)) return;
    this.#putOff(request, !hasPlace, nowMs);
    yield this.#asking.cancel(request);
    // Without a place for both, it is asked when the slow one has answered that it took it back.
    if (hasPlace) yield this.#asking.ask(peer, run, nowMs);
  }

  /** One that sent nothing of what is taken from it would only get something else to sit on: it is asked again later, and
   * each time later still. */
  #putOff({ connection, askedAtMs }: OpenRequest, always: boolean, nowMs: number): void {
    const holder = this.#peers.get(connection);
    // What is taken from it at the same time is one silence.
    if (holder === undefined || holder.askAfterMs > nowMs) return;
    const wasSilent = holder.dataAtMs <= askedAtMs;
    if (!wasSilent && !always) return;
    holder.askAfterMs = nowMs + PUT_OFF_MS * 2 ** Math.min(holder.silences, PUT_OFFS_MAX);
    if (wasSilent) holder.silences++;
  }

  #lateFor(peer: ConnectedPeer, options: LateOptions): Late | undefined {
    return this.#picker.isWindowed ? this.#firstFor(peer, options) : this.#latestFor(peer, options);
  }

  /** Among the last things that each of the others owes, the one that would come latest and that the peer has. */
  #latestFor(peer: ConnectedPeer, options: LateOptions): Late | undefined {
    const { aboveMs, nowMs } = options;
    let latest: Late | undefined;
    for (const holder of this.#owing(peer, nowMs)) {
      const leastMs = latest?.leftMs ?? aboveMs;
      const leftMs = this.#expectedMs(holder, this.#asking.owed(holder), nowMs);
      if (leftMs <= leastMs) continue;
      latest =
        this.#lastOf({ connection: holder.connection, leftMs }, peer, {
          ...options,
          aboveMs: leastMs,
        }) ?? latest;
    }
    return latest;
  }

  /** The last that a holder owes, of what the peer may help with. */
  #lastOf(holder: Holder, peer: ConnectedPeer, options: LateOptions): Late | undefined {
    const { aboveMs, moveMs, isLineFull, nowMs } = options;
    for (const request of this.#ledger.of(holder.connection).toReversed()) {
      if (!this.#mayHelpWith(request, peer) || (isLineFull && this.#hasBegun(request))) continue;
      const copies = this.#copiesOf(request);
      if (copies <= this.#rules.duplicatesMax) return { request, leftMs: holder.leftMs, copies };
      // Of so many, one makes room for one that is much faster than all of them.
      const leftMs = this.#soonestMs(request, nowMs);
      if (leftMs > Math.max(aboveMs, moveMs)) return { request, leftMs, copies };
    }
    return undefined;
  }

  #copiesOf({ run }: OpenRequest): number {
    return [...this.#ledger.touching(run)].length;
  }

  /** When the first of all who were asked for it will have answered. */
  #soonestMs({ run }: OpenRequest, nowMs: number): number {
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const { connection } of this.#ledger.touching(run)) {
      const holder = this.#peers.get(connection);
      if (holder === undefined) continue;
      const leftMs = this.#expectedMs(holder, this.#asking.owed(holder), nowMs);
      soonestMs = Math.min(soonestMs, leftMs);
    }
    return soonestMs;
  }

  /** Of all that would come too late, what a reader waits for first. */
  #firstFor(peer: ConnectedPeer, options: LateOptions): Late | undefined {
    const { aboveMs, nowMs } = options;
    let first: Late | undefined;
    for (const holder of this.#owing(peer, nowMs)) {
      let bytesAhead = 0;
      for (const request of this.#ledger.of(holder.connection)) {
        bytesAhead += request.bytes - request.bytesArrived;
        const isLater = request.run.first >= (first?.request.run.first ?? Number.POSITIVE_INFINITY);
        // While a reader is slow everybody looks slow: only what is really owed for some time says something.
        const isRecent = nowMs - request.askedAtMs < READER_PATIENCE_MS;
        if (isLater || isRecent || !this.#mayHelpWith(request, peer)) continue;
        const leftMs = this.#expectedMs(holder, bytesAhead, nowMs);
        if (leftMs > aboveMs) first = { request, leftMs, copies: this.#copiesOf(request) };
      }
    }
    return first;
  }

  /** While a limit of our own sets the pace everybody looks slow: only of some can be said that they are. */
  *#owing(than: ConnectedPeer, nowMs: number): Generator<ConnectedPeer> {
    for (const connection of this.#ledger.owing()) {
      const holder = this.#peers.get(connection);
      if (holder === undefined || holder === than) continue;
      if (!this.#asking.isHeldBack || this.#asking.isSlow(holder, nowMs)) yield holder;
    }
  }

  /** Whether anything of it came: on a full line the rest of that is sooner there than all of it again. */
  #hasBegun({ run }: OpenRequest): boolean {
    return [...this.#ledger.touching(run)].some(({ bytesArrived }) => bytesArrived > 0);
  }

  #mayHelpWith({ run, isCancelled }: OpenRequest, peer: ConnectedPeer): boolean {
    const isOwedStill = this.#ledger.find(peer.connection, run.first) !== undefined;
    return !isCancelled && !isOwedStill && this.#picker.holds(peer.bits, run);
  }

  /** When the bytes will have come. Of a peer that has not been measured, we expect what a fair one would do for some
   * time, and after that as little as it did. */
  #expectedMs(peer: ConnectedPeer, bytes: number, nowMs: number): number {
    const rate = peer.received.bytesPerSecond(nowMs);
    const silentMs = this.#asking.owed(peer) > 0 ? nowMs - peer.dataAtMs : 0;
    if (rate > 0) return Math.max((bytes * 1000) / rate, silentMs);
    if (silentMs > UNMEASURED_PATIENCE_MS) return Number.MAX_SAFE_INTEGER;
    return UNMEASURED_PATIENCE_MS * 4 ** peer.silences;
  }
}

interface LateOptions {
  /** Only what would take longer. */
  readonly aboveMs: number;
  /** What would take longer than this is moved. */
  readonly moveMs: number;
  /** Whether our own line sets the pace. */
  readonly isLineFull: boolean;
  readonly nowMs: number;
}

/** One that owes something. */
interface Holder {
  readonly connection: ConnectionId;
  /** Until it will have sent all that it owes. */
  readonly leftMs: number;
}

/** A request that would be answered sooner by another. */
interface Late {
  readonly request: OpenRequest;
  /** Until it will be answered where it is; of one that was asked for as often as may be, where it will be first. */
  readonly leftMs: number;
  /** How many were asked for it. */
  readonly copies: number;
}

const MOVE_MARGIN_MS = 250;
const ENDGAME_MARGIN_MS = 100;
const UNMEASURED_PATIENCE_MS = 2000;
const READER_PATIENCE_MS = 500;
const PUT_OFF_MS = 10_000;
/** So often it is doubled: who is the only one left is not waited for much longer than one that fell silent. */
const PUT_OFFS_MAX = 3;
