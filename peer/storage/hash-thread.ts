import { StorageError } from "../errors.ts";
import { toStorageError } from "./disk-error.ts";
import type { HashAnswer, HashJob, HashOrder } from "./hash-job.ts";

/** One hashing thread: does its jobs in the order they come. */
export class HashThread {
  readonly #worker = new Worker(WORKER_URL);
  readonly #waiting: PromiseWithResolvers<HashAnswer>[] = [];
  #death: StorageError | undefined;

  /** @param memory where jobs in memory are; absent: none are */
  constructor(memory?: SharedArrayBuffer) {
    if (memory !== undefined) this.#tell({ type: "share", memory });
    this.#worker.onmessage = ({ data }: MessageEvent<HashAnswer>) => {
      this.#waiting.shift()?.resolve(data);
    };
    this.#worker.onerror = ({ message }) => {
      this.#die(new StorageError("io", `Cannot hash: a hashing thread died: ${message}`));
    };
  }

  /** Jobs that wait or are under way. */
  get backlog(): number {
    return this.#waiting.length;
  }

  /** @returns one digest a part, fewer where a file ends early
   * @throws {StorageError} denied, io: reading failed, or the thread is dead */
  async hash(job: HashJob): Promise<Uint8Array> {
    if (this.#death !== undefined) throw this.#death;
    const waiting = Promise.withResolvers<HashAnswer>();
    this.#waiting.push(waiting);
    this.#tell({ type: "hash", job });
    const answer = await waiting.promise;
    if (answer.type === "digests") return answer.digests;
    throw toStorageError(
      Object.assign(new Error(answer.message), { code: answer.code }),
      "Cannot hash",
    );
  }

  /** Ends the thread, and what it was asked with it. */
  stop(): void {
    this.#worker.terminate();
    this.#die(new StorageError("io", "Cannot hash: the hashing thread was stopped"));
  }

  #tell(order: HashOrder): void {
    this.#worker.postMessage(order);
  }

  #die(reason: StorageError): void {
    this.#death ??= reason;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(reason);
  }
}

/** Inside an executable all code stands in one file at the root, and the thread's file below it as in the sources. */
const WORKER_URL = new URL(
  import.meta.url.includes("/$bunfs/") ? "./storage/hash-worker.ts" : "./hash-worker.ts",
  import.meta.url,
).href;
