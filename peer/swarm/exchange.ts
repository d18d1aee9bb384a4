import { type Address, formatAddress } from "../../protocol/address.ts";
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
    const peers = this.#newsFor(peer);
    if (peers.length === 0) return;
    for (const address of peers) peer.exchange.told.add(formatAddress(address));
    const { connection } = peer;
    yield { type: "send", connection, message: { type: "peers", peers } };
  }

  /** @returns addresses of others that we reached ourselves; where there are none, of those that say they can be reached */
  #newsFor(peer: ConnectedPeer): readonly Address[] {
    const reached: Address[] = [];
    const said: Address[] = [];
    for (const other of this.#peers.values()) {
      const isNews =
        other !== peer && !other.isLeaving && !peer.exchange.told.has(formatAddress(other.address));
      if (isNews && other.isDialled) reached.push(other.address);
      else if (isNews && other.isListening) said.push(other.address);
    }
    return (reached.length > 0 ? reached : said).slice(0, PEERS_PER_MESSAGE_MAX);
  }
}

/** Time for its bitmap to come, and for a few others to come too. */
const FIRST_EXCHANGE_MS = 1000;
