import { type Address, formatAddress } from "../../protocol/address.ts";
import type { AddressSource, ConnectionId } from "./messages.ts";

/** Who could be dialled, when, and who must not be.
 *
 * Its limits bound what a lying tracker can make us do to a stranger: few dials at once, few new addresses a minute, few
 * attempts an address. An address that once proved itself to hold the torrent is no stranger and is redialled sooner. */
export class AddressBook {
  readonly #random: () => number;
  readonly #entries = new Map<string, Entry>();
  #dialling = 0;
  #newDials: number[] = [];

  /** @param random from 0 to below 1 */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Dials under way. */
  get dialling(): number {
    return this.#dialling;
  }

  /** Addresses known and not banned. */
  get known(): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (isUsable(entry)) count++;
    return count;
  }

  /** Addresses banned for this swarm. */
  get banned(): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (entry.state === "banned") count++;
    return count;
  }

  learn(addresses: readonly Address[], source: AddressSource): void {
    for (const address of addresses) {
      if (this.#entries.size >= ADDRESSES_MAX) return;
      const key = formatAddress(address);
      if (this.#entries.has(key)) continue;
      this.#entries.set(key, {
        address,
        source,
        state: "idle",
        failures: 0,
        dialAfterMs: 0,
        isProven: false,
        reason: undefined,
      });
    }
  }

  /** @returns an address to dial now, noted as being dialled; undefined when none may be */
  next(nowMs: number): Address | undefined {
    if (this.#dialling >= DIALS_AT_ONCE_MAX) return undefined;
    const due = [...this.#entries.values()].filter(
      (entry) => entry.state === "idle" && entry.dialAfterMs <= nowMs,
    );
    const proven = due.filter((entry) => entry.isProven || entry.source === "user");
    const candidates = proven.length > 0 ? proven : due;
    const entry = candidates[Math.floor(this.#random() * candidates.length)];
    if (entry === undefined || !this.#mayDial(entry, nowMs)) return undefined;
    entry.state = "dialling";
    this.#dialling++;
    return entry.address;
  }

  /** A connection to the address proved itself, whoever dialled. */
  onJoined(address: Address, connection: ConnectionId): void {
    this.learn([address], "exchange");
    const entry = this.#find(address);
    if (entry === undefined || entry.state === "banned") return;
    this.#leaveDialling(entry);
    entry.state = "connected";
    entry.connection = connection;
    entry.isProven = true;
    entry.failures = 0;
    entry.reason = undefined;
  }

  /** The address is another way to a peer that is connected already. */
  onDuplicate(address: Address, nowMs: number): void {
    const entry = this.#find(address);
    if (entry === undefined || entry.state === "banned" || entry.state === "connected") return;
    this.#leaveDialling(entry);
    entry.state = "idle";
    entry.dialAfterMs = nowMs + DUPLICATE_RETRY_MS;
  }

  onLeft(address: Address, connection: ConnectionId, reason: string, nowMs: number): void {
    const entry = this.#find(address);
    if (entry?.state === "connected" && entry.connection === connection)
      this.#backOff(entry, reason, nowMs);
  }

  onFailed(address: Address, reason: string, nowMs: number): void {
    const entry = this.#find(address);
    if (entry === undefined) return;
    this.#leaveDialling(entry);
    if (entry.state === "idle") this.#backOff(entry, reason, nowMs);
  }

  /** Never again in this swarm. */
  ban(address: Address, reason: string): void {
    this.learn([address], "exchange");
    const entry = this.#find(address);
    if (entry === undefined) return;
    this.#leaveDialling(entry);
    entry.state = "banned";
    entry.reason = reason;
  }

  /** The address is our own. */
  onSelf(address: Address): void {
    const entry = this.#find(address);
    if (entry === undefined) return;
    this.#leaveDialling(entry);
    entry.state = "self";
  }

  isBanned(address: Address): boolean {
    return this.#find(address)?.state === "banned";
  }

  /** @returns addresses that failed last time, with the reason */
  unreachable(): readonly { readonly address: Address; readonly reason: string }[] {
    const failed: { address: Address; reason: string }[] = [];
    for (const { address, state, reason } of this.#entries.values()) {
      if ((state === "idle" || state === "banned") && reason !== undefined)
        failed.push({ address, reason });
    }
    return failed;
  }

  #find(address: Address): Entry | undefined {
    return this.#entries.get(formatAddress(address));
  }

  #leaveDialling(entry: Entry): void {
    if (entry.state !== "dialling") return;
    this.#dialling--;
    entry.state = "idle";
  }

  #backOff(entry: Entry, reason: string, nowMs: number): void {
    entry.state = "idle";
    entry.reason = reason;
    entry.failures++;
    const [firstMs, maxMs] = entry.isProven ? PROVEN_BACKOFF_MS : STRANGER_BACKOFF_MS;
    const backoffMs = Math.min(firstMs * 2 ** (entry.failures - 1), maxMs);
    entry.dialAfterMs = nowMs + backoffMs * (0.75 + this.#random() / 2);
  }

  /** A stranger's first dial counts against the minute's budget. */
  #mayDial(entry: Entry, nowMs: number): boolean {
    if (entry.isProven || entry.failures > 0 || entry.source === "user") return true;
    this.#newDials = this.#newDials.filter((atMs) => atMs > nowMs - 60_000);
    if (this.#newDials.length >= NEW_DIALS_PER_MINUTE_MAX) return false;
    this.#newDials.push(nowMs);
    return true;
  }
}

interface Entry {
  readonly address: Address;
  readonly source: AddressSource;
  state: "idle" | "dialling" | "connected" | "banned" | "self";
  connection?: ConnectionId;
  failures: number;
  dialAfterMs: number;
  isProven: boolean;
  reason: string | undefined;
}

function isUsable(entry: Entry): boolean {
  return entry.state !== "banned" && entry.state !== "self";
}

const ADDRESSES_MAX = 2000;
const DIALS_AT_ONCE_MAX = 8;
const NEW_DIALS_PER_MINUTE_MAX = 30;
/** First and longest wait before an address is dialled again; three attempts in ten minutes for a stranger. */
const STRANGER_BACKOFF_MS = [10_000, 600_000] as const;
const PROVEN_BACKOFF_MS = [500, 30_000] as const;
const DUPLICATE_RETRY_MS = 60_000;
