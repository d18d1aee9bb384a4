import { availableParallelism } from "node:os";
import type { PartIndex, PartRun } from "../../protocol/geometry.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { firstWrong } from "./first-wrong.ts";
import { HashThread } from "./hash-thread.ts";
import { RunHasher } from "./run-hasher.ts";

/** Says whether parts that arrived are what their torrent promises.
 *
 * The thread that receives can take bytes from the kernel three times as fast as it can hash them. So hashing has threads
 * of its own, where there is a core for them and once enough has come that starting them pays; before that, and if one
 * dies, it is done where it is called. The bytes are not copied for it: they are in memory that all threads see. */
export class PartVerifier implements Disposable {
  readonly #memory: SharedArrayBuffer;
  readonly #threadsMax: number;
  #threads: readonly HashThread[] = [];
  #bytesSeen = 0;
  #isStopped = false;

  /** @param memory where the bytes are that it is asked about; others are hashed where it is called */
  constructor(memory: SharedArrayBuffer, threadsMax = ownThreads()) {
    this.#memory = memory;
    this.#threadsMax = threadsMax;
  }

  /** @param bytes exactly the run's; nobody writes to them before the answer
   * @returns the first part that is wrong, undefined when all are right */
  async firstBad(
    torrent: Torrent,
    run: PartRun,
    bytes: Uint8Array,
  ): Promise<PartIndex | undefined> {
    this.#bytesSeen += bytes.length;
    const thread = this.#idlest();
    if (thread === undefined || bytes.buffer !== this.#memory) return hashHere(torrent, run, bytes);
    const { algorithm, geometry } = torrent;
    const { fileBytes, partBytes } = geometry;
    const source = { type: "memory", offset: bytes.byteOffset } as const;
    try {
      const digests = await thread.hash({ source, algorithm, fileBytes, partBytes, run });
      return firstWrong(torrent, run, digests);
    } catch (cause) {
      // Hashing in memory does not fail: the thread is gone, and costs its speed, not the download.
      this.#threads = this.#threads.filter((other) => other !== thread);
      if (this.#isStopped) throw cause;
      return hashHere(torrent, run, bytes);
    }
  }

  /** Ends the threads; what they were asked fails. */
  [Symbol.dispose](): void {
    this.#isStopped = true;
    for (const thread of this.#threads) thread.stop();
    this.#threads = [];
  }

  #idlest(): HashThread | undefined {
    if (this.#bytesSeen >= THREADS_FROM_BYTES && this.#bytesSeen !== Number.POSITIVE_INFINITY) {
      // Once only: one that died is not replaced.
      this.#bytesSeen = Number.POSITIVE_INFINITY;
      if (!this.#isStopped)
        this.#threads = Array.from(
          { length: this.#threadsMax },
          () => new HashThread(this.#memory),
        );
    }
    let idlest = this.#threads[0];
    for (const thread of this.#threads)
      if (idlest === undefined || thread.backlog < idlest.backlog) idlest = thread;
    return idlest;
  }
}

function hashHere(torrent: Torrent, run: PartRun, bytes: Uint8Array): PartIndex | undefined {
  let bad: PartIndex | undefined;
  const hasher = new RunHasher(torrent.geometry, torrent.algorithm, [run], (some, digests) => {
    bad ??= firstWrong(torrent, some, digests);
  });
  hasher.update(bytes);
  return bad;
}

/** One core receives; two that hash keep up with it. */
function ownThreads(): number {
  return Math.max(0, Math.min(2, availableParallelism() - 1));
}

/** A smaller download is over before a thread has started. */
const THREADS_FROM_BYTES = 16 * 1024 * 1024;
