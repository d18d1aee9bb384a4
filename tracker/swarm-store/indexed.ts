import type { SwarmHash } from "../../protocol/ids.ts";
import type { Clock, Random } from "../clock.ts";
import { StoreError } from "../errors.ts";
import type { TimeCommit } from "../watch.ts";
import { createEmptyLog, type LogRow, type PeerLog } from "./peer-log.ts";
import { readAll, restore, type TakeIn } from "./read-log.ts";
import type { Announce, SwarmStore, SwarmView, Swept, Totals } from "./store.ts";
import { DEFAULT_LIMITS, type StoreLimits } from "./store-limits.ts";
import { type Subject, toSubject } from "./subject.ts";
import { SwarmIndex } from "./swarm-index.ts";

/** An announce that waits for its commit. */
interface Job {
  readonly announce: Announce;
  readonly subject: Subject;
  readonly done: (view: SwarmView | undefined) => void;
  readonly failed: (error: unknown) => void;
  /** What it writes, once it is in a group that is being committed. */
  row: LogRow | undefined;
  /** Why it cannot be taken. */
  refusal: unknown;
}

/** Most announces in one transaction; what is above waits for the next, so that no caller waits for all others. */
const GROUP_JOBS_MAX = 2000;
/** Most callers that may wait; more are refused at once instead of being answered too late. */
const WAITING_JOBS_MAX = 10_000;
/** Rows are written for so much longer than was promised, as a part of that time: meanwhile the same announce again needs
 * no row, and nobody is forgotten early. */
const MARGIN = 0.25;
/** How much of what expired one announce clears away before it is taken in. */
const EXPIRED_PER_ANNOUNCE_MAX = 1000;
/** Rows that one transaction erases. */
const ERASED_MAX = 5000;
/** How often the log is asked for what other processes wrote. */
const READ_PAUSE_MS = 250;

export interface IndexedOptions {
  readonly limits: StoreLimits;
  /** Stands around each commit. */
  readonly timeCommit?: TimeCommit | undefined;
}

/** A swarm store that has everything in memory, and every announce in a log before it is answered: all that came in while
 * one transaction was under way goes down with the next (group commit). What the log says already needs none. */
export class IndexedSwarmStore implements SwarmStore {
  readonly #clock: Clock;
  readonly #log: PeerLog;
  readonly #index: SwarmIndex;
  readonly #timeCommit: TimeCommit;
  readonly #stop = new AbortController();
  readonly #reading: Promise<void>;
  readonly #waiting: Job[] = [];
  /** Swarms with announces that wait or are under way: later ones queue behind them. */
  readonly #busy = new Map<SwarmHash, number>();
  #running: Promise<void> | undefined;
  /** The last place of the log that was written here. */
  #lastSeq = 0;

  private constructor(
    clock: Clock,
    log: PeerLog,
    index: SwarmIndex,
    {
      takeIn,
      timeCommit,
    }: { readonly takeIn: TakeIn; readonly timeCommit?: TimeCommit | undefined },
  ) {
    this.#timeCommit = timeCommit ?? ((_group, commit) => commit());
    this.#clock = clock;
    this.#log = log;
    this.#index = index;
    this.#reading = log.isShared ? this.#readForever(takeIn) : Promise.resolve();
  }

  /** Takes in what the log has.
   * @param log belongs to the store from now on
   * @throws {StoreError} */
  static async open(
    clock: Clock,
    random: Random,
    log: PeerLog,
    { limits, timeCommit }: IndexedOptions,
  ): Promise<IndexedSwarmStore> {
    const index = new SwarmIndex(random, limits);
    const takeIn: TakeIn = (rows) => restore(index, rows, clock.now(), limits);
    index.reserve(await log.span());
    await readAll(log, takeIn);
    return new IndexedSwarmStore(clock, log, index, { takeIn, timeCommit });
  }

  /** A store that forgets everything with the process: for tests, and for `--db :memory:`. */
  static inMemory(clock: Clock, random: Random, limits = DEFAULT_LIMITS): IndexedSwarmStore {
    const index = new SwarmIndex(random, limits);
    return new IndexedSwarmStore(clock, createEmptyLog(), index, { takeIn: () => {} });
  }

  async announce(announce: Announce): Promise<SwarmView | undefined> {
    this.#assertOpen();
    this.#index.sweep(announce.now, EXPIRED_PER_ANNOUNCE_MAX);
    const subject = toSubject(announce);
    if (!this.#busy.has(announce.swarm)) {
      const need = this.#index.needOf(subject);
      if (need === "unknown") return undefined;
      if (need === "nothing") return this.#index.apply(subject);
    }
    return await this.#enqueue(announce, subject);
  }

  async sweep({ now, limit }: { now: number; limit: number }): Promise<Swept> {
    this.#assertOpen();
    const swept = this.#index.sweep(now, limit);
    await this.#erase(this.#index.takeWorthless());
    return swept;
  }

  async totals(now: number): Promise<Totals> {
    this.#assertOpen();
    this.#index.sweep(now, EXPIRED_PER_ANNOUNCE_MAX);
    return this.#index.totals();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#reading;
    await this.#log[Symbol.asyncDispose]();
  }

