import { availableParallelism } from "node:os";
import type { HashJob } from "./hash-job.ts";
import { HashThread } from "./hash-thread.ts";

/** Hashing on all cores: threads that each read and hash a piece of a file after the other. For files that are there
 * already; what arrives is hashed by `PartVerifier`. */

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
