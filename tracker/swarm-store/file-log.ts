import { InvariantError } from "../../protocol/errors.ts";
import { StoreError } from "../errors.ts";
import { collectEvery } from "../garbage.ts";
import type { FileLogAnswer, FileLogOrder } from "./file-log-message.ts";
import { LogReader } from "./log-reader.ts";
import type { LogRow, NumberedRow, PeerLog } from "./peer-log.ts";

const PAGES_PER_COLLECTION = 15;

/** The log in a database file, written and read by a thread of its own. */
export class FileLog implements PeerLog {
  readonly isShared = true;
  readonly #worker = new Worker(WORKER_URL);
  readonly #waiting: PromiseWithResolvers<FileLogAnswer>[] = [];
  /** What was appended here and not yet passed over when reading: first and last places. */
  #own: (readonly [first: number, last: number])[] = [];
  readonly #reader = new LogReader();
  readonly #collect = collectEvery(PAGES_PER_COLLECTION);
  #death: StoreError | undefined;

  /** @param url of a migrated database file */
  constructor(url: string) {
    this.#worker.onmessage = ({ data }: MessageEvent<FileLogAnswer>) => {
      this.#waiting.shift()?.resolve(data);
    };
    this.#worker.onerror = ({ message }) => {
      this.#die(new StoreError("failed", `Cannot use the log: its thread died: ${message}`));
    };
    this.#ask({ type: "open", url }).catch(() => {});
  }

  async span(): Promise<number> {
    const answer = await this.#ask({ type: "span" });
    if (answer.type !== "span") throw new InvariantError(`A span gave ${answer.type}`);
    return answer.rows;
  }

  async append(rows: readonly LogRow[]): Promise<number> {
    const answer = await this.#ask({
      type: "append",
      rows: JSON.stringify(rows.map(toColumns)),
      count: rows.length,
    });
    if (answer.type !== "appended") throw new InvariantError(`An append gave ${answer.type}`);
    this.#own.push([answer.first, answer.first + rows.length - 1]);
    return answer.first;
  }

  async erase(seqs: readonly number[]): Promise<void> {
    await this.#ask({ type: "erase", seqs: JSON.stringify(seqs) });
  }

  async read(): Promise<readonly NumberedRow[]> {
    for (;;) {
      const answer = await this.#ask({ type: "read" });
      if (answer.type !== "rows") throw new InvariantError(`A read gave ${answer.type}`);
      if (answer.rows.length === 0) {
        this.#own = this.#own.slice(-1);
        this.#reader.clear();
        return [];
      }
      this.#collect();
      const foreign = this.#reader
        .read(Buffer.from(answer.rows.buffer))
        .filter(({ seq }) => !this.#isOwn(seq));
      if (foreign.length > 0) return foreign;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ask({ type: "close" }).catch(() => {});
    this.#worker.terminate();
    this.#die(new StoreError("closed", "Cannot use the log: it is closed"));
  }

  async #ask(order: FileLogOrder): Promise<FileLogAnswer> {
    if (this.#death !== undefined) throw this.#death;
    const waiting = Promise.withResolvers<FileLogAnswer>();
    this.#waiting.push(waiting);
    this.#worker.postMessage(order);
    const answer = await waiting.promise;
    if (answer.type === "failure") throw new StoreError(answer.code, answer.message);
    return answer;
  }

  #isOwn(seq: number): boolean {
    return this.#own.some(([first, last]) => first <= seq && seq <= last);
  }

  #die(reason: StoreError): void {
    this.#death ??= reason;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(reason);
  }
}

/** Inside an executable all code stands in one file at the root, and the thread's file below it as in the sources. */
const WORKER_URL = new URL(
  import.meta.url.includes("/$bunfs/")
    ? "./swarm-store/file-log-worker.ts"
    : "./file-log-worker.ts",
  import.meta.url,
).href;

function toColumns({ swarm, host, port, zone, peer, complete, expires }: LogRow): unknown[] {
  const number = complete === undefined ? null : Number(complete);
  return [swarm, host, port, zone, peer ?? null, number, expires];
}
