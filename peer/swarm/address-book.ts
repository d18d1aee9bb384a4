import { type Address, formatAddress } from "../../protocol/address.ts";
import {
  ATTEMPTS_WINDOW_MS,
  type Entry,
  hasAttempts,
  isDeadStranger,
  isNewlyReached,
  isTrusted,
  isUsable,
  recent,
} from "./address-entry.ts";
import { chooseToDial } from "./dial-choice.ts";
import type { AddressOrigin, AddressSource, ConnectionId, ToldAddress } from "./messages.ts";

/** Who could be dialled, when, and who must not be.
 *
 * Its limits bound what a lying tracker can make us do to a stranger: few dials at once, few new addresses a minute, few
 * attempts an address. An address that once proved itself to hold the torrent is no stranger and is redialled sooner. */
export class AddressBook {
  readonly #random: () => number;
  readonly #entries = new Map<string, Entry>();
  /** When strangers that were forgotten since were dialled: who names them again gets no new attempts by it. */
  readonly #forgotten = new Map<string, number[]>();
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

  /** Notes addresses that are new; in a full book a stranger that does not answer makes room.
   * @param teller who told it, as an IP literal */
  learn(addresses: readonly ToldAddress[], source: AddressSource, teller?: string): void {
    for (const { host, port, verified = false } of addresses) {
      const address = { host, port };
      let entry = this.#find(address);
      if (entry === undefined) {
        if (this.#entries.size >= ADDRESSES_MAX && !this.#dropWorst(isDeadStranger)) return;
        entry = this.#add(address, source, teller);
      }
      // What the user names becomes the user's, whoever named it before.
      if (source === "user") entry.source = source;
      if (source === "tracker") entry.isVerified = verified;
    }
  }

  /** @returns where others were reached, of which no tracker knows yet: at most so many, by lot */
  reached(most: number): readonly Address[] {
    const reached = [...this.#entries.values()].filter(isNewlyReached);
    const first = Math.floor(this.#random() * reached.length);
    const turned = [...reached.slice(first), ...reached.slice(0, first)];
    return turned.slice(0, most).map(({ address }) => address);
  }

  /** @returns on whose word the address is known */
  originOf(address: Address): AddressOrigin {
    const entry = this.#find(address);
    return { isUsers: entry?.source === "user", teller: entry?.teller };
  }

  /** @returns an address to dial now, noted as being dialled; undefined when none may be */
  next(nowMs: number): Address | undefined {
    if (this.#dialling >= DIALS_AT_ONCE_MAX) return undefined;
    const due = [...this.#entries.values()].filter(
      (entry) => entry.state === "idle" && entry.dialAfterMs <= nowMs && hasAttempts(entry, nowMs),
    );
    const mayTake = (source: AddressSource) => this.#countDialling(source) < DIALS_A_SOURCE_MAX;
    const entry = chooseToDial(due, mayTake, this.#random);
    if (entry === undefined || !this.#mayDial(entry, nowMs)) return undefined;
    entry.state = "dialling";
    this.#dialling++;
    return entry.address;
  }

  /** A connection to the address proved itself, whoever dialled. */
  onJoined(address: Address, connection: ConnectionId, nowMs: number): void {
    this.learn([address], "exchange", address.host);
    const entry = this.#find(address);
    if (entry === undefined || entry.state === "banned") return;
    // One that called us says itself where it listens, which is proven when we have called it there.
    entry.isProven ||= entry.state === "dialling";
    this.#leaveDialling(entry);
    entry.state = "connected";
    entry.connection = connection;
    entry.joinedAtMs = nowMs;
    entry.reason = undefined;
  }

  /** Whoever listens at the address gave us something that is right. */
  onDelivered(address: Address): void {
    const entry = this.#find(address);
    if (entry !== undefined) entry.isGood = true;
  }

  /** @returns whether somebody could be dialled now, as far as waits go */
  hasDue(nowMs: number): boolean {
    for (const entry of this.#entries.values())
      if (entry.state === "idle" && entry.dialAfterMs <= nowMs) return true;
    return false;
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
    if (entry?.state !== "connected" || entry.connection !== connection) return;
    // One that lets us in and leaves at once is not to be called upon in a loop.
    if (nowMs - entry.joinedAtMs >= STABLE_MS) entry.failures = 0;
    this.#backOff(entry, REJOIN_BACKOFF, reason, nowMs);
  }

  onFailed(address: Address, reason: string, nowMs: number): void {
    const entry = this.#find(address);
    if (entry === undefined) return;
    this.#leaveDialling(entry);
    const backoff = isTrusted(entry) ? REDIAL_BACKOFF : STRANGER_BACKOFF;
    if (entry.state === "idle") this.#backOff(entry, backoff, reason, nowMs);
  }

  /** Never again in this swarm. */
  ban(address: Address, reason: string): void {
    const entry = this.#find(address) ?? this.#addBanned(address);
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

  #countDialling(source: AddressSource): number {
    let count = 0;
    for (const entry of this.#entries.values())
      if (entry.state === "dialling" && entry.source === source) count++;
    return count;
  }

  #find(address: Address): Entry | undefined {
    return this.#entries.get(formatAddress(address));
  }

  #add(address: Address, source: AddressSource, teller?: string): Entry {
    const key = formatAddress(address);
    const entry: Entry = {
      address,
      source,
      teller,
      state: "idle",
      failures: 0,
      dialAfterMs: 0,
      attemptsMs: this.#forgotten.get(key) ?? [],
      joinedAtMs: 0,
      isProven: false,
      isVerified: false,
      isGood: false,
      reason: undefined,
    };
    this.#forgotten.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  /** A ban finds room whatever the book is full of. */
  #addBanned(address: Address): Entry {
    if (this.#entries.size >= ADDRESSES_MAX) {
      const isDropped =
        this.#dropWorst(isDeadStranger) ||
        this.#dropWorst((entry) => entry.state === "idle" && !isTrusted(entry));
      if (!isDropped) this.#dropWorst((entry) => entry.state === "banned");
    }
    return this.#add(address, "exchange");
  }

  /** Forgets the entry that failed most often among those that may go, the oldest of equals.
   * @returns whether there was one */
  #dropWorst(mayGo: (entry: Entry) => boolean): boolean {
    let worst: Entry | undefined;
    for (const entry of this.#entries.values()) {
      if (mayGo(entry) && (worst === undefined || entry.failures > worst.failures)) worst = entry;
    }
    if (worst === undefined) return false;
    this.#forget(worst);
    return true;
  }

  #forget({ address, attemptsMs }: Entry): void {
    const key = formatAddress(address);
    this.#entries.delete(key);
    if (attemptsMs.length > 0) this.#forgotten.set(key, attemptsMs);
    // Attempts come one after the other, so the first one in is the first one that counts no more.
    const latestMs = attemptsMs.at(-1) ?? 0;
    for (const [first, timesMs] of this.#forgotten) {
      if (
        (timesMs.at(-1) ?? 0) > latestMs - ATTEMPTS_WINDOW_MS &&
        this.#forgotten.size <= ADDRESSES_MAX
      )
        break;
      this.#forgotten.delete(first);
    }
  }

  #leaveDialling(entry: Entry): void {
    if (entry.state !== "dialling") return;
    this.#dialling--;
    entry.state = "idle";
  }

  #backOff(entry: Entry, backoff: Backoff, reason: string, nowMs: number): void {
    entry.state = "idle";
    entry.reason = reason;
    entry.failures++;
    const { firstMs, factor, maxMs } = backoff;
    const backoffMs = Math.min(firstMs * factor ** (entry.failures - 1), maxMs);
    entry.dialAfterMs = nowMs + backoffMs * (1 + this.#random() / 4);
  }

  /** A stranger's first dial counts against the minute's budget, whatever it did itself before. */
  #mayDial(entry: Entry, nowMs: number): boolean {
    if (isTrusted(entry)) return true;
    if (entry.attemptsMs.length === 0) {
      this.#newDials = this.#newDials.filter((atMs) => atMs > nowMs - 60_000);
      if (this.#newDials.length >= NEW_DIALS_PER_MINUTE_MAX) return false;
      this.#newDials.push(nowMs);
    }
    entry.attemptsMs = [...recent(entry.attemptsMs, nowMs), nowMs];
    return true;
  }
}

/** Waits in milliseconds: each `factor` times the last. */
interface Backoff {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

const ADDRESSES_MAX = 2000;
const DIALS_AT_ONCE_MAX = 8;
/** Of these so many to strangers from one source, lest one that names nobody who answers keeps all others waiting. */
const DIALS_A_SOURCE_MAX = 6;
const NEW_DIALS_PER_MINUTE_MAX = 30;
/** Waits of 10, 80 and then 600 s and a bit: any four attempts at a stranger span more than ten minutes. */
const STRANGER_BACKOFF = { firstMs: 10_000, factor: 8, maxMs: 600_000 } as const;
/** For one that had the torrent before, or that the user named: when it is back, it is soon in use. */
const REDIAL_BACKOFF = { firstMs: 500, factor: 2, maxMs: 2_500 } as const;
/** For one that let us in and left at once. */
const REJOIN_BACKOFF = { firstMs: 500, factor: 2, maxMs: 30_000 } as const;
const DUPLICATE_RETRY_MS = 60_000;
/** A connection that lasted so long was worth making. */
const STABLE_MS = 30_000;
