import type { Address } from "../../protocol/address.ts";
import { formatAddress } from "../../protocol/address.ts";
import { REACHED_PEERS_MAX } from "../../protocol/announce-limits.ts";
import { Bitfield } from "../../protocol/bitfield.ts";
import { Geometry } from "../../protocol/geometry.ts";
import { Link } from "../support/link.ts";
import { addressOf, fractionsOf, peerIdOf } from "../support/swarm-fixtures.ts";
import { SimPeer, type World } from "./peer.ts";
import { VirtualTime } from "./time.ts";
import { SimTracker } from "./tracker.ts";
import { HONEST, type PeerTraits } from "./traits.ts";

export interface SimOptions {
  readonly seed: number;
  readonly fileBytes?: number;
  readonly partBytes?: number;
  /** One way, in milliseconds: from here to twice as much, for each link. */
  readonly latencyMs?: number;
  /** Keep what happened, line by line. */
  readonly keepsLog?: boolean;
  /** Everybody's traits, unless something else is said of one. */
  readonly traits?: Partial<PeerTraits>;
  /** Parts whose digest in the torrent is wrong. */
  readonly wrongParts?: ReadonlySet<number>;
}

/** A whole swarm in virtual time: real engines, links in memory, a tracker that knows everybody. One seed, one story. */
export class SimSwarm implements World {
  readonly geometry: Geometry;
  readonly peers: SimPeer[] = [];
  readonly lines: string[] = [];
  readonly random: () => number;
  readonly tracker: SimTracker;
  /** Told of every call, whether it gets through or not. */
  onDial: (from: SimPeer, to: Address) => void = () => undefined;
  readonly #byAddress = new Map<string, SimPeer>();
  readonly #time = new VirtualTime();
  readonly #options: SimOptions;
  #connections = 0;
  #identities = 0;

  constructor(options: SimOptions) {
    const { seed, fileBytes = 8 * 2 ** 20, partBytes = 2 ** 17 } = options;
    this.#options = options;
    this.geometry = new Geometry({ fileBytes, partBytes });
    this.random = fractionsOf(seed);
    this.tracker = new SimTracker(this.random);
  }

  get nowMs(): number {
    return this.#time.nowMs;
  }

  at(atMs: number, happen: () => void): void {
    this.#time.at(atMs, happen);
  }

  after(ms: number, happen: () => void): void {
    this.#time.after(ms, happen);
  }

  log(line: () => string): void {
    if (this.#options.keepsLog) this.lines.push(`${this.nowMs.toFixed(3)} ${line()}`);
  }

  /** A peer comes up and asks the tracker. */
  add(
    options: Partial<PeerTraits> & {
      readonly have?: Bitfield;
      readonly address?: Address;
      readonly name?: string;
    } = {},
  ): SimPeer {
    const number = ++this.#identities;
    const { partCount } = this.geometry;
    const peer = new SimPeer(
      this,
      {
        name: options.name ?? `peer-${number}`,
        address: options.address ?? addressOf(number),
        peerId: peerIdOf(Math.floor(this.random() * 2 ** 31) * 2 + 1),
      },
      {
        geometry: this.geometry,
        have: options.have ?? new Bitfield(partCount),
        traits: { ...HONEST, ...this.#options.traits, ...options },
      },
    );
    this.peers.push(peer);
    this.#byAddress.set(formatAddress(peer.address), peer);
    peer.start();
    this.#announce(peer);
    return peer;
  }

  isPartWrong(part: number): boolean {
    return this.#options.wrongParts?.has(part) ?? false;
  }

  addSeeder(traits: Partial<PeerTraits> = {}): SimPeer {
    return this.add({ ...traits, have: Bitfield.full(this.geometry.partCount) });
  }

  /** The process of a peer dies and comes back after a while with what it had written. */
  restart(peer: SimPeer, downMs: number, traits: Partial<PeerTraits> = {}): void {
    peer.vanish();
    const bits = new Bitfield(this.geometry.partCount);
    for (const part of this.geometry.parts())
      if (!peer.engine.isWanted({ first: part, count: 1 })) bits.set(part);
    const { address, name } = peer;
    this.after(downMs, () => this.add({ ...peer.traits, ...traits, have: bits, address, name }));
  }

  dial(from: SimPeer, to: Address): void {
    this.onDial(from, to);
    const latencyMs = (this.#options.latencyMs ?? 10) * (1 + this.random());
    const other = this.#byAddress.get(formatAddress(to));
    const failure = whyNot(from, other);
    // There and back, for each of connecting, greeting and proving.
    const afterMs = failure === undefined ? 3 * latencyMs : failure.afterMs + latencyMs;
    this.after(afterMs, () => {
      if (!from.isOnline) return;
      if (failure !== undefined) from.dialFailed(to, failure.reason);
      else if (other?.isOnline !== true) from.dialFailed(to, "refused");
      else this.#connect(from, other, latencyMs);
    });
  }

  /** They talk to each other from now on. */
  #connect(from: SimPeer, other: SimPeer, latencyMs: number): void {
    const [near, far] = [++this.#connections, ++this.#connections];
    const link = new Link((atMs, happen) => this.at(atMs, happen), latencyMs, [
      { holder: from, connection: near },
      { holder: other, connection: far },
    ]);
    other.join(far, link, from, false);
    if (link.isOpen) from.join(near, link, other, true);
  }

  /** Runs until all that wanted the file have it.
   * @throws when that takes longer than `limitMs` of virtual time */
  runUntilComplete(wanting: () => readonly SimPeer[], limitMs = 600_000): void {
    while (wanting().some((peer) => peer.completeAtMs === undefined)) {
      if (this.nowMs > limitMs || !this.#time.step()) {
        const states = wanting().map((peer) => `${peer.name}: ${peer.engine.stats().partsDone}`);
        throw new Error(
          `Not complete at ${this.nowMs} ms, seed ${this.#options.seed}: ${states.join(", ")}`,
        );
      }
    }
  }

  runFor(ms: number): void {
    const endMs = this.nowMs + ms;
    let isOver = false;
    this.at(endMs, () => {
      isOver = true;
    });
    while (!isOver && this.#time.step());
  }

  /** Asks the tracker now, and every two seconds while sources are wanted; one that is down later and later. */
  #announce(peer: SimPeer, failures = 0): void {
    if (!peer.isOnline) return;
    const reached = peer.engine.reached(REACHED_PEERS_MAX);
    const others = this.tracker.announce(peer.address, reached, this.nowMs);
    if (others === undefined) {
      this.after(Math.min(1000 * 2 ** failures, 10_000), () => this.#announce(peer, failures + 1));
      return;
    }
    peer.learn(others);
    this.after(peer.engine.stats().isHungry ? 2000 : 30_000, () => this.#announce(peer));
  }
}

/** @returns why a call comes to nothing, and when the caller finds out; undefined when it gets through */
function whyNot(
  from: SimPeer,
  to: SimPeer | undefined,
): { readonly reason: string; readonly afterMs: number } | undefined {
  if (to === undefined || to === from) return { reason: "refused", afterMs: 0 };
  if (!to.traits.isDialable) return { reason: "no answer", afterMs: CONNECT_MS };
  if (to.traits.stalls === "hello") return { reason: "no hello", afterMs: GREETING_MS };
  if (to.traits.torrent !== from.traits.torrent) return { reason: "another torrent", afterMs: 0 };
  return undefined;
}

const CONNECT_MS = 4000;
const GREETING_MS = 10_000;