  async #erase(rows: readonly number[]): Promise<void> {
    for (let at = 0; at < rows.length; at += ERASED_MAX) {
      try {
        await this.#log.erase(rows.slice(at, at + ERASED_MAX));
      } catch (error) {
        // A log in other trouble may be another one next time, with other rows in these places.
        const isBusy = error instanceof StoreError && error.code === "busy";
        if (isBusy) this.#index.returnWorthless(rows.slice(at));
        throw error;
      }
    }
  }

  #assertOpen(): void {
    if (this.#stop.signal.aborted) {
      throw new StoreError("closed", "Cannot use the store: it is closed");
    }
  }

  #enqueue(announce: Announce, subject: Subject): Promise<SwarmView | undefined> {
    if (this.#waiting.length >= WAITING_JOBS_MAX) {
      throw new StoreError("overloaded", "Cannot queue the write: too many wait");
    }
    const { promise, resolve, reject } = Promise.withResolvers<SwarmView | undefined>();
    const { swarm } = announce;
    this.#waiting.push({
      announce,
      subject,
      done: resolve,
      failed: reject,
      row: undefined,
      refusal: undefined,
    });
    this.#busy.set(swarm, (this.#busy.get(swarm) ?? 0) + 1);
    this.#running ??= this.#run();
    return promise;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#clock.turn();
      await this.#commit(this.#waiting.splice(0, GROUP_JOBS_MAX));
    }
    this.#running = undefined;
  }

  async #commit(group: readonly Job[]): Promise<void> {
    const planned = this.#plan(group);
    const rows = planned.flatMap(({ row }) => (row === undefined ? [] : [row]));
    let first = 0;
    let failure: unknown;
    try {
      if (rows.length > 0) {
        const waiting = (): number => this.#waiting.length;
        const announces = rows.length;
        first = await this.#timeCommit({ announces, waiting }, () => this.#append(rows));
      }
    } catch (error) {
      failure = error;
    }
    const again: Job[] = [];
    for (const job of planned) {
      const error = job.refusal ?? (job.row === undefined ? undefined : failure);
      if (error !== undefined) this.#settle(job, () => job.failed(error));
      else if (job.row === undefined) this.#settleKnown(job, again);
      else {
        const written = { seq: first++, kept: job.row.expires };
        this.#settle(job, () => job.done(this.#index.apply(job.subject, written)));
      }
    }
    this.#waiting.unshift(...again);
  }

  async #append(rows: readonly LogRow[]): Promise<number> {
    const first = await this.#log.append(rows);
    // Places only grow: who begins again is another log, in which nothing is that was written before.
    if (first <= this.#lastSeq) this.#index.distrustLog();
    this.#lastSeq = first + rows.length - 1;
    return first;
  }

  /** Decides for each of a group what it has to write, with what those before it write in mind. An announce that leaves a
   * thing as it was waits for the next group when it is being changed in this one, and all after it in its swarm too.
   * @returns those of the group that do not wait */
  #plan(group: readonly Job[]): readonly Job[] {
    const changed = new Set<SwarmHash>();
    const waits = new Set<SwarmHash>();
    const planned: Job[] = [];
    const later: Job[] = [];
    for (const job of group) {
      const { swarm, action, complete } = job.announce;
      const asks = changed.has(swarm) && action === "add" && complete === undefined;
      if (asks || waits.has(swarm)) {
        waits.add(swarm);
        later.push(job);
        continue;
      }
      if (changed.has(swarm) || this.#needsRow(job)) {
        changed.add(swarm);
        job.row = this.#toRow(job);
      }
      planned.push(job);
    }
    this.#waiting.unshift(...later);
    return planned;
  }

  #needsRow(job: Job): boolean {
    try {
      return this.#index.needOf(job.subject) === "row";
    } catch (error) {
      job.refusal = error;
      return false;
    }
  }

  #toRow({ announce, subject }: Job): LogRow {
    const { swarm, host, port, zone, peer, action, now } = announce;
    const expires = announce.expires + Math.ceil((announce.expires - now) * MARGIN);
    const complete = action === "add" ? this.#index.completeOf(subject) : undefined;
    return { swarm, host, port, zone, peer, complete, expires };
  }

  /** Answers a job that had nothing to write; when that is no longer so, it has to come again. */
  #settleKnown(job: Job, again: Job[]): void {
    const need = this.#index.needOf(job.subject);
    if (need === "row") again.push(job);
    else if (need === "unknown") this.#settle(job, () => job.done(undefined));
    else this.#settle(job, () => job.done(this.#index.apply(job.subject)));
  }

  #settle({ announce }: Job, settle: () => void): void {
    this.#release(announce.swarm);
    settle();
  }

  #release(hash: SwarmHash): void {
    const others = (this.#busy.get(hash) ?? 1) - 1;
    if (others === 0) this.#busy.delete(hash);
    else this.#busy.set(hash, others);
  }

  async #readForever(takeIn: TakeIn): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#clock.sleep(READ_PAUSE_MS, { signal });
      try {
        await readAll(this.#log, takeIn);
      } catch (error) {
        // What cannot be read may be gone: nothing counts as written until it is written again.
        if (error instanceof StoreError && error.code === "failed") this.#index.distrustLog();
      }
    }
  }
}
