import {
  arrivingBytesMax,
  BLOCK_BYTES_MIN,
  BLOCKS_PER_CONNECTION,
  blockBytesFor,
  PAYLOAD_BYTES_MAX,
} from "../../protocol/limits.ts";

/** What one connection may hold of what is being sent; disposed with it. */
export interface SendShare extends Disposable {
  /** The most that it reads from a file at once now, in bytes: less when others send too. */
  readonly blockBytes: number;
  /** Says how much it holds from now on, in bytes; with 0 it leaves the others its share. */
  hold(bytes: number): void;
}

/** How `--max-memory` is shared out: a fixed part for what arrives, the rest for what is being sent, over all connections
 * that send now. What is beyond it, a chunk for each socket that waits, is data that was asked for, and counts as
 * arriving. */
export class MemoryBudget {
  /** For all that was asked for and is not written yet. */
  readonly arrivingBytes: number;
  readonly #memoryBytes: number;
  #senders = 0;
  #sendingBytes = 0;
  #unreadBytes = 0;

  /** @param memoryBytes at least MEMORY_BYTES_MIN */
  constructor(memoryBytes: number) {
    this.#memoryBytes = memoryBytes;
    this.arrivingBytes = arrivingBytesMax(memoryBytes);
  }

  /** Shares of those who hold nothing cost nothing: however many are connected, few are sent something at a time.
   * @param pieceBytes more is never read at once: what a limit lets pass */
  share(pieceBytes = PAYLOAD_BYTES_MAX): SendShare {
    let held = 0;
    const hold = (bytes: number) => {
      this.#senders += Number(bytes > 0) - Number(held > 0);
      this.#sendingBytes += bytes - held;
      held = bytes;
    };
    const blockBytes = () => Math.min(pieceBytes, this.#blockBytes(held));
    return {
      get blockBytes() {
        return blockBytes();
      },
      hold,
      [Symbol.dispose]: () => hold(0),
    };
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

  /** An equal share, or what those have left who do not read what they are sent, and cannot be made to hold less. */
  #blockBytes(held: number): number {
    const senders = this.#senders + (held > 0 ? 0 : 1);
    const free = this.#memoryBytes - this.arrivingBytes - (this.#sendingBytes - held);
    const left = Math.max(BLOCK_BYTES_MIN, Math.floor(free / BLOCKS_PER_CONNECTION));
    return Math.min(blockBytesFor(this.#memoryBytes, senders), left);
  }
}

const UNREAD_BYTES_TOTAL_MAX = 16 * 1024 * 1024;
