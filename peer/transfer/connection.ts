import type { PartRun } from "../../protocol/geometry.ts";
import type { ControlMessage } from "../../protocol/messages.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import type { Clock } from "../clock.ts";
import { createDeadline } from "../deadline.ts";
import { LimitRateStream, type RateLimit } from "../net/rate-limit.ts";
import type { SocketStreams } from "../net/socket.ts";
import type { PartVerifier } from "../storage/part-verifier.ts";
import type { ConnectionId } from "../swarm/messages.ts";
import type { Greeted } from "./greet.ts";
import type { SendShare } from "./memory-budget.ts";
import type { Outbox } from "./outbox.ts";
import { type BufferSource, HeldBuffers } from "./part-buffers.ts";
import { FrameStream, type HeldRun, type ReceivePort, RunStream, VerifyStream } from "./receive.ts";
import { ReadBlockStream, type SendPort } from "./send.ts";
import { SlowReader } from "./slow-reader.ts";

/** What a connection needs besides its socket. */
export interface ConnectionParts {
  readonly id: ConnectionId;
  readonly torrent: Torrent;
  readonly greeted: Greeted;
  readonly outbox: Outbox;
  readonly receive: ReceivePort;
  readonly send: SendPort;
  /** How much it may hold to send; it ends with the connection. */
  readonly memory: SendShare;
  /** What arriving runs are put together in. */
  readonly buffers: BufferSource;
  /** Who hashes them. */
  readonly verifier: PartVerifier;
  /** Where verified runs go. */
  readonly sink: WritableStream<HeldRun>;
  readonly limitDown: RateLimit | undefined;
  readonly limitUp: RateLimit | undefined;
}

/** One greeted connection: two pipelines over one socket. The way of a byte, both ways, is in the two methods below. */
export class Connection {
  readonly #socket: SocketStreams;
  readonly #clock: Clock;
  readonly #parts: ConnectionParts;
  readonly #stop = new AbortController();
  readonly #reader = new SlowReader();
  /** What the socket took before it was ours. */
  readonly #bytesGreeted: number;
  #blocks: ReadBlockStream | undefined;
  #closeReason: string | undefined;

  constructor(clock: Clock, socket: SocketStreams, parts: ConnectionParts) {
    this.#clock = clock;
    this.#socket = socket;
    this.#parts = parts;
    this.#bytesGreeted = socket.bytesTaken;
  }

  /** Runs until the connection is over and nothing of it is under way any more, not even a write; never throws.
   * @returns why, for people */
  async run(): Promise<string> {
    using _share = this.#parts.memory;
    using buffers = new HeldBuffers(this.#parts.buffers);
    const pipelines = [this.#receive(buffers), this.#send()].map(outcome);
    const ended = await Promise.race(pipelines);
    if (this.#closeReason !== undefined) await this.#flush();
    this.abort(ended);
    await Promise.all(pipelines);
    this.#parts.outbox.discard();
    return this.#closeReason ?? ended;
  }

  /** Ends it when the remote does not take what it asked for, and gives back what memory sending took when nothing is
   * sent. To be asked a few times a second. */
  review(): void {
    if (this.#reader.isTooSlow(this.#socket, this.#clock.monotonic()))
      this.abort("it does not take what it asked for");
    this.#blocks?.rest(this.#socket.bytesTaken - this.#bytesGreeted);
  }

  /** Says something to the remote, behind what was said before. */
  tell(message: ControlMessage): void {
    if (!this.#parts.outbox.send(message)) this.abort("it does not read what it is told");
  }

  /** Sends a run's data when its turn comes.
   * @param blockBytes in one frame at most; as many as memory allows when it is not said */
  serve(run: PartRun, blockBytes?: number): void {
    this.#parts.outbox.serve(run, blockBytes);
  }

  /** From now on data waits, or goes on. */
  hold(isHeld: boolean): void {
    this.#parts.outbox.hold(isHeld);
  }

  /** Takes a run back that was to be served.
   * @returns whether it was still to be sent: the remote is told then */
  unserve(run: PartRun): boolean {
    const isLeft = this.#parts.outbox.unserve(run);
    if (isLeft) this.tell({ type: "refuse", ...run, reason: "cancelled" });
    return isLeft;
  }

  /** Ends the connection after telling the remote why. */
  close(reason: string): void {
    if (this.#closeReason !== undefined) return;
    this.#closeReason = reason;
    this.#parts.outbox.send({ type: "bye", reason: reason.slice(0, REASON_CHARS_MAX) });
    this.#parts.outbox.end();
    void this.#flush().then(() => this.abort(reason));
  }

  /** Ends the connection now. */
  abort(reason: string): void {
    this.#closeReason ??= reason;
    this.#stop.abort(new DOMException(reason, "AbortError"));
    this.#socket.terminate();
  }

  /** Socket to file. */
  #receive(buffers: HeldBuffers): Promise<void> {
    const { torrent, greeted, receive, sink, verifier, limitDown } = this.#parts;
    const { signal } = this.#stop;
    const { readable } = this.#socket;
    const limited =
      limitDown === undefined
        ? readable
        : readable.pipeThrough(new LimitRateStream(limitDown, signal));
    return limited
      .pipeThrough(new FrameStream(greeted.decoder, greeted.firstItems))
      .pipeThrough(new RunStream(torrent.geometry, receive, { buffers, signal }))
      .pipeThrough(new VerifyStream(torrent, receive, verifier))
      .pipeTo(sink, { signal });
  }

  /** File to socket. */
  #send(): Promise<void> {
    const { torrent, outbox, send, memory, limitUp } = this.#parts;
    const { signal } = this.#stop;
    const blocks = new ReadBlockStream(torrent.geometry, send, { memory, limit: limitUp, signal });
    this.#blocks = blocks;
    return outbox.readable.pipeThrough(blocks).pipeTo(this.#socket.writable, { signal });
  }

  /** Gives the goodbye a moment to get out. */
  async #flush(): Promise<void> {
    using deadline = createDeadline(this.#clock, GOODBYE_MS);
    const over = new Promise((resolve) => deadline.signal.addEventListener("abort", resolve));
    await Promise.race([this.#socket.closed, over]);
  }
}

async function outcome(pipeline: Promise<void>): Promise<string> {
  try {
    await pipeline;
    return "it hung up";
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}

const GOODBYE_MS = 1000;
/** Below REASON_BYTES_MAX even if every character takes three bytes. */
const REASON_CHARS_MAX = 80;
