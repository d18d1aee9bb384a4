import { Conversation } from "../../protocol/conversation.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { DataItem, FrameDecoder, FrameItem, PayloadItem } from "../../protocol/frame.ts";
import type { Geometry, PartIndex, PartRun } from "../../protocol/geometry.ts";
import type { ControlMessage, HandshakeMessage } from "../../protocol/messages.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { IntegrityError } from "../errors.ts";
import { InFlight } from "../in-flight.ts";
import { letGo } from "../let-go.ts";
import type { PartVerifier } from "../storage/part-verifier.ts";
import type { VerifiedRun } from "../storage/store.ts";
import type { HeldBuffer, HeldBuffers } from "./part-buffers.ts";

/** The stages of a connection's incoming side, each knowing one thing; transfer/connection.ts strings them together. */

/** What the incoming side asks and tells of the swarm. */
export interface ReceivePort {
  /** @throws {ProtocolError} when the message breaks the rules */
  onMessage(message: ControlMessage): void;
  /** @returns the run that was asked for with this first part, or undefined when none was */
  requested(first: PartIndex): PartRun | undefined;
  onArrived(first: PartIndex, bytes: number): void;
  onBadPart(run: PartRun, part: PartIndex): void;
}

/** The frames of one chunk. */
export interface FrameBatch {
  readonly items: readonly FrameItem[];
  /** What payload items are views on. */
  readonly chunk: Uint8Array;
}

/** A run whose bytes are all there, not looked at yet. */
export interface ArrivedRun {
  readonly run: PartRun;
  /** Exactly as long as the run. */
  readonly buffer: HeldBuffer;
}

/** A run as the torrent promises it, with what it stands in. */
export interface HeldRun extends VerifiedRun {
  /** Gives the memory of its bytes back. */
  release(): void;
  /** From now on its memory outlives its connection, until `release`. */
  keep(): void;
}

/** Bytes to frames: one batch for each chunk. */
export class FrameStream extends TransformStream<Uint8Array, FrameBatch> {
  /** @param decoder may have an unfinished frame already
   * @param firstItems what it took out before */
  constructor(decoder: FrameDecoder, firstItems: readonly FrameItem[]) {
    super({
      start(controller) {
        if (firstItems.length > 0) controller.enqueue({ items: firstItems, chunk: NOTHING });
      },
      transform(chunk, controller) {
        controller.enqueue({ items: [...decoder.push(chunk)], chunk });
      },
    });
  }
}

const NOTHING = new Uint8Array(0);

/** Frames to runs: messages go to the swarm in their order, part data is put together as it was asked for. */
export class RunStream extends TransformStream<FrameBatch, ArrivedRun> {
  /** @param options.buffers the connection's
   * @param options.signal ends waiting for one */
  constructor(
    geometry: Geometry,
    port: ReceivePort,
    options: { readonly buffers: HeldBuffers; readonly signal: AbortSignal },
  ) {
    const conversation = new Conversation(geometry);
    const assembler = new Assembler(geometry, port, options.buffers);
    super({
      async transform({ items, chunk }, controller) {
        for (const item of items) {
          conversation.check(item);
          if (item.type === "message") {
            route(item.message, port);
            assembler.hear(item.message);
          } else if (item.type === "payload") assembler.take(item, controller);
          else if (!assembler.begin(item)) await assembler.beginLater(item, options.signal);
        }
        letGo(chunk);
      },
    });
  }
}

function route(message: ControlMessage | HandshakeMessage, port: ReceivePort): void {
  if (message.type === "hello" || message.type === "proof") {
    throw new ProtocolError("bad_order", "Cannot take a greeting after the proof");
  }
  port.onMessage(message);
}

/** A run of which some bytes are there. */
interface Arriving {
  readonly run: PartRun;
  readonly buffer: HeldBuffer;
  arrived: number;
}

/** Puts the frames of one run together. They come in order, and only what was asked for is taken. */
class Assembler {
  readonly #geometry: Geometry;
  readonly #port: ReceivePort;
  readonly #buffers: HeldBuffers;
  #current: Arriving | undefined;

