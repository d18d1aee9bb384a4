import { arrivingBytesMax, blockBytesFor } from "../../protocol/limits.ts";

/** How `--max-memory` is shared out: a fixed part for what arrives, the rest for what is being sent, over all connections
 * that there are now. What is beyond it, a chunk for each socket that waits, is data that was asked for, and counts as
 * arriving. */
export class MemoryBudget {
  /** For all that was asked for and is not written yet. */
  readonly arrivingBytes: number;
  readonly #memoryBytes: number;
  #connections = 0;
  #unreadBytes = 0;

  /** @param memoryBytes at least MEMORY_BYTES_MIN */
  constructor(memoryBytes: number) {
    this.#memoryBytes = memoryBytes;
    this.arrivingBytes = arrivingBytesMax(memoryBytes);
  }

  /** What a connection may read from a file at once, in bytes; less when others come. */
  get blockBytes(): number {
    return blockBytesFor(this.#memoryBytes, this.#connections);
  }

  /** Messages wait for a remote that does not read them; they stand beside all of the above.
   * @returns whether they are within what all connections may leave unread together */
  take(bytes: number): boolean {
    this.#unreadBytes += bytes;
    return this.#unreadBytes <= UNREAD_BYTES_TOTAL_MAX;
  }

  /** They were read, or nobody is there to read them any more. */
  give(bytes: number): void {
    this.#unreadBytes -= bytes;
  }

  /** Counts a connection until it is disposed. */
  join(): Disposable {
    this.#connections++;
    const member = new DisposableStack();
    member.defer(() => this.#connections--);
    return member;
  }
}

const UNREAD_BYTES_TOTAL_MAX = 16 * 1024 * 1024;
