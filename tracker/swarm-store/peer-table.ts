import { ADDRESS_CLASSES, type AddressClass } from "../../protocol/address-policy.ts";
import { RowIndex } from "./row-index.ts";
import { Rows } from "./rows.ts";

/** What is kept of a peer in a swarm, but for its address's text. */
export const PEER = {
  /** The number of its swarm. */
  swarm: 0,
  /** The key of its address's text. */
  key: 1,
  /** The key of its peer id; 0 when it has none. */
  peer: 2,
  /** The key of the network that answers for it; 0 when entries of a network are not counted. */
  network: 3,
  /** The next older entry of that network, or 0. */
  older: 4,
  /** Which of ADDRESS_CLASSES. */
  zone: 5,
  /** One of STATE. */
  state: 6,
  /** When it is forgotten: milliseconds since 1970. */
  expires: 7,
  /** Until when the log knows it: when that is before `expires`, it has to be written again. */
  kept: 8,
  /** The row of the log that tells of it, or 0. */
  seq: 9,
  /** Where it stands among the complete, or the incomplete, of its swarm. */
  place: 10,
} as const;

export type PeerColumn = (typeof PEER)[keyof typeof PEER];
type FixedColumn = (typeof PEER)["swarm" | "key" | "peer" | "network" | "older" | "zone"];

/** `gone`: taken away, and still waiting somewhere. */
export const STATE = { gone: 0, incomplete: 1, complete: 2 } as const;

/** The zone of those of whom everybody may be told. */
export const PUBLIC_ZONE = zoneNumber("public");

const COLUMNS = 11;

export interface NewPeer {
  readonly swarm: number;
  readonly key: number;
  readonly peer: number;
  readonly network: number;
  readonly zone: AddressClass;
  readonly complete: boolean;
  readonly expires: number;
}

/** All peers of all swarms. An entry is a number, 0 for none. */
export class PeerTable {
  readonly #rows = new Rows(COLUMNS);
  readonly #byAddress = new RowIndex(this.#rows, { group: PEER.swarm, name: PEER.key });
  readonly #byPeer = new RowIndex(this.#rows, { group: PEER.swarm, name: PEER.peer });
  /** The newest of each network. */
  readonly #byNetwork = new RowIndex(this.#rows, { group: PEER.swarm, name: PEER.network });
  #size = 0;

  /** How many are not gone. */
  get size(): number {
    return this.#size;
  }

  /** Makes room to find so many entries in all. */
  reserve(entries: number): void {
    this.#byAddress.reserve(entries);
    this.#byPeer.reserve(entries);
  }

  get(entry: number, column: PeerColumn): number {
    return this.#rows.get(entry, column);
  }

  set(entry: number, column: Exclude<PeerColumn, FixedColumn>, value: number): void {
    this.#rows.set(entry, column, value);
  }

  isComplete(entry: number): boolean {
    return this.get(entry, PEER.state) === STATE.complete;
  }

  isAlive(entry: number, now: number): boolean {
    return this.get(entry, PEER.expires) > now;
  }

  /** @param key of an address
   * @returns the entry of that address */
  at(swarm: number, key: number): number {
    return this.#byAddress.find(swarm, key);
  }

  /** @param peer the key of a peer id, or 0
   * @returns the entry of that peer */
  of(swarm: number, peer: number): number {
    return peer === 0 ? 0 : this.#byPeer.find(swarm, peer);
  }

  /** @returns the oldest entry of a network that has `most` of them or more, or 0 */
  oldestOf(swarm: number, network: number, most: number): number {
    let [count, oldest] = [0, 0];
    for (let entry = this.#byNetwork.find(swarm, network); entry !== 0; count++) {
      const isOlder =
        oldest === 0 || this.get(entry, PEER.expires) < this.get(oldest, PEER.expires);
      if (isOlder) oldest = entry;
      entry = this.get(entry, PEER.older);
    }
    return count < most ? 0 : oldest;
  }

  /** @param values what is new of it; no other entry has its address or peer id
   * @returns the new entry */
  add(values: NewPeer): number {
    const entry = this.#rows.take();
    this.#fill(entry, values);
    this.#byAddress.put(entry);
    if (values.peer !== 0) this.#byPeer.put(entry);
    if (values.network !== 0) this.#rows.set(entry, PEER.older, this.#byNetwork.put(entry));
    this.#size++;
    return entry;
  }

  /** Takes an entry away; its number stays its own until it is released. */
  remove(entry: number): void {
    this.#size--;
    this.#byAddress.remove(entry);
    if (this.get(entry, PEER.peer) !== 0) this.#byPeer.remove(entry);
    if (this.get(entry, PEER.network) !== 0) this.#leaveNetwork(entry);
    this.#rows.set(entry, PEER.state, STATE.gone);
  }

  /** @param entry that was removed, and that nobody knows any more */
  release(entry: number): void {
    this.#rows.give(entry);
  }

  /** Says of all entries that no log knows them. */
  forgetLog(): void {
    for (let entry = 1; entry <= this.#rows.last; entry++) {
      this.#rows.set(entry, PEER.kept, 0);
      this.#rows.set(entry, PEER.seq, 0);
    }
  }

  #fill(entry: number, values: NewPeer): void {
    const rows = this.#rows;
    rows.set(entry, PEER.swarm, values.swarm);
    rows.set(entry, PEER.key, values.key);
    rows.set(entry, PEER.peer, values.peer);
    rows.set(entry, PEER.network, values.network);
    rows.set(entry, PEER.older, 0);
    rows.set(entry, PEER.zone, zoneNumber(values.zone));
    rows.set(entry, PEER.state, values.complete ? STATE.complete : STATE.incomplete);
    rows.set(entry, PEER.expires, values.expires);
    rows.set(entry, PEER.kept, 0);
    rows.set(entry, PEER.seq, 0);
    rows.set(entry, PEER.place, 0);
  }

  #leaveNetwork(entry: number): void {
    const older = this.get(entry, PEER.older);
    const newest = this.#byNetwork.find(this.get(entry, PEER.swarm), this.get(entry, PEER.network));
    if (newest === entry) {
      if (older === 0) this.#byNetwork.remove(entry);
      else this.#byNetwork.put(older);
      return;
    }
    let newer = newest;
    while (this.get(newer, PEER.older) !== entry) newer = this.get(newer, PEER.older);
    this.#rows.set(newer, PEER.older, older);
  }
}

export function zoneNumber(zone: AddressClass): number {
  return ADDRESS_CLASSES.indexOf(zone);
}