  constructor(geometry: Geometry, port: ReceivePort, buffers: HeldBuffers) {
    this.#geometry = geometry;
    this.#port = port;
    this.#buffers = buffers;
  }

  /** A data frame begins.
   * @returns whether its payload can be taken: there may be no memory for it now
   * @throws {ProtocolError} not_requested */
  begin(item: DataItem): boolean {
    const run = this.#expected(item);
    if (this.#current !== undefined) return true;
    const buffer = this.#buffers.tryTake(this.#geometry.runRange(run).length);
    if (buffer === undefined) return false;
    this.#current = { run, buffer, arrived: 0 };
    return true;
  }

  /** A run that was refused halfway is void: its memory is wanted by others. */
  hear(message: ControlMessage | HandshakeMessage): void {
    if (message.type === "refuse" && message.first === this.#current?.run.first) this.#drop();
  }

  /** As `begin`, once there is memory.
   * @throws the signal's reason */
  async beginLater(item: DataItem, signal: AbortSignal): Promise<void> {
    const run = this.#expected(item);
    const buffer = await this.#buffers.take(this.#geometry.runRange(run).length, signal);
    this.#current = { run, buffer, arrived: 0 };
  }

  /** @param completed is given the run that these bytes complete
   * @throws {ProtocolError} not_requested */
  take({ chunk }: PayloadItem, completed: TransformStreamDefaultController<ArrivedRun>): void {
    const current = this.#current;
    if (current === undefined)
      throw new ProtocolError("not_requested", "Cannot take data: none was announced");
    const { run, buffer } = current;
    buffer.bytes.set(chunk, current.arrived);
    current.arrived += chunk.length;
    this.#port.onArrived(run.first, chunk.length);
    if (current.arrived < buffer.bytes.length) return;
    this.#current = undefined;
    completed.enqueue({ run, buffer });
  }

  /** @returns the run that the frame is the next of */
  #expected({ data, payloadBytes }: DataItem): PartRun {
    const first = this.#geometry.part(data.first);
    const run = first === undefined ? undefined : this.#port.requested(first);
    if (run === undefined)
      throw new ProtocolError("not_requested", "Cannot take data: the run was not requested");
    if (this.#current?.run.first !== run.first || data.offset === 0) this.#drop();
    const arrived = this.#current?.arrived ?? 0;
    if (data.offset !== arrived || arrived + payloadBytes > this.#geometry.runRange(run).length) {
      throw new ProtocolError("not_requested", "Cannot take data: it is not the next of its run");
    }
    return run;
  }

  #drop(): void {
    this.#current?.buffer.release();
    this.#current = undefined;
  }
}

/** Runs to verified runs: every part is hashed; a wrong one ends the connection before a byte of it goes on. */
export class VerifyStream extends TransformStream<ArrivedRun, HeldRun> {
  /** @param verifier the process's: what several connections bring is hashed side by side */
  constructor(torrent: Torrent, port: ReceivePort, verifier: PartVerifier) {
    let controller: TransformStreamDefaultController<HeldRun> | undefined;
    const verdicts = new InFlight(VERDICTS_IN_FLIGHT_MAX, (cause) => controller?.error(cause));
    const verify = async ({ run, buffer }: ArrivedRun): Promise<void> => {
      const { bytes } = buffer;
      const bad = await verifier.firstBad(torrent, run, bytes);
      if (!buffer.isHeld) return;
      if (bad !== undefined) {
        port.onBadPart(run, bad);
        const state = "it is not what the torrent says";
        throw new IntegrityError("part_mismatch", `Cannot take part ${bad}: ${state}`);
      }
      const [release, keep] = [() => buffer.release(), () => buffer.keep()];
      controller?.enqueue({ run, bytes, release, keep });
    };
    super(
      {
        start(given) {
          controller = given;
        },
        transform: (arrived) => verdicts.add(verify(arrived)),
        flush: () => verdicts.finish(),
      },
      { highWaterMark: 1 },
      { highWaterMark: 0 },
    );
  }
}

/** Runs of one connection that are hashed at once: enough to keep two threads at work while others arrive. */
const VERDICTS_IN_FLIGHT_MAX = 4;
