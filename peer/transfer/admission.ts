import { classOf, networkOf } from "../../protocol/address-policy.ts";
import type { Clock } from "../clock.ts";
import type { SocketStreams } from "../net/socket.ts";

/** Whom a process lets in, so that no crowd of callers keeps the others out or takes its last file descriptor.
 *
 * Whoever finds no place is hung up on at once: left waiting, he would hold a descriptor as well. Who has not shown the
 * torrent yet makes room for others after a moment. This machine's own callers are not counted apart: they are many peers
 * of one address. */

/** A connection that has its place until it is disposed. */
export interface Visit extends Disposable {
  /** The caller showed that it holds the torrent: it makes no more room for others. */
  stay(): void;
}

type Caller = Pick<SocketStreams, "remote" | "terminate">;

export class Admission {
  readonly #clock: Clock;
  readonly #connectionsMax: number;
  readonly #networks = new Map<string, Network>();
  /** Those who have not shown the torrent, the oldest first. */
  readonly #greeting = new Set<Guest>();
  #connections = 0;

  /** @param connectionsMax of the process, those that we make included */
  constructor(clock: Clock, connectionsMax: number) {
    this.#clock = clock;
    this.#connectionsMax = connectionsMax;
  }

  /** Connections that have a place now. */
  get connections(): number {
    return this.#connections;
  }

  /** Somebody calls.
   * @returns undefined when there is no place for him */
  enter(caller: Caller): Visit | undefined {
    const nowMs = this.#clock.monotonic();
    const network = this.#networkFor(caller.remote.host, nowMs);
    if (network !== undefined && !network.admits(nowMs)) return undefined;
    const isFull =
      this.#greeting.size >= GREETINGS_MAX || this.#connections >= this.#connectionsMax;
    if (isFull && !this.#makeRoom(nowMs)) return undefined;
    const place = new DisposableStack();
    const guest = { caller, sinceMs: nowMs, place };
    this.#greeting.add(guest);
    if (network !== undefined) network.connections++;
    this.#connections++;
    place.defer(() => {
      this.#greeting.delete(guest);
      this.#connections--;
      if (network !== undefined) network.connections--;
    });
    return { stay: () => this.#greeting.delete(guest), [Symbol.dispose]: () => place.dispose() };
  }

  /** We call somebody.
   * @returns undefined when there is no place for one more */
  call(): Disposable | undefined {
    if (this.#connections >= this.#connectionsMax) return undefined;
    this.#connections++;
    const place = new DisposableStack();
    place.defer(() => this.#connections--);
    return place;
  }

  /** Who has been greeting longest goes, if that was long enough for one who means it. */
  #makeRoom(nowMs: number): boolean {
    const [oldest] = this.#greeting;
    if (oldest === undefined || nowMs - oldest.sinceMs < GREETING_MS_MIN) return false;
    oldest.caller.terminate();
    oldest.place.dispose();
    return true;
  }

  #networkFor(host: string, nowMs: number): Network | undefined {
    if (classOf(host) === "loopback") return undefined;
    const key = networkOf(host);
    const known = this.#networks.get(key);
    if (known !== undefined) return known;
    if (this.#networks.size >= NETWORKS_MAX) {
      for (const [old, network] of this.#networks)
        if (network.isForgettable(nowMs)) this.#networks.delete(old);
    }
    const network = new Network(nowMs);
    this.#networks.set(key, network);
    return network;
  }
}

/** Somebody who was let in. */
interface Guest {
  readonly caller: Caller;
  readonly sinceMs: number;
  /** His until it is disposed. */
  readonly place: DisposableStack;
}

/** One customer's addresses: how many connections they have, and how fast they come. */
class Network {
  connections = 0;
  #calls = CALLS_PER_SECOND_MAX;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  admits(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#calls < 1) return false;
    this.#calls--;
    return this.connections < CONNECTIONS_PER_NETWORK_MAX;
  }

  /** Whether a new one would know as much. */
  isForgettable(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.connections === 0 && this.#calls === CALLS_PER_SECOND_MAX;
  }

  #refill(nowMs: number): void {
    const fresh = ((nowMs - this.#atMs) * CALLS_PER_SECOND_MAX) / 1000;
    this.#calls = Math.min(CALLS_PER_SECOND_MAX, this.#calls + fresh);
    this.#atMs = nowMs;
  }
}

/** Callers that have not shown the torrent yet. */
const GREETINGS_MAX = 64;
/** What an honest caller is given for it in a crowd. */
const GREETING_MS_MIN = 1000;
const CONNECTIONS_PER_NETWORK_MAX = 32;
const CALLS_PER_SECOND_MAX = 20;
/** Networks that are remembered before those are looked through that need not be. */
const NETWORKS_MAX = 4096;
