/** Gives memory back while a transfer runs.
 *
 * Every read of a socket brings a fresh chunk, and a gigabyte of them is garbage to an engine that sees only a few small
 * objects and no hurry: a downloader grew to 160 MiB with one source and 250 MiB with four. A full collection each
 * COLLECT_BYTES holds it near 125 MiB with one source, plain and in parts of 1 MiB, for about a tenth of its CPU time
 * (tests/bench/RESULTS.md). */
export class Reclaimer {
  readonly #collect: () => void;
  #bytes = 0;

  /** @param collect a full garbage collection */
  constructor(collect: () => void) {
    this.#collect = collect;
  }

  /** Bytes were written and their chunks let go. */
  onReleased(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < COLLECT_BYTES) return;
    this.#bytes = 0;
    this.#collect();
  }
}

const COLLECT_BYTES = 64 * 1024 * 1024;
