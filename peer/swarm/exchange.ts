import { PEERS_PER_MESSAGE_MAX } from "../../protocol/limits.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import type { ConnectionId, SwarmEffect } from "./messages.ts";
import type { Rules } from "./rules.ts";

/** Peers tell each other whom they are connected to, so that a swarm holds together without its tracker. */
export class Exchange {
  readonly #rules: Rules;
  readonly #peers: ReadonlyMap<ConnectionId, ConnectedPeer>;

  constructor(rules: Rules, peers: ReadonlyMap<ConnectionId, ConnectedPeer>) {
    this.#rules = rules;
    this.#peers = peers;
  }

  /** Tells everybody whose time has come, and who still wants something, of those he was not told of. */
  *review(nowMs: number): Generator<SwarmEffect> {
    const { exchangeMs } = this.#rules;
    if (exchangeMs === Number.POSITIVE_INFINITY) return;
    for (const peer of this.#peers.values()) {
      const { exchange } = peer;
      if (peer.isLeaving || peer.bits.isFull || nowMs < exchange.afterMs) continue;
      const isFirst = exchange.afterMs === 0;
      exchange.afterMs = nowMs + (isFirst ? FIRST_EXCHANGE_MS : exchangeMs);
      if (!isFirst) yield* this.#tell(peer);
    }
  }

  *#tell(peer: ConnectedPeer): Generator<SwarmEffect> {
    const news = this.#newsFor(peer);
    if (news.length === 0) return;
    for (const other of news) peer.exchange.told.add(other.connection);
    const { connection } = peer;
    const peers = news.map(({ address }) => address);
    yield { type: "send", connection, message: { type: "peers", peers } };
  }

  /** @returns others that we reached ourselves; where there are none, those that say they can be reached */
  #newsFor(peer: ConnectedPeer): readonly ConnectedPeer[] {
    const reached: ConnectedPeer[] = [];
    const said: ConnectedPeer[] = [];
    for (const other of this.#peers.values()) {
      const { told } = peer.exchange;
      if (other === peer || other.isLeaving || told.has(other.connection)) continue;
      if (other.isDialled) reached.push(other);
      else if (other.isListening && said.length < PEERS_PER_MESSAGE_MAX) said.push(other);
      if (reached.length >= PEERS_PER_MESSAGE_MAX) break;
    }
    return reached.length > 0 ? reached : said;
  }
}

/** Time for its bitmap to come, and for a few others to come too. */
const FIRST_EXCHANGE_MS = 1000;
