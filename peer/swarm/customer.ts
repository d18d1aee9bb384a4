import type { PartIndex, PartRun, SpanIndex } from "../../protocol/geometry.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
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

  constructor(peer: ConnectedPeer, window: SendWindow) {
    this.peer = peer;
    this.window = window;
  }

  get isWaiting(): boolean {
    return this.waiting.size > 0;
  }

  /** Whether it is one of the few that are served at a time: of its run much is still to be sent, or under way. */
  get holdsPlace(): boolean {
    return (this.serving !== undefined || this.window.isFull) && !this.isStuck;
  }

  /** Whether it can have a turn. */
  get isReady(): boolean {
    return this.isWaiting && this.serving === undefined && !this.isStuck;
  }

  get openCount(): number {
    return this.waiting.size + (this.serving === undefined ? 0 : 1);
  }

  isOpen(first: PartIndex): boolean {
    return this.waiting.has(first) || this.serving?.first === first;
  }
}
