import type { Clock } from "../clock.ts";

/** Something to be done again and again while there is reason to, and not at all otherwise: a peer may serve thousands of
 * torrents that nobody asks for. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #beat: () => boolean;
  #wake: (() => void) | undefined;

  /** @param ms between two beats
   * @param beat returns whether there is reason for another; after a no it rests until it is woken */
  constructor(clock: Clock, ms: number, beat: () => boolean) {
    this.#clock = clock;
    this.#ms = ms;
    this.#beat = beat;
  }

  /** There is reason again. */
  wake(): void {
    this.#wake?.();
  }

  /** Beats until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#beat()) await this.#clock.sleep(this.#ms, { signal }).catch(() => undefined);
      else await this.#rest(signal);
    }
  }

  async #rest(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const woken = Promise.withResolvers<void>();
    const wake = () => woken.resolve();
    this.#wake = wake;
    signal.addEventListener("abort", wake, { once: true });
    await woken.promise;
    signal.removeEventListener("abort", wake);
    this.#wake = undefined;
  }
}
