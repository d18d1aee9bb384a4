import type { Clock } from "./clock.ts";

/** A signal that is aborted when another is, or after some time; to be disposed when what it guards is done. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
  /** Whether it was the time that ran out. */
  readonly isOver: boolean;
}

/** @param ms milliseconds from now
 * @param parent aborts it early */
export function createDeadline(clock: Clock, ms: number, parent?: AbortSignal): Deadline {
  const done = new AbortController();
  const over = new AbortController();
  clock.sleep(ms, { signal: done.signal, background: true }).then(
    () => over.abort(new DOMException("The time is over", "TimeoutError")),
    () => undefined,
  );
  const signal = parent === undefined ? over.signal : AbortSignal.any([parent, over.signal]);
  return {
    signal,
    get isOver() {
      return over.signal.aborted;
    },
    [Symbol.dispose]: () => done.abort(),
  };
}

/** A promise that rejects with the signal's reason; `release` takes its listener off the signal again. */
export function whenAborted(signal: AbortSignal): {
  readonly promise: Promise<never>;
  release(): void;
} {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return { promise, release: () => signal.removeEventListener("abort", onAbort) };
}
