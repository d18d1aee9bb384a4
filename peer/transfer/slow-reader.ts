/** Finds out that a remote does not take what it asked for, which holds our buffers for nothing.
 *
 * Only time counts in which the socket waits for the remote: that our disk or a limit of our own holds data back is no
 * fault of it. Time is given and never goes back. */
export class SlowReader {
  #since: { readonly atMs: number; readonly bytes: number } | undefined;

  /** To be asked a few times a second.
   * @param sending.isWaiting whether the socket has bytes that the remote's side does not take now
   * @param sending.bytesTaken by the socket in all
   * @returns whether it took less than BYTES_PER_SECOND_MIN for all of PATIENCE_MS */
  isTooSlow(
    sending: { readonly isWaiting: boolean; readonly bytesTaken: number },
    nowMs: number,
  ): boolean {
    const { isWaiting, bytesTaken } = sending;
    if (!isWaiting) {
      this.#since = undefined;
      return false;
    }
    this.#since ??= { atMs: nowMs, bytes: bytesTaken };
    const { atMs, bytes } = this.#since;
    if (nowMs - atMs < PATIENCE_MS) return false;
    this.#since = { atMs: nowMs, bytes: bytesTaken };
    return bytesTaken - bytes < ((nowMs - atMs) * BYTES_PER_SECOND_MIN) / 1000;
  }
}

const PATIENCE_MS = 60_000;
const BYTES_PER_SECOND_MIN = 1024;
