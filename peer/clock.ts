/** Time and chance as arguments: nothing else in peer/ asks the system for either. */

export interface SleepOptions {
  /** Ends the wait: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** A wait that alone does not keep the process alive. */
  readonly background?: boolean;
}

export interface Clock {
  /** @returns milliseconds since 1970, which may jump: for stamps, never for deadlines */
  now(): number;
  /** @returns milliseconds since some moment, never going back: for deadlines and rates */
  monotonic(): number;
  /** Resolves after `ms` milliseconds, or rejects with the signal's reason. */
  sleep(ms: number, options?: SleepOptions): Promise<void>;
}

export interface Random {
  /** @returns `count` bytes */
  bytes(count: number): Uint8Array;
  /** @param limit 1 to 2^32
   * @returns a whole number from 0 to limit - 1, all equally likely */
  below(limit: number): number;
}

/** The longest delay a timer takes; a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** `crypto.getRandomValues` gives no more at once. */
const RANDOM_BYTES_MAX = 65_536;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep,
};

export const systemRandom: Random = { bytes, below };

function sleep(ms: number, options?: SleepOptions): Promise<void> {
  const { signal, background } = options ?? {};
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(
      () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      },
      Math.min(ms, TIMER_MS_MAX),
    );
    if (background) timer.unref();
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function bytes(count: number): Uint8Array {
  const result = new Uint8Array(count);
  for (let at = 0; at < count; at += RANDOM_BYTES_MAX) {
    crypto.getRandomValues(result.subarray(at, at + RANDOM_BYTES_MAX));
  }
  return result;
}

function below(limit: number): number {
  const word = new Uint32Array(1);
  // Numbers from the incomplete last round are drawn again: else the small ones would come oftener.
  const fair = 2 ** 32 - (2 ** 32 % limit);
  for (;;) {
    crypto.getRandomValues(word);
    const drawn = word[0] ?? 0;
    if (drawn < fair) return drawn % limit;
  }
}
