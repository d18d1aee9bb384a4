/** What a stream's stage does several at a time: it holds back whoever feeds it, and hears of every failure. */
export class InFlight {
  readonly #max: number;
  readonly #onFailure: (cause: unknown) => void;
  readonly #running = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];

  /** @param max how many at a time, at least 1
   * @param onFailure is told each failure as it comes */
  constructor(max: number, onFailure: (cause: unknown) => void) {
    this.#max = max;
    this.#onFailure = onFailure;
  }

  /** @param work under way already
   * @returns when there is room for another; never rejects */
  async add(work: Promise<void>): Promise<void> {
    const settled = work.catch((cause: unknown) => {
      this.#failures.push(cause);
      this.#onFailure(cause);
    });
    const tracked = settled.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    if (this.#running.size >= this.#max) await Promise.race(this.#running);
  }

  /** Waits until nothing is under way any more; never rejects. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Waits likewise.
   * @throws the first failure: an error that comes while a stream closes does not stop it from closing, only throwing does */
  async finish(): Promise<void> {
    await this.settle();
    if (this.#failures.length > 0) throw this.#failures[0];
  }
}
