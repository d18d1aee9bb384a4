import type { Client, InStatement, ResultSet } from "@libsql/client";
import type { Clock } from "../clock.ts";
import { StoreError } from "../errors.ts";
import type { TimeCommit } from "../watch.ts";
import { toStoreError } from "./database-error.ts";

/** The one way to the database: everything waits here and goes down together, one transaction for all that came in one
 * turn of the event loop (group commit). Nobody is answered before the transaction that holds his statements is committed. */

/** Statements of one caller: they stay together and in order, and their results come back in that order. */
interface Job {
  readonly statements: readonly InStatement[];
  readonly done: (results: readonly ResultSet[]) => void;
  readonly failed: (error: StoreError) => void;
}

/** Most statements in one transaction; what is above waits for the next, so that no caller waits for all others. */
const GROUP_STATEMENTS_MAX = 2000;
/** Most callers that may wait; more are refused at once instead of being answered too late. */
const WAITING_JOBS_MAX = 10_000;

export interface BatchWriterOptions {
  /** Prepares a connection after it was opened anew: settings that do not live in the database. */
  readonly onReconnect: (client: Client) => Promise<void>;
  /** Stands around each transaction. */
  readonly timeCommit?: TimeCommit | undefined;
}

export class BatchWriter implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #client: Client;
  readonly #options: BatchWriterOptions;
  readonly #waiting: Job[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  /** @param client belongs to the writer from now on: nobody else may use it, and the writer closes it */
  constructor(clock: Clock, client: Client, options: BatchWriterOptions) {
    this.#clock = clock;
    this.#client = client;
    this.#options = options;
  }

  /** Puts statements into the next transaction.
   * @returns one result a statement, once committed
   * @throws {StoreError} when the transaction failed, as a whole: busy, failed; or was not tried: overloaded, closed */
  submit(statements: readonly InStatement[]): Promise<readonly ResultSet[]> {
    if (this.#closed) return Promise.reject(closed());
    if (this.#waiting.length >= WAITING_JOBS_MAX) {
      return Promise.reject(new StoreError("overloaded", "Cannot queue the write: too many wait"));
    }
    const { promise, resolve, reject } = Promise.withResolvers<readonly ResultSet[]>();
    this.#waiting.push({ statements, done: resolve, failed: reject });
    this.#running ??= this.#run();
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#running;
    this.#client.close();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#clock.turn();
      await this.#commit(this.#takeGroup());
    }
    this.#running = undefined;
  }

  #takeGroup(): readonly Job[] {
    let jobs = 0;
    let statements = 0;
    for (const job of this.#waiting) {
      if (jobs > 0 && statements + job.statements.length > GROUP_STATEMENTS_MAX) break;
      statements += job.statements.length;
      jobs++;
    }
    return this.#waiting.splice(0, jobs);
  }

  async #commit(group: readonly Job[]): Promise<void> {
    try {
      const statements = group.flatMap((job) => job.statements);
      const { timeCommit = untimed } = this.#options;
      const results = await timeCommit(
        { announces: group.length, waiting: () => this.#waiting.length },
        () => this.#client.batch(statements, "write"),
      );
      let at = 0;
      for (const job of group) {
        job.done(results.slice(at, at + job.statements.length));
        at += job.statements.length;
      }
    } catch (cause) {
      const error = toStoreError(cause);
      for (const job of group) job.failed(error);
      await this.#reconnect();
    }
  }

  /** A local connection that once was refused a lock goes on answering "ok" for writes that it never commits. */
  async #reconnect(): Promise<void> {
    if (this.#client.protocol !== "file") return;
    try {
      this.#client.reconnect();
      await this.#options.onReconnect(this.#client);
    } catch {
      // The next transaction meets the same trouble and reports it to its callers.
    }
  }
}

const untimed: TimeCommit = (_, commit) => commit();

function closed(): StoreError {
  return new StoreError("closed", "Cannot use the store: it is closed");
}
