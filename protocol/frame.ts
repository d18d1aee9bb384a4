import { assert, ProtocolError } from "./errors.ts";
import { decodeHeader, encodeHeader } from "./header.ts";
import {
  BODY_BYTES_MAX,
  FRAME_PREFIX_BYTES,
  HEADER_BYTES_MAX,
  PAYLOAD_BYTES_MAX,
} from "./limits.ts";
import type {
  BitmapMessage,
  ControlMessage,
  DataMessage,
  HandshakeMessage,
  Message,
} from "./messages.ts";

/** A frame on the wire: `u32 body length | u16 header length | msgpack header | raw payload`, big-endian (SPEC.md §3). */

/** A whole message, whatever it carried besides part data. */
export interface MessageItem {
  readonly type: "message";
  readonly message: HandshakeMessage | ControlMessage;
}

/** A `data` frame begins; its payload follows in PayloadItems. */
export interface DataItem {
  readonly type: "data";
  readonly data: DataMessage;
  /** Bytes of payload that follow, at least one. */
  readonly payloadBytes: number;
}

/** Some of the payload of the last DataItem. */
export interface PayloadItem {
  readonly type: "payload";
  /** A view on what was pushed, never copied. */
  readonly chunk: Uint8Array;
  /** Bytes of the payload that come after this chunk. */
  readonly bytesLeft: number;
}

export type FrameItem = MessageItem | DataItem | PayloadItem;

/** @returns a whole frame: prefix, header, and the bits of a `bitmap` */
export function encodeMessage(message: HandshakeMessage | ControlMessage): Uint8Array {
  const payload = message.type === "bitmap" ? message.bits : new Uint8Array(0);
  const head = encodeHead(message, payload.length);
  if (payload.length === 0) return head;
  const frame = new Uint8Array(head.length + payload.length);
  frame.set(head);
  frame.set(payload, head.length);
  return frame;
}

/** @param payloadBytes 1 to PAYLOAD_BYTES_MAX, to be sent right after
 * @returns prefix and header of a `data` frame */
export function encodeDataHead(data: DataMessage, payloadBytes: number): Uint8Array {
  assert(payloadBytes >= 1, "A data frame carries at least one byte");
  return encodeHead(data, payloadBytes);
}

function encodeHead(message: Message, payloadBytes: number): Uint8Array {
  assert(payloadBytes <= PAYLOAD_BYTES_MAX, "A payload fits its frame");
  const header = encodeHeader(message);
  assert(header.length <= HEADER_BYTES_MAX, "A header fits its frame");
  const head = new Uint8Array(FRAME_PREFIX_BYTES + header.length);
  const view = new DataView(head.buffer);
  view.setUint32(0, 2 + header.length + payloadBytes);
  view.setUint16(4, header.length);
  head.set(header, FRAME_PREFIX_BYTES);
  return head;
}

/** Takes frames apart as their bytes arrive, in pieces of any length.
 *
 * Keeps at most one unfinished prefix and header, or one unfinished bitmap; never allocates by an announced length.
 * After an error it must not be used again. */
export class FrameDecoder {
  /** Largest body taken from here on: small before the proof, BODY_BYTES_MAX after it. */
  bodyBytesMax: number;
  #head: Uint8Array = new Uint8Array(0);
  #payloadLeft = 0;
  #bitmap: { readonly message: BitmapMessage; bits: Uint8Array; bytes: number } | undefined;

  constructor(options: { readonly bodyBytesMax?: number } = {}) {
    this.bodyBytesMax = options.bodyBytesMax ?? BODY_BYTES_MAX;
  }

  /** Whether the bytes so far end with a frame, so that the stream may end here. */
  get isBetweenFrames(): boolean {
    return this.#head.length === 0 && this.#payloadLeft === 0;
  }

