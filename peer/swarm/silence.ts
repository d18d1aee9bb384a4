import type { Asking } from "./asking.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import type { ConnectionId, SwarmEffect } from "./messages.ts";
import type { RequestLedger } from "./requests.ts";

/** Looks after those that are silent: asked whether they live, freed of what they owe, left. */
export class Silence {
  readonly #asking: Asking;
  readonly #ledger: RequestLedger;
  readonly #peers: ReadonlyMap<ConnectionId, ConnectedPeer>;
  readonly #heldBytesMax: number;

  /** @param heldBytesMax with more than this waiting to be written, silence is our own fault */
  constructor(
    asking: Asking,
    ledger: RequestLedger,
    options: {
      readonly peers: ReadonlyMap<ConnectionId, ConnectedPeer>;
      readonly heldBytesMax: number;
    },
  ) {
    this.#asking = asking;
    this.#ledger = ledger;
    this.#peers = options.peers;
    this.#heldBytesMax = options.heldBytesMax;
  }

  *review(nowMs: number): Generator<SwarmEffect> {
    // A pipeline whose writes are behind, or that has to wait for its turn, reads nothing, not even a pong.
    const { unwritten, isHeldBack } = this.#asking;
    const isOurFault =
      isHeldBack ||
      unwritten.bytes > this.#heldBytesMax ||
      unwritten.oldestMs(nowMs) > SLOW_WRITE_MS;
    for (const peer of [...this.#peers.values()]) {
      if (peer.isLeaving) continue;
      if (isOurFault) yield* this.#excuse(peer, nowMs);
      else yield* this.#reviewPeer(peer, nowMs);
    }
  }

  /** It cannot be heard, and its pings are not answered meanwhile: it is told that we live. */
  *#excuse(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    peer.heardAtMs = nowMs;
    peer.dataAtMs = nowMs;
    peer.isSilent = false;
    peer.signedAtMs ??= nowMs;
    if (nowMs - peer.signedAtMs >= SIGN_MS) {
      peer.signedAtMs = nowMs;
      yield this.#ping(peer, nowMs);
    }
    // Whenever its answer comes, nobody waits for it.
    peer.pingedAtMs = undefined;
  }

  *#reviewPeer(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    const { connection } = peer;
    peer.signedAtMs = undefined;
    const owes = this.#ledger.bytesOpen(connection) > 0;
    const noDataMs = owes && this.#peers.size > 1 ? nowMs - peer.dataAtMs : 0;
    peer.isSilent = this.#isSilent(peer, nowMs);
    const isDead = peer.pingedAtMs !== undefined && nowMs - peer.pingedAtMs > PONG_MS_MAX;
    if (isDead || noDataMs > NO_ANSWER_MS_MAX) {
      const reason = isDead ? "it fell silent" : "it answers no request";
      yield { type: "close", connection, reason };
      return;
    }
    const isQuiet = nowMs - peer.heardAtMs > (owes ? SILENT_OWING_MS : SILENT_IDLE_MS);
    if (isQuiet && peer.pingedAtMs === undefined) yield this.#ping(peer, nowMs);
    if (noDataMs > NO_DATA_MS_MAX) yield* this.#snub(peer, nowMs);
  }

  /** Whether it was asked and gives nothing. */
  #isSilent(peer: ConnectedPeer, nowMs: number): boolean {
    if (peer.askAfterMs > nowMs) return true;
    const owes = this.#ledger.bytesOpen(peer.connection) > 0;
    return owes && nowMs - peer.dataAtMs > SILENT_SOURCE_MS;
  }

  #ping(peer: ConnectedPeer, nowMs: number): SwarmEffect {
    peer.pingedAtMs = nowMs;
    const id = Math.floor(nowMs) % PING_ID_END;
    return { type: "send", connection: peer.connection, message: { type: "ping", id } };
  }

  /** It lives and sends nothing: others are asked for what it owes. */
  *#snub(peer: ConnectedPeer, nowMs: number): Generator<SwarmEffect> {
    peer.askAfterMs = nowMs + SNUB_MS;
    peer.lastAnswer = "nothing in time";
    peer.depthBytes = Math.min(peer.depthBytes, this.#asking.firstDepthBytes() / 2);
    for (const request of this.#ledger.of(peer.connection))
      if (!request.isCancelled) yield this.#asking.cancel(request);
  }
}

/** Larger ones mark what was sent. */
const PING_ID_END = 2 ** 31;
/** Silence after which a peer is asked whether it lives, while it owes us data and otherwise; and how long it may take. */
const SILENT_OWING_MS = 10_000;
const SILENT_IDLE_MS = 35_000;
const PONG_MS_MAX = 20_000;
/** Who is asked after SILENT_IDLE_MS whether he lives hears before that from one that reads nothing. */
const SIGN_MS = 15_000;
/** One that owes and sends nothing for so long is no source to be content with. */
const SILENT_SOURCE_MS = 5000;
/** A peer that owes and sends no data for so long is not asked again for SNUB_MS. */
const NO_DATA_MS_MAX = 20_000;
const SNUB_MS = 60_000;
/** One that does not even answer that its requests were taken back holds memory for nothing: it is left. */
const NO_ANSWER_MS_MAX = 40_000;
/** A write that takes longer shows that it is our disk that is slow. */
const SLOW_WRITE_MS = 2000;
