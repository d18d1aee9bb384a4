/** How a remote takes what it asked for. */
export type Taking = "well" | "stuck" | "tooSlow";

/** Finds out that a remote does not take what it asked for, which holds our buffers for nothing.
 *
 * Only time counts in which the socket waits for the remote: that our disk or a limit of our own holds data back is no
 * fault of it. Time is given and never goes back. */
export class SlowReader {
  #since: Mark | undefined;
  #stillSince: Mark | undefined;

  /** To be asked a few times a second.
   * @param sending.isWaiting whether the socket has bytes that the remote's side does not take now
   * @param sending.bytesTaken by the socket in all
   * @returns `stuck` while it has taken nothing for STUCK_MS; `tooSlow` when it took less than BYTES_PER_SECOND_MIN for all
   * of PATIENCE_MS */
  judge(
    sending: { readonly isWaiting: boolean; readonly bytesTaken: number },
    nowMs: number,
  ): Taking {
    const { isWaiting, bytesTaken: bytes } = sending;
    if (!isWaiting) {
      this.#since = undefined;
      this.#stillSince = undefined;
      return "well";
    }
    this.#since ??= { atMs: nowMs, bytes };
    if (this.#stillSince?.bytes !== bytes) this.#stillSince = { atMs: nowMs, bytes };
    const passedMs = nowMs - this.#since.atMs;
    const taken = bytes - this.#since.bytes;
    if (passedMs >= PATIENCE_MS) {
      this.#since = { atMs: nowMs, bytes };
      if (taken < (passedMs * BYTES_PER_SECOND_MIN) / 1000) return "tooSlow";
    }
    return nowMs - this.#stillSince.atMs < STUCK_MS ? "well" : "stuck";
  }
}

interface Mark {
  readonly atMs: number;
  /** Taken by then. */
  readonly bytes: number;
}

const PATIENCE_MS = 60_000;
const BYTES_PER_SECOND_MIN = 1024;
/** On a slow line the kernel takes more whenever half of its buffer is out, which may take seconds: who reads all he gets
 * looks stuck then, too, now and then, and is served none the slower for it. */
const STUCK_MS = 2000;
