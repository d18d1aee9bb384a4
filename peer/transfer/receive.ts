import { Conversation } from "../../protocol/conversation.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { DataItem, FrameDecoder, FrameItem, PayloadItem } from "../../protocol/frame.ts";
import type { Geometry, PartIndex, PartRun } from "../../protocol/geometry.ts";
import type { ControlMessage, HandshakeMessage } from "../../protocol/messages.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { IntegrityError } from "../errors.ts";
import { RunHasher } from "../storage/run-hasher.ts";
import type { VerifiedRun } from "../storage/store.ts";
import { ChunkList } from "./chunk-list.ts";

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

/** A run whose bytes are all there, not looked at yet; chunks are views on what the socket gave. */
export interface ArrivedRun {
  readonly run: PartRun;
  readonly chunks: readonly Uint8Array[];
}

/** Bytes to frames: one batch for each chunk. */
export class FrameStream extends TransformStream<Uint8Array, readonly FrameItem[]> {
  /** @param decoder may have an unfinished frame already
   * @param firstItems what it took out before */
  constructor(decoder: FrameDecoder, firstItems: readonly FrameItem[]) {
    super({
      start(controller) {
        if (firstItems.length > 0) controller.enqueue(firstItems);
      },
      transform(chunk, controller) {
        controller.enqueue([...decoder.push(chunk)]);
      },
    });
  }
}

/** Frames to runs: messages go to the swarm in their order, part data is put together as it was asked for. */
export class RunStream extends TransformStream<readonly FrameItem[], ArrivedRun> {
  constructor(geometry: Geometry, port: ReceivePort) {
    const conversation = new Conversation(geometry);
    const assembler = new Assembler(geometry, port);
    super({
      transform(items, controller) {
        for (const item of items) {
          conversation.check(item);
          const run = item.type === "message" ? route(item.message, port) : assembler.take(item);
          if (run !== undefined) controller.enqueue(run);
        }
      },
    });
  }
}

function route(message: ControlMessage | HandshakeMessage, port: ReceivePort): undefined {
  if (message.type === "hello" || message.type === "proof") {
    throw new ProtocolError("bad_order", "Cannot take a greeting after the proof");
  }
  port.onMessage(message);
}

/** A run of which some bytes are there. */
interface Arriving {
  readonly run: PartRun;
  readonly bytes: number;
  readonly chunks: ChunkList;
  arrived: number;
}

/** Puts the frames of one run together. They come in order, and only what was asked for is taken. */
class Assembler {
  readonly #geometry: Geometry;
  readonly #port: ReceivePort;
  #current: Arriving | undefined;

  constructor(geometry: Geometry, port: ReceivePort) {
    this.#geometry = geometry;
    this.#port = port;
  }

  /** @returns the run that these bytes complete
   * @throws {ProtocolError} not_requested */
  take(item: DataItem | PayloadItem): ArrivedRun | undefined {
    if (item.type === "data") {
      this.#begin(item);
      return undefined;
    }
    const current = this.#current;
    if (current === undefined)
      throw new ProtocolError("not_requested", "Cannot take data: none was announced");
    current.chunks.add(item.chunk);
    current.arrived += item.chunk.length;
    this.#port.onArrived(current.run.first, item.chunk.length);
    if (current.arrived < current.bytes) return undefined;
    this.#current = undefined;
    return { run: current.run, chunks: current.chunks.take() };
  }

  #begin({ data, payloadBytes }: DataItem): void {
    const first = this.#geometry.part(data.first);
    const run = first === undefined ? undefined : this.#port.requested(first);
    if (run === undefined)
      throw new ProtocolError("not_requested", "Cannot take data: the run was not requested");
    // A run whose sender stopped halfway was refused in between; what came of it is dropped here.
    if (this.#current?.run.first !== run.first || data.offset === 0) {
      this.#current = {
        run,
        bytes: this.#geometry.runRange(run).length,
        arrived: 0,
        chunks: new ChunkList(),
      };
    }
    const { bytes, arrived } = this.#current;
    if (data.offset !== arrived || arrived + payloadBytes > bytes) {
      throw new ProtocolError("not_requested", "Cannot take data: it is not the next of its run");
    }
  }
}

/** Runs to verified runs: every part is hashed; a wrong one ends the connection before a byte of it goes on. */
export class VerifyStream extends TransformStream<ArrivedRun, VerifiedRun> {
  constructor(torrent: Torrent, port: ReceivePort) {
    super(
      {
        transform(arrived, controller) {
          const bad = firstBadPart(torrent, arrived);
          if (bad !== undefined) {
            port.onBadPart(arrived.run, bad);
            throw new IntegrityError(
              "part_mismatch",
              `Cannot take part ${bad}: it is not what the torrent says`,
            );
          }
          controller.enqueue(arrived);
        },
      },
      { highWaterMark: 1 },
      { highWaterMark: 0 },
    );
  }
}

function firstBadPart(torrent: Torrent, { run, chunks }: ArrivedRun): PartIndex | undefined {
  let bad: PartIndex | undefined;
  const hasher = new RunHasher(torrent.geometry, torrent.algorithm, [run], (part, ended) => {
    if (!ended.endsAs(torrent, part)) bad ??= part;
  });
  for (const chunk of chunks) hasher.update(chunk);
  return bad;
}
