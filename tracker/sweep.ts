import type { Logger } from "@logtape/logtape";
import type { Clock } from "./clock.ts";
import type { SwarmStore } from "./swarm-store/store.ts";

/** How many peers and swarms one tick looks at: some milliseconds of a local database. */
const TICK_ROWS_MAX = 1000;
/** Between two ticks of one walk through the store, and between two walks. */
const TICK_PAUSE_MS = 100;
const WALK_PAUSE_MS = 5000;

/** Clears away what expired, a bounded piece at a time, until `signal` aborts. Answers do not wait for it: the store
 * never tells of expired peers. A store in trouble is tried again at the next tick. */
export async function sweepForever(
  clock: Clock,
  log: Logger,
  store: SwarmStore,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    const finished = await sweepOnce(clock, log, store);
    await clock.sleep(finished ? WALK_PAUSE_MS : TICK_PAUSE_MS, { signal });
  }
}

async function sweepOnce(clock: Clock, log: Logger, store: SwarmStore): Promise<boolean> {
  try {
    const swept = await store.sweep({ now: clock.now(), limit: TICK_ROWS_MAX });
    const { peers, swarms, finished } = swept;
    if (peers > 0 || swarms > 0) log.debug("Expired {peers} peers, {swarms} swarms", { ...swept });
    return finished;
  } catch (error) {
    log.warn("Cannot clear away what expired: {error}", { error });
    return true;
  }
}
