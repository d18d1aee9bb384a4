import type { ToldAddress } from "../../peer/swarm/messages.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";

/** The tracker of a simulation: remembers who announced himself, tells a random few, and can be down. */
export class SimTracker {
  readonly #random: () => number;
  readonly #entries = new Map<string, { address: ToldAddress; expiresAtMs: number }>();
  isDown = false;
  /** Whether it believes who says that he reached another. */
  isTrusting = true;
  announces = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** @param reached others that the caller vouches for
   * @returns others, or undefined when there is no answer */
  announce(
    address: Address,
    reached: readonly Address[],
    nowMs: number,
  ): readonly ToldAddress[] | undefined {
    if (this.isDown) return undefined;
    this.announces++;
    if (this.isTrusting) for (const other of reached) this.#verify(other);
    const key = formatAddress(address);
    const own = this.#entries.get(key)?.address ?? address;
    this.#entries.delete(key);
    const others = this.#sample(nowMs);
    this.#entries.set(key, { address: own, expiresAtMs: nowMs + TTL_MS });
    return others;
  }

  /** Lists addresses that nobody announced. */
  plant(addresses: readonly Address[], nowMs: number): void {
    for (const address of addresses)
      this.#entries.set(formatAddress(address), { address, expiresAtMs: nowMs + TTL_MS });
  }

  #verify(address: Address): void {
    const entry = this.#entries.get(formatAddress(address));
    if (entry !== undefined) entry.address = { ...address, verified: true };
  }

  #sample(nowMs: number): readonly ToldAddress[] {
    const listed: ToldAddress[] = [];
    for (const [key, { address, expiresAtMs }] of this.#entries) {
      if (expiresAtMs > nowMs) listed.push(address);
      else this.#entries.delete(key);
    }
    const count = Math.min(ANSWER_PEERS_MAX, listed.length);
    for (let at = 0; at < count; at++) {
      const other = at + Math.floor(this.#random() * (listed.length - at));
      const moved = listed[at];
      const chosen = listed[other];
      if (moved === undefined || chosen === undefined) break;
      listed[at] = chosen;
      listed[other] = moved;
    }
    return listed.slice(0, count);
  }
}

const ANSWER_PEERS_MAX = 50;
const TTL_MS = 120_000;
