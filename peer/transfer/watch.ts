import type { EmitEvent, Totals, TransferProgress } from "../events.ts";
import type { LocalPeer } from "./local-peer.ts";
import { Patience, type PatienceOptions } from "./patience.ts";
import type { Swarm } from "./swarm.ts";
import { explainWaiting } from "./waiting.ts";

/** What is watched: a swarm, and what becomes of it. */
export interface Watched {
  readonly swarm: Swarm;
  /** Settles when there is nothing left to do. */
  readonly finished: Promise<unknown>;
  progress(): TransferProgress;
}

/** Waits for the end of a transfer, telling how it goes.
 * @throws what `finished` rejects with; {IncompleteError} {TimeoutError} {TrackerError} {NotFoundError} {IntegrityError}
 * out of patience; the signal's reason */
export async function watch(
  peer: LocalPeer,
  request: PatienceOptions & { readonly signal: AbortSignal },
  watched: Watched,
): Promise<void> {
  const { clock, emit } = peer.dependencies;
  const { swarm } = watched;
  const patience = new Patience(request, clock.monotonic());
  const done = new AbortController();
  const finished = watched.finished.finally(() => done.abort());
  finished.catch(() => undefined);
  const either = AbortSignal.any([request.signal, done.signal]);
  while (!either.aborted) {
    const progress = watched.progress();
    emit(progress);
    const isOurs = progress.readerBehind !== true;
    const nowMs = clock.monotonic();
    const verdict = patience.judge(swarm.stats(), swarm.trackerStates(), nowMs, isOurs);
    if (verdict !== undefined) throw verdict;
    await clock.sleep(REPORT_MS, { signal: either }).catch(() => undefined);
    if (!done.signal.aborted && isOurs) explain(swarm, emit);
  }
  request.signal.throwIfAborted();
  await finished;
  emit(watched.progress());
}

function explain(swarm: Swarm, emit: EmitEvent): void {
  emit(explainWaiting(swarm.waitingFor(PARTS_EXPLAINED), swarm.trackerStates()));
}

/** @returns what a transfer sums up
 * @param resumedBytes that were there before */
export function toTotals(swarm: Swarm, resumedBytes: number): Totals {
  const { bytesPerPeer, badParts, duplicateBytes } = swarm.stats();
  let bytes = 0;
  for (const count of bytesPerPeer.values()) bytes += count;
  return {
    bytes,
    bytesPerPeer: Object.fromEntries(bytesPerPeer),
    badParts,
    duplicateBytes,
    resumedBytes,
  };
}

const REPORT_MS = 200;
const PARTS_EXPLAINED = 3;
