import type { Address } from "../../protocol/address.ts";
import type { AddressSource, ConnectionId } from "./messages.ts";

/** What the address book knows of one address, and what that makes of it. */

export interface Entry {
  readonly address: Address;
  source: AddressSource;
  readonly teller: string | undefined;
  state: "idle" | "dialling" | "connected" | "banned" | "self";
  connection?: ConnectionId;
  /** Attempts in a row that came to nothing. */
  failures: number;
  dialAfterMs: number;
  /** When it was dialled as a stranger, as far as that still counts, and at least the last time. */
  attemptsMs: number[];
  joinedAtMs: number;
  isProven: boolean;
  /** Whether the tracker, as it last told of it, knew of another peer that reached it. */
  isVerified: boolean;
  /** Whether it gave us something that is right. */
  isGood: boolean;
  reason: string | undefined;
}

export function isUsable(entry: Entry): boolean {
  return entry.state !== "banned" && entry.state !== "self";
}

/** Whether it may be dialled once more within its ten minutes; a friend may always. */
export function hasAttempts(entry: Entry, nowMs: number): boolean {
  return isTrusted(entry) || recent(entry.attemptsMs, nowMs).length < ATTEMPTS_MAX;
}

export function recent(timesMs: readonly number[], nowMs: number): number[] {
  return timesMs.filter((atMs) => atMs > nowMs - ATTEMPTS_WINDOW_MS);
}

/** We are with it, having called it there, and the tracker does not know yet that this can be done. */
export function isNewlyReached({ state, isProven, isVerified }: Entry): boolean {
  return state === "connected" && isProven && !isVerified;
}

/** It held the torrent when we called it, or the user vouches for it. */
export function isTrusted(entry: Entry): boolean {
  return entry.isProven || entry.source === "user";
}

export function isGood(entry: Entry): boolean {
  return entry.isGood || entry.source === "user";
}

export function isDeadStranger(entry: Entry): boolean {
  return entry.state === "idle" && entry.failures > 0 && !isTrusted(entry);
}

/** Attempts at a stranger in any ten minutes, also at one that calls us and claims to listen there. */
const ATTEMPTS_MAX = 3;
export const ATTEMPTS_WINDOW_MS = 600_000;