  /** Takes everything out of the next bytes, lazily: what is not consumed yet obeys a changed `bodyBytesMax`.
   * @param chunk any length; payload items are views on it
   * @yields items in wire order
   * @throws {ProtocolError} frame_too_large, bad_header, bad_message */
  *push(chunk: Uint8Array): Generator<FrameItem> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#payloadLeft > 0) {
        const taken = rest.subarray(0, this.#payloadLeft);
        rest = rest.subarray(taken.length);
        yield* this.#takePayload(taken);
        continue;
      }
      const head = this.#takeHead(rest);
      if (head === undefined) return;
      rest = rest.subarray(head.consumed);
      yield* this.#beginFrame(head.message, head.payloadBytes);
    }
  }

  /** @returns undefined when the head is not whole yet; then all of `rest` is kept */
  #takeHead(rest: Uint8Array) {
    const before = this.#head.length;
    const seen =
      before === 0
        ? rest
        : join([this.#head, rest.subarray(0, FRAME_PREFIX_BYTES + HEADER_BYTES_MAX)]);
    const sizes = this.#parsePrefix(seen);
    const headBytes =
      sizes === undefined ? Number.POSITIVE_INFINITY : FRAME_PREFIX_BYTES + sizes.headerBytes;
    if (sizes === undefined || seen.length < headBytes) {
      this.#head = new Uint8Array(seen);
      return undefined;
    }
    this.#head = new Uint8Array(0);
    const message = decodeHeader(seen.subarray(FRAME_PREFIX_BYTES, headBytes));
    return { message, payloadBytes: sizes.payloadBytes, consumed: headBytes - before };
  }

  /** Refuses by the length fields as soon as they are there. */
  #parsePrefix(
    seen: Uint8Array,
  ): { readonly headerBytes: number; readonly payloadBytes: number } | undefined {
    const view = new DataView(seen.buffer, seen.byteOffset, seen.byteLength);
    if (seen.length < 4) return undefined;
    const bodyBytes = view.getUint32(0);
    if (bodyBytes > this.bodyBytesMax) {
      throw new ProtocolError(
        "frame_too_large",
        `Cannot read frame: ${bodyBytes} bytes, at most ${this.bodyBytesMax}`,
      );
    }
    if (seen.length < FRAME_PREFIX_BYTES) return undefined;
    const headerBytes = view.getUint16(4);
    const payloadBytes = bodyBytes - 2 - headerBytes;
    if (headerBytes > HEADER_BYTES_MAX || payloadBytes > PAYLOAD_BYTES_MAX) {
      throw new ProtocolError(
        "frame_too_large",
        "Cannot read frame: its header or payload is above the limit",
      );
    }
    if (headerBytes === 0 || payloadBytes < 0) {
      throw new ProtocolError(
        "bad_header",
        "Cannot read frame: header and body lengths contradict each other",
      );
    }
    return { headerBytes, payloadBytes };
  }

  *#beginFrame(message: Message, payloadBytes: number): Generator<FrameItem> {
    const mustCarry =
      message.type === "data" || (message.type === "bitmap" && message.parts === "some");
    if (mustCarry !== payloadBytes > 0) {
      throw new ProtocolError(
        "bad_message",
        `Cannot read frame: ${payloadBytes} payload bytes do not fit ${message.type}`,
      );
    }
    this.#payloadLeft = payloadBytes;
    if (message.type === "data") yield { type: "data", data: message, payloadBytes };
    else if (message.type === "bitmap" && mustCarry)
      this.#bitmap = { message, bits: new Uint8Array(0), bytes: 0 };
    else yield { type: "message", message };
  }

  *#takePayload(chunk: Uint8Array): Generator<FrameItem> {
    this.#payloadLeft -= chunk.length;
    if (this.#bitmap === undefined) {
      yield { type: "payload", chunk, bytesLeft: this.#payloadLeft };
      return;
    }
    const bitmap = this.#bitmap;
    bitmap.bits = withRoom(bitmap.bits, bitmap.bytes + chunk.length);
    bitmap.bits.set(chunk, bitmap.bytes);
    bitmap.bytes += chunk.length;
    if (this.#payloadLeft > 0) return;
    this.#bitmap = undefined;
    const bits = bitmap.bits.subarray(0, bitmap.bytes);
    yield { type: "message", message: { ...bitmap.message, bits } };
  }
}

function join(chunks: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(chunks.reduce((bytes, chunk) => bytes + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}

/** Grows by what came, doubling: neither an announced length nor tiny pieces cost more than the bytes themselves. */
function withRoom(bytes: Uint8Array, bytesNeeded: number): Uint8Array {
  if (bytesNeeded <= bytes.length) return bytes;
  const larger = new Uint8Array(Math.max(bytesNeeded, 2 * bytes.length));
  larger.set(bytes);
  return larger;
}
