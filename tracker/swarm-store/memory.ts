import type { PeerAddress } from "../../protocol/announce.ts";
import type { Random } from "../clock.ts";
import { StoreError } from "../errors.ts";
import type { Announce, SwarmStore, SwarmView, Swept, Totals } from "./store.ts";

interface Entry {
  readonly host: string;
  readonly port: number;
  readonly peer: string | undefined;
  readonly zone: Announce["zone"];
  readonly complete: boolean;
  readonly expires: number;
}

interface Swarm {
  expires: number;
  readonly byAddress: Map<string, Entry>;
  readonly byPeer: Map<string, Entry>;
}

/** A swarm store that forgets everything with the process: for tests, and for `--db :memory:`. */
export class MemorySwarmStore implements SwarmStore {
  readonly #random: Random;
  readonly #swarms = new Map<string, Swarm>();
  #pass: Iterator<Swept> | undefined;
  #sweptAt = 0;
  #closed = false;

  constructor(random: Random) {
    this.#random = random;
  }

  async announce(announce: Announce): Promise<SwarmView | undefined> {
    this.#assertOpen();
    const swarm = this.#find(announce);
    if (swarm === undefined) return undefined;
    swarm.expires = announce.expires;
    if (announce.action === "add") add(swarm, announce);
    else remove(swarm, announce);
    return this.#view(swarm, announce);
  }

  async sweep({ now, limit }: { now: number; limit: number }): Promise<Swept> {
    this.#assertOpen();
    this.#sweptAt = now;
    this.#pass ??= this.#walk();
    const swept = { peers: 0, swarms: 0 };
    for (let looked = 0; looked < limit; looked++) {
      const step = this.#pass.next();
      if (step.done === true) {
        this.#pass = undefined;
        return { ...swept, finished: true };
      }
      swept.peers += step.value.peers;
      swept.swarms += step.value.swarms;
    }
    return { ...swept, finished: false };
  }

  async totals(now: number): Promise<Totals> {
    this.#assertOpen();
    const totals = { swarms: 0, complete: 0, incomplete: 0 };
    for (const swarm of this.#swarms.values()) {
      if (swarm.expires <= now) continue;
      const counts = count(swarm, now);
      totals.swarms++;
      totals.complete += counts.complete;
      totals.incomplete += counts.incomplete;
    }
    return totals;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#swarms.clear();
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreError("closed", "Cannot use the store: it is closed");
  }

  #find({ swarm: hash, create, now, expires }: Announce): Swarm | undefined {
    const found = this.#swarms.get(hash);
    if (found !== undefined && (create || found.expires > now)) return found;
    if (!create) return undefined;
    const made: Swarm = { expires, byAddress: new Map(), byPeer: new Map() };
    this.#swarms.set(hash, made);
    return made;
  }

  #view(swarm: Swarm, announce: Announce): SwarmView {
    const peers: PeerAddress[] = [];
    for (const entry of shuffled([...swarm.byAddress.values()], this.#random)) {
      if (peers.length >= announce.want) break;
      if (isWanted(entry, announce)) peers.push({ host: entry.host, port: entry.port });
    }
    return { ...count(swarm, announce.now), peersJson: JSON.stringify(peers) };
  }

  /** One step a looked-at entry, so that a sweep can stop after any; Map iterators endure changes meanwhile. */
  *#walk(): Generator<Swept, undefined> {
    for (const [hash, swarm] of this.#swarms) {
      for (const entry of swarm.byAddress.values()) {
        yield { peers: this.#forgetExpired(swarm, entry), swarms: 0, finished: false };
      }
      const empty = swarm.expires <= this.#sweptAt && swarm.byAddress.size === 0;
      yield { peers: 0, swarms: empty && this.#swarms.delete(hash) ? 1 : 0, finished: false };
    }
    return undefined;
  }

  /** @returns how many entries are gone: 0 or 1 */
  #forgetExpired(swarm: Swarm, entry: Entry): number {
    if (entry.expires > this.#sweptAt) return 0;
    forget(swarm, entry);
    return 1;
  }
}

function add(swarm: Swarm, announce: Announce): void {
  const { host, port, peer, zone, expires, now } = announce;
  const replaced = [
    swarm.byAddress.get(addressKey(announce)),
    peer === undefined ? undefined : swarm.byPeer.get(peer),
  ].filter((entry) => entry !== undefined);
  const wasComplete = replaced.some((entry) => entry.complete && entry.expires > now);
  for (const entry of replaced) forget(swarm, entry);
  const entry = { host, port, peer, zone, complete: announce.complete ?? wasComplete, expires };
  swarm.byAddress.set(addressKey(entry), entry);
  if (peer !== undefined) swarm.byPeer.set(peer, entry);
}

function remove(swarm: Swarm, announce: Announce): void {
  const { peer } = announce;
  const own = peer === undefined ? undefined : swarm.byPeer.get(peer);
  if (own !== undefined) forget(swarm, own);
  const there = swarm.byAddress.get(addressKey(announce));
  if (there === undefined) return;
  if (peer === undefined || there.peer === undefined) forget(swarm, there);
}

function forget(swarm: Swarm, entry: Entry): void {
  swarm.byAddress.delete(addressKey(entry));
  if (entry.peer !== undefined) swarm.byPeer.delete(entry.peer);
}

function isWanted(entry: Entry, { host, port, zone, only, now }: Announce): boolean {
  if (entry.expires <= now || (entry.host === host && entry.port === port)) return false;
  if (entry.zone !== "public" && entry.zone !== zone) return false;
  return only === "all" || !entry.complete;
}

function count(swarm: Swarm, now: number): { complete: number; incomplete: number } {
  const counts = { complete: 0, incomplete: 0 };
  for (const entry of swarm.byAddress.values()) {
    if (entry.expires > now) counts[entry.complete ? "complete" : "incomplete"]++;
  }
  return counts;
}

function addressKey({ host, port }: PeerAddress): string {
  return `${host}\n${port}`;
}

/** The entries in random order, one by one, so that whoever needs a few pays for a few. */
function* shuffled<Value>(values: Value[], random: Random): Generator<Value> {
  for (let left = values.length; left > 0; left--) {
    const at = random.uint32() % left;
    const [picked] = values.splice(at, 1, ...values.slice(left - 1, left));
    if (picked !== undefined) yield picked;
  }
}
