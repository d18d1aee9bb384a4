import { availableParallelism } from "node:os";
import { StorageError } from "../errors.ts";
import { toStorageError } from "./disk-error.ts";
import type { HashAnswer, HashJob } from "./hash-job.ts";

/** Hashing on all cores: threads that each read and hash a piece of the file after the other. For files that are there
 * already; while data arrives there is no core to spare (ARCHITECTURE.md, "One thread hashes what arrives"). */

/** More would wait for the disk, and for memory's bandwidth. */
const THREADS_MAX = 4;

/** @returns how many threads are worth starting on this machine */
export function threadCount(): number {
  return Math.min(THREADS_MAX, availableParallelism());
}

/** Does the jobs, several at a time, in any order.
 * @param onDone is told each job's digests when it is done
 * @throws {StorageError} denied, io: what reading met; the signal's reason. No thread runs any more then */
export async function hashInThreads(
  jobs: Iterable<HashJob>,
  onDone: (job: HashJob, digests: Uint8Array) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const left = jobs[Symbol.iterator]();
  const threads = Array.from({ length: threadCount() }, () => new HashThread());
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    await Promise.all(threads.map((thread) => work(thread, left, onDone, stop.signal)));
  } finally {
    signal?.removeEventListener("abort", onAbort);
    for (const thread of threads) thread.stop();
  }
}

async function work(
  thread: HashThread,
  jobs: Iterator<HashJob>,
  onDone: (job: HashJob, digests: Uint8Array) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let job = jobs.next(); !job.done; job = jobs.next()) {
    const digests = await thread.hash(job.value);
    signal.throwIfAborted();
    onDone(job.value, digests);
  }
}

class HashThread {
  readonly #worker = new Worker(WORKER_URL);
  #waiting: PromiseWithResolvers<HashAnswer> | undefined;

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<HashAnswer>) => this.#waiting?.resolve(data);
    this.#worker.onerror = ({ message }) => {
      this.#waiting?.reject(
        new StorageError("io", `Cannot hash: a hashing thread died: ${message}`),
      );
    };
  }

  async hash(job: HashJob): Promise<Uint8Array> {
    this.#waiting = Promise.withResolvers<HashAnswer>();
    this.#worker.postMessage(job);
    const answer = await this.#waiting.promise;
    if (answer.type === "digests") return answer.digests;
    throw toStorageError(
      Object.assign(new Error(answer.message), { code: answer.code }),
      "Cannot hash",
    );
  }

  stop(): void {
    this.#worker.terminate();
  }
}

/** Inside an executable all code stands in one file at the root, and the thread's file below it as in the sources. */
const WORKER_URL = new URL(
  import.meta.url.includes("/$bunfs/") ? "./storage/hash-worker.ts" : "./hash-worker.ts",
  import.meta.url,
).href;
