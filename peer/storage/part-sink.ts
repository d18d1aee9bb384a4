import type { PartRun } from "../../protocol/geometry.ts";
import { InFlight } from "../in-flight.ts";
import type { VerifiedRun } from "./store.ts";

/** Writes of one connection that may be under way at once: enough to overlap them, few enough to hold the remote back
 * when the disk is behind. */
const WRITES_IN_FLIGHT_MAX = 4;

/** @param write of the store
 * @param onWritten called after each run whose write resolved
 * @returns one connection's stream into a store; it pends while its writes are behind, and errors with the first of them
 * that fails */
export function createPartSink<Verified extends VerifiedRun>(
  write: (verified: Verified) => Promise<void>,
  onWritten: ((run: PartRun) => void) | undefined,
): WritableStream<Verified> {
  let controller: WritableStreamDefaultController | undefined;
  const writes = new InFlight(WRITES_IN_FLIGHT_MAX, (cause) => controller?.error(cause));
  return new WritableStream<Verified>(
    {
      start(given) {
        controller = given;
      },
      write: (verified) => writes.add(write(verified).then(() => onWritten?.(verified.run))),
      close: () => writes.finish(),
      abort: () => writes.settle(),
    },
    { highWaterMark: 1 },
  );
}
