import { encodeDataHead, encodeMessage } from "../../protocol/frame.ts";
import type { Geometry, PartRun } from "../../protocol/geometry.ts";
import { letGo } from "../let-go.ts";
import type { RateLimit } from "../net/rate-limit.ts";
import type { PartSource } from "../storage/store.ts";
import type { SendShare } from "./memory-budget.ts";
import type { Block, Outgoing } from "./outbox.ts";

/** The stage of a connection's outgoing side that turns descriptors into bytes. */

/** What the outgoing side asks and tells of the swarm. */
export interface SendPort {
  /** The file that is served now. */
  source(): Pick<PartSource, "read">;
  /** So many bytes of a run were handed to the socket. */
  onSent(bytes: number): void;
  /** All of the run was handed to the socket. */
  onServed(run: PartRun, bytes: number): void;
  /** The run cannot be read; it was refused to the remote. */
  onUnreadable(run: PartRun, cause: unknown): void;
}

/** Descriptors to bytes: a block is read when the socket can take it, never earlier.
 *
 * Two buffers take turns. That is enough: what this stage gave is written out before it is asked for the next but one,
 * since it keeps nothing ready (high-water mark 0) and the socket takes one chunk at a time. */
export class ReadBlockStream extends TransformStream<Outgoing, Uint8Array> {
  readonly #reader: BlockReader;

  constructor(
    geometry: Geometry,
    port: SendPort,
    options: {
      readonly memory: Pick<SendShare, "blockBytes" | "hold">;
      readonly limit: RateLimit | undefined;
      readonly signal: AbortSignal;
    },
  ) {
    const reader = new BlockReader(geometry, port, options.memory);
    super(
      {
        async transform(outgoing, controller) {
          if (outgoing.type === "frames") {
            reader.bytesGiven += outgoing.bytes.length;
            controller.enqueue(outgoing.bytes);
            return;
          }
          await options.limit?.take(outgoing.length, options.signal);
          controller.enqueue(await reader.read(outgoing));
        },
      },
      { highWaterMark: 1 },
      { highWaterMark: 0 },
    );
    this.#reader = reader;
  }

  /** Gives the memory of its buffers back if nobody needs what is in them; the next block takes some again.
   * @param bytesWritten how much the socket took of all that this stage gave */
  rest(bytesWritten: number): void {
    this.#reader.rest(bytesWritten);
  }
}

class BlockReader {
  readonly #geometry: Geometry;
  readonly #port: SendPort;
  readonly #memory: Pick<SendShare, "blockBytes" | "hold">;
  /** Frames and blocks in bytes, as they go to the socket. */
  bytesGiven = 0;
  #buffers: [Uint8Array, Uint8Array] = [NONE, NONE];
  #turn: 0 | 1 = 0;
  #isReading = false;
  #refused: PartRun | undefined;

  constructor(geometry: Geometry, port: SendPort, memory: Pick<SendShare, "blockBytes" | "hold">) {
    this.#geometry = geometry;
    this.#port = port;
    this.#memory = memory;
  }

  /** @returns a data frame with the block, or a refuse frame when it cannot be read; valid until the next but one */
  async read(block: Block): Promise<Uint8Array> {
    this.#isReading = true;
    const frame = await this.#frame(block);
    this.#isReading = false;
    this.bytesGiven += frame.length;
    return frame;
  }

  rest(bytesWritten: number): void {
    if (this.#isReading || this.bytesGiven !== bytesWritten) return;
    for (const buffer of this.#buffers) letGo(buffer);
    this.#buffers = [NONE, NONE];
    this.#memory.hold(0);
  }

  async #frame({ run, offset, length, isLast }: Block): Promise<Uint8Array> {
    if (this.#refused?.first === run.first && offset > 0) return new Uint8Array(0);
    const head = encodeDataHead({ type: "data", first: run.first, offset }, length);
    const frame = this.#buffer(PAYLOAD_AT + length);
    frame.set(head, PAYLOAD_AT - head.length);
    try {
      const start = this.#geometry.runRange(run).offset + offset;
      await this.#port.source().read(start, frame.subarray(PAYLOAD_AT));
    } catch (cause) {
      return this.#refuse(run, cause);
    }
    this.#refused = undefined;
    this.#port.onSent(length);
    if (isLast) this.#port.onServed(run, offset + length);
    return frame.subarray(PAYLOAD_AT - head.length);
  }

  #refuse(run: PartRun, cause: unknown): Uint8Array {
    this.#refused = run;
    this.#port.onUnreadable(run, cause);
    this.#port.onServed(run, 0);
    return encodeMessage({ type: "refuse", ...run, reason: "changed" });
  }

  #buffer(bytes: number): Uint8Array {
    this.#turn = this.#turn === 0 ? 1 : 0;
    const room = PAYLOAD_AT + this.#memory.blockBytes;
    const buffer = this.#buffers[this.#turn];
    if (buffer.length >= bytes && buffer.length <= room) return buffer.subarray(0, bytes);
    // As much as is needed, so that a small file costs little, and less again when others came.
    const fresh = new Uint8Array(bytes);
    this.#buffers[this.#turn] = fresh;
    this.#memory.hold(this.#buffers[0].length + this.#buffers[1].length);
    // It was written out two turns ago; the collector would let many of them stand.
    letGo(buffer);
    return fresh.subarray(0, bytes);
  }
}

const NONE = new Uint8Array(0);
/** Where a frame's payload begins in its buffer, its head right before it. */
const PAYLOAD_AT = 4096;
