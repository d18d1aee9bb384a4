import type { SwarmHash } from "../../protocol/ids.ts";
import type { PeerTable } from "./peer-table.ts";
import { Swarm } from "./swarm.ts";

/** All swarms, by their hashes and by small numbers, which are given again when a swarm has gone. */
export class SwarmDirectory {
  readonly #peers: PeerTable;
  readonly #byHash = new Map<SwarmHash, Swarm>();
  readonly #byNumber: (Swarm | undefined)[] = [];
  readonly #free: number[] = [];

  constructor(peers: PeerTable) {
    this.#peers = peers;
  }

  get size(): number {
    return this.#byHash.size;
  }

  get(hash: SwarmHash): Swarm | undefined {
    return this.#byHash.get(hash);
  }

  at(number: number): Swarm | undefined {
    return this.#byNumber[number];
  }

  /** @param hash of no swarm that is there */
  make(hash: SwarmHash, expires: number): Swarm {
    const number = this.#free.pop() ?? this.#byNumber.length;
    const swarm = new Swarm(this.#peers, { number, hash, expires });
    this.#byHash.set(hash, swarm);
    this.#byNumber[number] = swarm;
    return swarm;
  }

  /** @param swarm that has no peers */
  delete({ hash, number }: Swarm): void {
    this.#byHash.delete(hash);
    this.#byNumber[number] = undefined;
    this.#free.push(number);
  }

  [Symbol.iterator](): Iterator<Swarm> {
    return this.#byHash.values();
  }
}
