import type { PartRun } from "../../protocol/geometry.ts";
import type { VerifiedRun } from "./store.ts";

/** Writes of one connection that may be under way at once: enough to overlap them, few enough to hold the remote back
 * when the disk is behind. */
const WRITES_IN_FLIGHT_MAX = 4;

/** @param write of the store
 * @param onWritten called after each run whose write resolved
 * @returns one connection's stream into a store; it pends while its writes are behind, and errors with the first of them
 * that fails */
export function createPartSink(
  write: (verified: VerifiedRun) => Promise<void>,
  onWritten: ((run: PartRun) => void) | undefined,
): WritableStream<VerifiedRun> {
  const inFlight = new Set<Promise<void>>();
  const failures: unknown[] = [];
  return new WritableStream<VerifiedRun>(
    {
      async write(verified, controller) {
        const done = write(verified).then(() => onWritten?.(verified.run));
        const settled = done.catch((cause) => {
          failures.push(cause);
          controller.error(cause);
        });
        const tracked = settled.finally(() => inFlight.delete(tracked));
        inFlight.add(tracked);
        if (inFlight.size >= WRITES_IN_FLIGHT_MAX) await Promise.race(inFlight);
      },
      async close() {
        await Promise.all(inFlight);
        // An error that comes while the stream closes does not stop it from closing: only throwing does.
        if (failures.length > 0) throw failures[0];
      },
      async abort() {
        await Promise.all(inFlight);
      },
    },
    { highWaterMark: 1 },
  );
}
