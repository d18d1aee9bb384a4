import { classOf } from "../../protocol/address-policy.ts";
import type { Clock } from "../clock.ts";

/** How often each machine out there was called by this process, whatever names and ports it was named by: it may be one
 * that never asked for it.
 *
 * In networks of one's own nothing is counted: there many peers share a machine, and who named them stands there too. */
export class HostTries {
  readonly #clock: Clock;
  /** When each host was called, the latest caller last. */
  readonly #triesMs = new Map<string, readonly number[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts a call.
   * @param host an IP literal
   * @returns false when it was called in vain HOST_TRIES_MAX times in the last ten minutes already */
  take(host: string): boolean {
    if (classOf(host) !== "public") return true;
    const nowMs = this.#clock.monotonic();
    const triesMs = (this.#triesMs.get(host) ?? []).filter((atMs) => atMs > nowMs - WINDOW_MS);
    if (triesMs.length >= HOST_TRIES_MAX) return false;
    this.#triesMs.delete(host);
    this.#triesMs.set(host, [...triesMs, nowMs]);
    this.#forgetOld(nowMs);
    return true;
  }

  /** It is a peer. */
  clear(host: string): void {
    this.#triesMs.delete(host);
  }

  #forgetOld(nowMs: number): void {
    for (const [host, triesMs] of this.#triesMs) {
      if ((triesMs.at(-1) ?? 0) > nowMs - WINDOW_MS) return;
      this.#triesMs.delete(host);
    }
  }
}

const HOST_TRIES_MAX = 3;
const WINDOW_MS = 600_000;
