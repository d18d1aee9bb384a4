import {
  IncompleteError,
  IntegrityError,
  NotFoundError,
  TimeoutError,
  type TrackerError,
} from "../errors.ts";
import type { SwarmStats } from "../swarm/messages.ts";
import type { TrackerState } from "./announcer.ts";

/** How long a download may take, in milliseconds; absent: as long as it wants. */
export interface PatienceOptions {
  readonly timeoutMs: number | undefined;
  readonly stallTimeoutMs: number | undefined;
}

/** Knows when a download has no hope left. Time is given and never goes back. */
export class Patience {
  readonly #options: PatienceOptions;
  readonly #startedAtMs: number;
  #movedAtMs: number;
  #bytesDone = -1;

  constructor(options: PatienceOptions, nowMs: number) {
    this.#options = options;
    this.#startedAtMs = nowMs;
    this.#movedAtMs = nowMs;
  }

  /** @param isOurs false while it is the reader of a pipe that is waited for: then nobody else is to blame
   * @returns what to end the download with, or undefined while it may go on */
  judge(
    stats: SwarmStats,
    trackers: readonly TrackerState[],
    nowMs: number,
    isOurs = true,
  ): Error | undefined {
    const { timeoutMs } = this.#options;
    this.#note(stats.bytesDone, nowMs);
    if (timeoutMs !== undefined && nowMs - this.#startedAtMs >= timeoutMs) {
      return new TimeoutError("timed_out", `Cannot finish the download: ${timeoutMs} ms are over`);
    }
    if (isOurs) return this.#judgeStall(stats, trackers, nowMs - this.#movedAtMs);
    this.#movedAtMs = nowMs;
    return undefined;
  }

  #judgeStall(
    stats: SwarmStats,
    trackers: readonly TrackerState[],
    stalledMs: number,
  ): Error | undefined {
    const { stallTimeoutMs } = this.#options;
    const isAlone = stats.peers === 0 && stats.peersKnown === 0;
    if (isAlone && stats.peersBanned === 0) {
      const graceMs = Math.min(stallTimeoutMs ?? TRACKER_GRACE_MS, TRACKER_GRACE_MS);
      const verdict = judgeTrackers(trackers, stalledMs >= graceMs);
      if (verdict !== undefined) return verdict;
    }
    if (stallTimeoutMs === undefined || stalledMs < stallTimeoutMs) return undefined;
    return isAlone && stats.peersBanned > 0 ? onlyLiars(stats) : stalled(stalledMs);
  }

  #note(bytesDone: number, nowMs: number): void {
    if (bytesDone === this.#bytesDone) return;
    this.#bytesDone = bytesDone;
    this.#movedAtMs = nowMs;
  }
}

/** With no peer known, everything depends on the trackers: when none can help, there is nothing to wait for. */
function judgeTrackers(trackers: readonly TrackerState[], isGraceOver: boolean): Error | undefined {
  let unreachable: TrackerError | undefined;
  let unknown: TrackerError | undefined;
  for (const state of trackers) {
    if (state.type === "pending" || state.type === "answered") return undefined;
    if (state.type === "unknown") unknown = state.error;
    else unreachable = state.error;
  }
  if (unreachable !== undefined) return isGraceOver ? unreachable : undefined;
  return unknown === undefined
    ? undefined
    : new NotFoundError("unknown_swarm", unknown.message, { cause: unknown });
}

function onlyLiars({ badParts, peersBanned }: SwarmStats): IntegrityError {
  return new IntegrityError(
    "part_mismatch",
    `Cannot finish the download: ${badParts} wrong parts came, their ${peersBanned} senders are banned, and nobody else has the file`,
  );
}

function stalled(stalledMs: number): IncompleteError {
  return new IncompleteError(
    "stalled",
    `Cannot finish the download: nothing came for ${Math.round(stalledMs)} ms`,
  );
}

/** A tracker that is just being started again is waited for. */
const TRACKER_GRACE_MS = 10_000;
