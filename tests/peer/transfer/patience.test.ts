import { describe, expect, test } from "bun:test";
import {
  IncompleteError,
  IntegrityError,
  NotFoundError,
  TimeoutError,
  TrackerError,
} from "../../../peer/errors.ts";
import type { SwarmStats } from "../../../peer/swarm/messages.ts";
import type { TrackerState } from "../../../peer/transfer/announcer.ts";
import { Patience, type PatienceOptions } from "../../../peer/transfer/patience.ts";

const unreachable = new TrackerError("unreachable", "Cannot ask tracker: no answer");
const unknown = new TrackerError("unknown_swarm", "Cannot use tracker: it does not know the hash");
const FAILING: TrackerState = { type: "failing", error: unreachable };
const UNKNOWN: TrackerState = { type: "unknown", error: unknown };
const ANSWERED: TrackerState = { type: "answered" };
const PENDING: TrackerState = { type: "pending" };

function stats(options: Partial<SwarmStats> = {}): SwarmStats {
  return {
    bytesDone: 0,
    partsDone: 0,
    isComplete: false,
    peers: 0,
    peersKnown: 0,
    peersBanned: 0,
    sources: 0,
    isHungry: true,
    bytesPerPeer: new Map(),
    badParts: 0,
    duplicateBytes: 0,
    bytesServed: 0,
    ...options,
  };
}

function patience(options: Partial<PatienceOptions> = {}): Patience {
  return new Patience({ timeoutMs: undefined, stallTimeoutMs: undefined, ...options }, 0);
}

describe("Patience", () => {
  test("Patience without limits waits for ever while there is a peer, or a tracker that answers", () => {
    const forever = 1e9;
    expect(patience().judge(stats({ peers: 1 }), [FAILING], forever)).toBeUndefined();
    expect(patience().judge(stats({ peersKnown: 1 }), [FAILING], forever)).toBeUndefined();
    expect(patience().judge(stats(), [FAILING, ANSWERED], forever)).toBeUndefined();
    expect(patience().judge(stats(), [UNKNOWN, PENDING], forever)).toBeUndefined();
    expect(patience().judge(stats(), [], forever)).toBeUndefined();
  });

  test("judge ends with the timeout, whatever moves", () => {
    const judge = patience({ timeoutMs: 5000 });
    expect(judge.judge(stats({ peers: 3, bytesDone: 1 }), [ANSWERED], 4999)).toBeUndefined();
    const verdict = judge.judge(stats({ peers: 3, bytesDone: 2 }), [ANSWERED], 5000);
    expect(verdict).toBeInstanceOf(TimeoutError);
  });

  test("judge ends when nothing came for the stall timeout, counted anew from the last byte", () => {
    const judge = patience({ stallTimeoutMs: 3000 });
    const peers = { peers: 1, peersKnown: 1 };
    expect(judge.judge(stats({ ...peers, bytesDone: 0 }), [], 0)).toBeUndefined();
    expect(judge.judge(stats({ ...peers, bytesDone: 9 }), [], 2900)).toBeUndefined();
    expect(judge.judge(stats({ ...peers, bytesDone: 9 }), [], 5899)).toBeUndefined();
    const verdict = judge.judge(stats({ ...peers, bytesDone: 9 }), [], 5900);
    expect(verdict).toBeInstanceOf(IncompleteError);
    expect(verdict).toMatchObject({ code: "stalled" });
    expect(verdict?.message).toContain("3000 ms");
  });

  test("judge says at once that no tracker knows the hash, when no peer is known", () => {
    const verdict = patience().judge(stats(), [UNKNOWN], 0);
    expect(verdict).toBeInstanceOf(NotFoundError);
    expect(verdict?.message).toBe(unknown.message);
  });

  test("judge waits ten seconds for a tracker that does not answer, or less if the user said so", () => {
    for (const [stallTimeoutMs, graceMs] of [
      [undefined, 10_000],
      [60_000, 10_000],
      [2000, 2000],
    ] as const) {
      const judge = patience({ stallTimeoutMs });
      expect(judge.judge(stats(), [FAILING], 0)).toBeUndefined();
      expect(judge.judge(stats(), [FAILING, UNKNOWN], graceMs - 1)).toBeUndefined();
      expect(judge.judge(stats(), [FAILING, UNKNOWN], graceMs)).toBe(unreachable);
    }
  });

  test("judge names the wrong parts when all that were known are banned", () => {
    const judge = patience({ stallTimeoutMs: 1000 });
    const liars = stats({ peersBanned: 2, badParts: 3 });
    for (const nowMs of [0, 999]) expect(judge.judge(liars, [UNKNOWN], nowMs)).toBeUndefined();
    const verdict = judge.judge(liars, [UNKNOWN], 1000);
    expect(verdict).toBeInstanceOf(IntegrityError);
    expect(verdict?.message).toContain("3 wrong parts");
  });

  test("judge blames nobody while the reader of a pipe is waited for, but for the time in all", () => {
    const judge = patience({ stallTimeoutMs: 1000, timeoutMs: 60_000 });
    const alone = stats({ bytesDone: 5 });
    for (const nowMs of [0, 5000, 50_000])
      expect(judge.judge(alone, [UNKNOWN], nowMs, false)).toBeUndefined();
    // From then on it is ours again.
    expect(judge.judge(stats({ peers: 1, bytesDone: 5 }), [], 50_999)).toBeUndefined();
    expect(judge.judge(stats({ peers: 1, bytesDone: 5 }), [], 51_000)).toBeInstanceOf(
      IncompleteError,
    );
    expect(judge.judge(alone, [UNKNOWN], 60_000, false)).toBeInstanceOf(TimeoutError);
  });
});
