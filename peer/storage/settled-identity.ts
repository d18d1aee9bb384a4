import type { Clock } from "../clock.ts";
import type { DiskFile } from "./disk.ts";
import type { FileIdentity } from "./identity.ts";

/** File systems stamp changes with a clock that ticks: two changes within one tick look like one. */
const STAMP_TICK_MS = 20;
const NS_PER_MS = 1_000_000n;

/** Waits until the tick of the file's last change is over, so that a change made after this shows in the identity. A
 * stamp from the future needs no more than that: a change made now gets another one.
 * @returns the identity under which the file may be hashed from now on
 * @throws {StorageError} io; the signal's reason */
export async function settledIdentity(
  clock: Clock,
  file: DiskFile,
  signal: AbortSignal | undefined,
): Promise<FileIdentity> {
  const changedMs = Number((await file.facts()).identity.ctimeNs / NS_PER_MS);
  const waitMs = changedMs + STAMP_TICK_MS - clock.now();
  if (waitMs > 0) await clock.sleep(Math.min(waitMs, STAMP_TICK_MS) + 1, { signal });
  return (await file.facts()).identity;
}
