import { assert } from "../../protocol/errors.ts";
import { encodeMessage } from "../../protocol/frame.ts";
import type { PartRun } from "../../protocol/geometry.ts";
import type { ControlMessage } from "../../protocol/messages.ts";

/** What a connection has still to say, in the order it goes out: messages first, then part data as descriptors. The data
 * itself is read only when the socket can take it. */

/** A piece of a run to be read and sent. */
export interface Block {
  readonly type: "block";
  readonly run: PartRun;
  /** Bytes from the run's start. */
  readonly offset: number;
  readonly length: number;
  readonly isLast: boolean;
}

/** Whole frames, ready to be sent. */
export interface Frames {
  readonly type: "frames";
  readonly bytes: Uint8Array;
}

export type Outgoing = Block | Frames;

/** Bytes of messages that wait, over all connections. */
export interface UnreadBudget {
  /** Counts them.
   * @returns whether there is room for them */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

export class Outbox {
  /** Yields what is next whenever it is asked, and ends after `end` when the messages are out. */
  readonly readable: ReadableStream<Outgoing>;
  readonly #runBytes: (run: PartRun) => number;
  readonly #blockBytes: () => number;
  readonly #unread: UnreadBudget | undefined;
  #frames: Uint8Array[] = [];
  #frameBytes = 0;
  readonly #runs: { readonly run: PartRun; readonly blockBytes: number }[] = [];
  #sentBytes = 0;
  #isEnding = false;
  #isHeld = false;
  #wake: (() => void) | undefined;

  /** @param options.unread what all connections together may leave unread; by default nothing but this one's own limit
   * @param options.blockBytes the most that a data frame carries now
   * @param options.runBytes a run's length */
  constructor(options: {
    readonly blockBytes: () => number;
    readonly runBytes: (run: PartRun) => number;
    readonly unread?: UnreadBudget;
  }) {
    this.#unread = options.unread;
    this.#blockBytes = options.blockBytes;
    this.#runBytes = options.runBytes;
    this.readable = new ReadableStream<Outgoing>(
      { pull: (controller) => this.#pull(controller) },
      { highWaterMark: 0 },
    );
  }

  /** @returns whether it is queued: a remote that leaves UNREAD_BYTES_MAX unread is told no more, nor one of many that
   * leave much unread together */
  send(message: ControlMessage): boolean {
    const frame = encodeMessage(message);
    if (this.#frameBytes + frame.length > UNREAD_BYTES_MAX) return false;
    if (this.#unread?.take(frame.length) === false && this.#frameBytes > UNREAD_BYTES_FREE) {
      this.#unread.give(frame.length);
      return false;
    }
    this.#frameBytes += frame.length;
    this.#frames.push(frame);
    this.#wake?.();
    return true;
  }

  /** Queues the run's data behind what is queued.
   * @param blockBytes in one frame at most; as many as memory allows when it is not said */
  serve(run: PartRun, blockBytes = Number.POSITIVE_INFINITY): void {
    this.#runs.push({ run, blockBytes });
    this.#wake?.();
  }

  /** From now on data waits, or goes on; messages never wait. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld) this.#wake?.();
  }

  /** Takes a run back, also halfway.
   * @returns whether anything of it was still to be sent */
  unserve(run: PartRun): boolean {
    const at = this.#runs.findIndex((queued) => queued.run.first === run.first);
    if (at < 0) return false;
    this.#runs.splice(at, 1);
    if (at === 0) this.#sentBytes = 0;
    return true;
  }

  /** Says goodbye: what is queued as messages still goes out, data does not. */
  end(): void {
    this.#isEnding = true;
    this.#runs.length = 0;
    this.#wake?.();
  }

  /** The connection is over: nothing more goes out. */
  discard(): void {
    this.#clear();
  }

  async #pull(controller: ReadableStreamDefaultController<Outgoing>): Promise<void> {
    while (
      this.#frames.length === 0 &&
      !this.#isEnding &&
      (this.#isHeld || this.#runs.length === 0)
    ) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    if (this.#frames.length > 0) controller.enqueue(this.#takeFrames());
    else if (this.#isEnding) controller.close();
    else controller.enqueue(this.#takeBlock());
  }

  #takeFrames(): Frames {
    const bytes = Buffer.concat(this.#frames, this.#frameBytes);
    this.#clear();
    return { type: "frames", bytes };
  }

  #clear(): void {
    this.#unread?.give(this.#frameBytes);
    this.#frames = [];
    this.#frameBytes = 0;
  }

  #takeBlock(): Block {
    const [queued] = this.#runs;
    assert(queued !== undefined, "A block is taken of a queued run");
    const { run, blockBytes } = queued;
    const runBytes = this.#runBytes(run);
    const offset = this.#sentBytes;
    const length = Math.min(this.#blockBytes(), blockBytes, runBytes - offset);
    const isLast = offset + length === runBytes;
    this.#sentBytes = isLast ? 0 : offset + length;
    if (isLast) this.#runs.shift();
    return { type: "block", run, offset, length, isLast };
  }
}

/** Messages that a remote may leave unread: what it may in any case, however much others leave, and far more than any
 * that reads would. */
const UNREAD_BYTES_FREE = 32 * 1024;
const UNREAD_BYTES_MAX = 1024 * 1024;
