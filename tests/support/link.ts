import type { ConnectionId } from "../../peer/swarm/messages.ts";
import type { PartRun } from "../../protocol/geometry.ts";
import type { ControlMessage } from "../../protocol/messages.ts";

/** A piece of a run on its way. */
export interface Piece {
  readonly type: "piece";
  readonly run: PartRun;
  readonly bytes: number;
  readonly isLast: boolean;
  /** Whether the run is not what the torrent says. */
  readonly isWrong: boolean;
}

export type Parcel = Piece | ControlMessage;

/** What a link needs of whoever stands at its ends. */
export interface LinkEndHolder {
  onParcel(connection: ConnectionId, parcel: Parcel): void;
  onGone(connection: ConnectionId, reason: string): void;
}

interface End {
  readonly holder: LinkEndHolder;
  readonly connection: ConnectionId;
  /** When the last parcel to this end arrives: no later one overtakes it. */
  lastArrivalMs: number;
}

/** A connection in memory: what is sent arrives in order after the latency, or never, when the link is cut first. */
export class Link {
  readonly #schedule: (atMs: number, happen: () => void) => void;
  readonly #latencyMs: number;
  readonly #ends: readonly [End, End];
  #isOpen = true;

  constructor(
    schedule: (atMs: number, happen: () => void) => void,
    latencyMs: number,
    ends: readonly [Omit<End, "lastArrivalMs">, Omit<End, "lastArrivalMs">],
  ) {
    this.#schedule = schedule;
    this.#latencyMs = latencyMs;
    this.#ends = [
      { ...ends[0], lastArrivalMs: 0 },
      { ...ends[1], lastArrivalMs: 0 },
    ];
  }

  get latencyMs(): number {
    return this.#latencyMs;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** @param atMs when it arrives at the earliest: now and the latency, or later for what takes long to send */
  send(from: LinkEndHolder, parcel: Parcel, atMs: number): void {
    const to = this.#other(from);
    to.lastArrivalMs = Math.max(to.lastArrivalMs, atMs);
    this.#schedule(to.lastArrivalMs, () => {
      if (this.#isOpen) to.holder.onParcel(to.connection, parcel);
    });
  }

  /** Ends the link: nothing that is on its way arrives, `by` knows now and the other after the latency. */
  close(by: LinkEndHolder, reason: string, nowMs: number): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const other = this.#other(by);
    const own = this.#own(by);
    own.holder.onGone(own.connection, reason);
    this.#schedule(nowMs + this.#latencyMs, () => other.holder.onGone(other.connection, reason));
  }

  /** @returns who stands at the other end */
  otherHolder(than: LinkEndHolder): LinkEndHolder {
    return this.#other(than).holder;
  }

  #other(than: LinkEndHolder): End {
    return this.#ends[this.#ends[0].holder === than ? 1 : 0];
  }

  #own(than: LinkEndHolder): End {
    return this.#ends[this.#ends[0].holder === than ? 0 : 1];
  }
}
