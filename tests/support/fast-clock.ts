import { type Clock, systemClock } from "../../peer/clock.ts";

/** @returns the system's time, so many times as fast: minutes of patience pass in seconds, over real sockets */
export function createFastClock(factor: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() * factor,
    sleep: (ms, options) => systemClock.sleep(ms / factor, options),
  };
}
