import type { Client, InStatement, ResultSet } from "@libsql/client";
import type { Clock } from "../clock.ts";
import { StoreError } from "../errors.ts";
import type { TimeCommit } from "../watch.ts";

/** The way to a database far away. Jobs of one key keep their order; different keys go down different lanes, each with one
 * transaction on its way, so that a round trip holds up a part of the traffic and not all. What waits in a lane meanwhile
 * goes down together. Nobody is answered before the transaction that holds his statements is committed. */

export interface Job<Result> {
  /** Called when its group is put together, after all earlier jobs of its lane had their results, or are before it in
   * the same group. */
  prepare(): readonly InStatement[];
  /** Called in the order of the jobs, once committed, with one result a statement. */
  finish(results: readonly ResultSet[]): Result;
  /** Called instead of `finish`. */
  failed(): void;
}

export interface LanesOptions {
  /** How many transactions are on their way at once, at most. Undefined gives each job one of its own at once, and no
   * order: for hosts on which one request must not wait for what another one does. */
  readonly lanes: number | undefined;
  /** Stands around each transaction. */
  readonly timeCommit?: TimeCommit | undefined;
}

interface Waiting {
  readonly job: Job<void>;
  readonly reject: (error: StoreError) => void;
}

interface Lane {
  readonly waiting: Waiting[];
  isRunning: boolean;
}

/** Most jobs in one transaction; what is above waits for the next, so that no caller waits for all others. */
const GROUP_JOBS_MAX = 500;
/** Most callers that may wait; more are refused at once instead of being answered too late. */
const WAITING_JOBS_MAX = 10_000;

export class CommitLanes implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #client: Client;
  readonly #lanes: readonly Lane[];
  readonly #running = new Set<Promise<void>>();
  readonly #timeCommit: TimeCommit;
  #waitingCount = 0;
  #closed = false;

  /** @param client belongs to the lanes from now on: nobody else may use it, and they close it */
  constructor(clock: Clock, client: Client, { lanes, timeCommit }: LanesOptions) {
    this.#timeCommit = timeCommit ?? ((_group, commit) => commit());
    this.#clock = clock;
    this.#client = client;
    this.#lanes = Array.from({ length: lanes ?? 0 }, () => ({ waiting: [], isRunning: false }));
  }

  /** @param key jobs of the same key are done in the order of the calls
   * @throws {StoreError} when the transaction failed, as a whole: busy, failed, unavailable; or was not tried: overloaded, closed */
  submit<Result>(key: string, job: Job<Result>): Promise<Result> {
    if (this.#closed) return Promise.reject(closed());
    if (this.#waitingCount >= WAITING_JOBS_MAX) {
      return Promise.reject(new StoreError("overloaded", "Cannot queue the write: too many wait"));
    }
    return new Promise<Result>((resolve, reject) => {
      this.#enter(key, {
        job: {
          prepare: () => job.prepare(),
          finish: (results) => resolve(job.finish(results)),
          failed: () => job.failed(),
        },
        reject,
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.#client.close();
  }

  #enter(key: string, entry: Waiting): void {
    const lane = this.#lanes[hashOf(key) % (this.#lanes.length || 1)];
    this.#waitingCount++;
    if (lane === undefined) this.#track(this.#commit([entry]));
    else this.#wait(lane, entry);
  }

  #wait(lane: Lane, entry: Waiting): void {
    lane.waiting.push(entry);
    if (lane.isRunning) return;
    lane.isRunning = true;
    this.#track(this.#run(lane));
  }

  #track(running: Promise<void>): void {
    const tracked = running.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  async #run(lane: Lane): Promise<void> {
    while (lane.waiting.length > 0) {
      await this.#clock.turn();
      await this.#commit(lane.waiting.splice(0, GROUP_JOBS_MAX));
    }
    lane.isRunning = false;
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    try {
      const prepared = group.map(({ job }) => job.prepare());
      const statements = prepared.flat();
      const results = statements.length === 0 ? [] : await this.#batch(group, statements);
      let at = 0;
      for (const [index, { job }] of group.entries()) {
        const end = at + (prepared[index]?.length ?? 0);
        job.finish(results.slice(at, end));
        at = end;
      }
    } catch (cause) {
      const error = toStoreError(cause);
      for (const { job, reject } of group) {
        job.failed();
        reject(error);
      }
    } finally {
      this.#waitingCount -= group.length;
    }
  }

  #batch(group: readonly Waiting[], statements: InStatement[]): Promise<readonly ResultSet[]> {
    const waiting = (): number => this.#waitingCount - group.length;
    const commit = (): Promise<readonly ResultSet[]> => this.#client.batch(statements, "write");
    return this.#timeCommit({ announces: group.length, waiting }, commit);
  }
}

function closed(): StoreError {
  return new StoreError("closed", "Cannot use the store: it is closed");
}

/** A number for a text, spread well enough over a few lanes (FNV-1a). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** What the database itself says has a code of SQLite's; all else is that it cannot be reached, does not answer in time,
 * or lets nobody in. */
export function toStoreError(cause: unknown): StoreError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return new StoreError("busy", "Cannot commit: the database is locked", { cause });
  }
  return code.startsWith("SQL")
    ? new StoreError("failed", "Cannot commit: the database refused the transaction", { cause })
    : new StoreError("unavailable", "Cannot commit: the database cannot be reached", { cause });
}
