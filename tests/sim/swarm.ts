import type { Address } from "../../protocol/address.ts";
import { formatAddress } from "../../protocol/address.ts";
import { Bitfield } from "../../protocol/bitfield.ts";
import { Geometry } from "../../protocol/geometry.ts";
import { Link } from "../support/link.ts";
import { addressOf, fractionsOf, peerIdOf } from "../support/swarm-fixtures.ts";
import { type PeerTraits, SimPeer, type World } from "./peer.ts";
import { VirtualTime } from "./time.ts";

export interface SimOptions {
  readonly seed: number;
  readonly fileBytes?: number;
  readonly partBytes?: number;
  /** One way, in milliseconds: from here to twice as much, for each link. */
  readonly latencyMs?: number;
  /** Keep what happened, line by line. */
  readonly keepsLog?: boolean;
}

const HONEST: PeerTraits = {
  upBytesPerSecond: 10 * 2 ** 20,
  downBytesPerSecond: 100 * 2 ** 20,
  lies: 0,
  stalls: "no",
  diskMs: 2,
};

/** A whole swarm in virtual time: real engines, links in memory, a tracker that knows everybody. One seed, one story. */
export class SimSwarm implements World {
  readonly geometry: Geometry;
  readonly peers: SimPeer[] = [];
  readonly lines: string[] = [];
  readonly random: () => number;
  readonly #time = new VirtualTime();
  readonly #options: SimOptions;
  #connections = 0;
  #identities = 0;

  constructor(options: SimOptions) {
    const { seed, fileBytes = 8 * 2 ** 20, partBytes = 2 ** 17 } = options;
    this.#options = options;
    this.geometry = new Geometry({ fileBytes, partBytes });
    this.random = fractionsOf(seed);
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
        traits: { ...HONEST, ...options },
      },
    );
    this.peers.push(peer);
    peer.start();
    this.#announce(peer);
    return peer;
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
    this.after(downMs, () => this.add({ ...traits, have: bits, address, name }));
  }

  dial(from: SimPeer, to: Address): void {
    const key = formatAddress(to);
    const latencyMs = (this.#options.latencyMs ?? 10) * (1 + this.random());
    this.after(3 * latencyMs, () => {
      const other = this.peers.find(
        (peer) => peer.isOnline && formatAddress(peer.address) === key && peer !== from,
      );
      if (!from.isOnline) return;
      if (other === undefined) {
        from.dialFailed(to, "refused");
        return;
      }
      const [near, far] = [++this.#connections, ++this.#connections];
      const link = new Link((atMs, happen) => this.at(atMs, happen), latencyMs, [
        { holder: from, connection: near },
        { holder: other, connection: far },
      ]);
      other.join(far, link, from, false);
      if (link.isOpen) from.join(near, link, other, true);
    });
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

  /** Asks the tracker now, and every two seconds while sources are wanted. */
  #announce(peer: SimPeer): void {
    if (!peer.isOnline) return;
    const { isHungry } = peer.engine.stats();
    const others = this.peers.filter((other) => other.isOnline && other !== peer);
    peer.learn(others.map(({ address }) => address));
    this.after(isHungry ? 2000 : 30_000, () => this.#announce(peer));
  }
}
