import type { PartIndex, PartRun, SpanIndex } from "../../protocol/geometry.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import type { SwarmEffect } from "./messages.ts";
import { refusal } from "./refusal.ts";
import type { SendWindow } from "./send-window.ts";

/** One that asks things of us. */
export class Customer {
  readonly peer: ConnectedPeer;
  /** Requests that wait for their turn, the oldest first. */
  readonly waiting = new Map<PartIndex, { readonly run: PartRun; readonly sinceMs: number }>();
  /** What is being sent. */
  serving: PartRun | undefined;
  /** Spans of which it got something. */
  readonly spans = new Set<SpanIndex>();
  /** Bytes it got, or was not there for. */
  bytes = 0;
  /** What it was sent and may not have yet. */
  readonly window: SendWindow;
  /** Whether it took nothing of what it is sent, at the last look. */
  isStuck = false;
  /** Whether it takes so little, or already so long, that others are served besides. */
  isAside = false;
  /** When its last turn began. */
  turnAtMs = 0;

  #isHeld = false;

  constructor(peer: ConnectedPeer, window: SendWindow) {
    this.peer = peer;
    this.window = window;
  }

  get isWaiting(): boolean {
    return this.waiting.size > 0;
  }

  /** Whether it is one of the few that are served at a time: of its run much is still to be sent, or under way. */
  get holdsPlace(): boolean {
    return this.isBusy && !this.isStuck && !this.isAside;
  }

  /** Whether it has much to take yet. */
  get isBusy(): boolean {
    return this.serving !== undefined || this.window.isFull;
  }

  /** Whether it can have a turn; one that is served besides others has to take what it was sent before the next. */
  get isReady(): boolean {
    if (!this.isWaiting || this.serving !== undefined || this.isStuck) return false;
    return !this.isAside || !this.window.isFull;
  }

  /** Whether it takes so long for one run that others should not wait for that. */
  isOverdue(nowMs: number): boolean {
    return this.isBusy && nowMs - this.turnAtMs >= TURN_MS_MAX;
  }

  /** Looks at how it takes what it is sent.
   * @param options.bestRate of all customers, in bytes a second
   * @param options.canBeLate whether it may be served besides others for its being overdue */
  review(options: { readonly bestRate: number; readonly canBeLate: boolean }, nowMs: number): void {
    const { bestRate, canBeLate } = options;
    const { isProven, bytesPerSecond = bestRate } = this.window;
    const isNarrow = bytesPerSecond * NARROW < bestRate;
    this.isAside = isNarrow || (canBeLate && this.isOverdue(nowMs));
    this.isStuck = this.window.stuckMs(nowMs) >= (isProven ? STUCK_MS : STUCK_UNPROVEN_MS);
  }

  /** Lets what is being sent to it wait while as much is under way as may be, or go on: more would only lie in queues, where
   * nobody can take it back any more. */
  *hold(): Generator<SwarmEffect> {
    const isHeld = this.window.isFull;
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    yield { type: "hold", connection: this.peer.connection, isHeld };
  }

  /** Refuses what waits too long. */
  *refuseLate(nowMs: number): Generator<SwarmEffect> {
    for (const { run, sinceMs } of this.waiting.values()) {
      if (nowMs - sinceMs < WAIT_MS_MAX) return;
      this.waiting.delete(run.first);
      yield refusal(this.peer.connection, run, "busy");
    }
  }

  get openCount(): number {
    return this.waiting.size + (this.serving === undefined ? 0 : 1);
  }

  isOpen(first: PartIndex): boolean {
    return this.waiting.has(first) || this.serving?.first === first;
  }
}

/** So many times less than another takes is too little to fill a place. */
const NARROW = 8;
const TURN_MS_MAX = 5000;
/** Where little arrives it is known 64 KiB at a time, which is soon enough for one of four that share 1 Mbit/s. */
const STUCK_MS = 3000;
/** Of whom nothing came back yet, many may come who never take anything, and there may be one place for all. */
const STUCK_UNPROVEN_MS = 1000;
/** Whoever would wait longer is told to ask others: well below the time after which it would think us dead. */
const WAIT_MS_MAX = 8000;
