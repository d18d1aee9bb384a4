import { isAddressClass } from "../../protocol/address-policy.ts";
import { InvariantError } from "../../protocol/errors.ts";
import { parseSwarmHash } from "../../protocol/ids.ts";
import { StoreError } from "../errors.ts";
import type { FileLogAnswer, FileLogOrder } from "./file-log-message.ts";
import type { LogRow, NumberedRow, PeerLog } from "./peer-log.ts";

/** The log in a database file, written and read by a thread of its own. */
export class FileLog implements PeerLog {
  readonly isShared = true;
  readonly #worker = new Worker(WORKER_URL);
  readonly #waiting: PromiseWithResolvers<FileLogAnswer>[] = [];
  /** What was appended here and not yet passed over when reading: first and last places. */
  #own: (readonly [first: number, last: number])[] = [];
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
      const columns: readonly unknown[] = JSON.parse(answer.rows);
      if (columns.length === 0) {
        this.#own = this.#own.slice(-1);
        return [];
      }
      const foreign = this.#foreignOf(columns);
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

  #foreignOf(all: readonly unknown[]): readonly NumberedRow[] {
    const foreign: NumberedRow[] = [];
    for (const columns of all) {
      const row = parseRow(columns);
      if (row !== undefined && !this.#isOwn(row.seq)) foreign.push(row);
    }
    return foreign;
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

/** @returns undefined for what no tracker wrote */
function parseRow(columns: unknown): NumberedRow | undefined {
  if (!Array.isArray(columns)) return undefined;
  const [seq, hash, host, port, zone, peer, complete, expires]: unknown[] = columns;
  const swarm = typeof hash === "string" ? parseSwarmHash(hash) : undefined;
  if (swarm === undefined || typeof host !== "string" || !isAddressClass(zone)) return undefined;
  if (typeof seq !== "number" || typeof port !== "number" || typeof expires !== "number") {
    return undefined;
  }
  return {
    seq,
    row: {
      swarm,
      host,
      port,
      zone,
      peer: typeof peer === "string" ? peer : undefined,
      complete: typeof complete === "number" ? complete === 1 : undefined,
      expires,
    },
  };
}
