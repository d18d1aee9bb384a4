import { readFileSync } from "node:fs";
import fc from "fast-check";
import { ProtocolError } from "../../protocol/errors.ts";
import { encodeDataHead, encodeMessage, FrameDecoder } from "../../protocol/frame.ts";
import { REASON_BYTES_MAX } from "../../protocol/limits.ts";
import type { ControlMessage, HandshakeMessage, Message } from "../../protocol/messages.ts";
import { concat } from "./fixtures.ts";

/** A message with what its frame carries beside the header: nothing, except for `data`. */
export interface WireCase {
  readonly message: Message;
  readonly payload: Uint8Array;
}

export interface GoldenMessage extends WireCase {
  readonly name: string;
  readonly frame: Uint8Array;
}

/** Frames of every type, written by another implementation. */
export const goldenMessages: readonly GoldenMessage[] = readGolden("messages.json").map(
  (row: { name: string; message: object; payload: string; frame: string }) => ({
    name: row.name,
    message: Object.fromEntries(
      Object.entries(row.message).map(([key, value]) => [
        key,
        typeof value?.hex === "string" ? Uint8Array.fromHex(value.hex) : value,
      ]),
    ) as unknown as Message,
    payload: Uint8Array.fromHex(row.payload),
    frame: Uint8Array.fromHex(row.frame),
  }),
);

export interface GoldenHandshake {
  readonly mode: "plain" | "tls";
  readonly torrentDigest: string;
  readonly swarmKey: string;
  readonly preface: string;
  readonly swarm: string;
  readonly binding: { readonly dialler: string; readonly listener: string };
  readonly dialler: {
    readonly nonce: string;
    readonly peerId: string;
    readonly listenPort: number;
  };
  readonly listener: {
    readonly nonce: string;
    readonly peerId: string;
    readonly listenPort: number;
  };
  readonly said: readonly {
    readonly by: "dialler" | "listener";
    readonly what: "hello" | "proof";
    readonly bytes: string;
  }[];
}

/** Whole handshakes, computed by another implementation. */
export const goldenHandshakes: readonly GoldenHandshake[] = readGolden("handshakes.json");

/** @returns the whole frame */
export function encodeCase({ message, payload }: WireCase): Uint8Array {
  if (message.type !== "data") return encodeMessage(message);
  return concat([encodeDataHead(message, payload.length), payload]);
}

/** The bytes of a stream end where none may end. */
export class UnfinishedError extends Error {}

/** Takes bytes apart with FrameDecoder, joining the payload of `data` again.
 * @param pieces the bytes as they arrive
 * @throws {ProtocolError} what the decoder throws; UnfinishedError when the bytes end within a frame */
export function decodeAll(pieces: readonly Uint8Array[], decoder = new FrameDecoder()): WireCase[] {
  const cases: WireCase[] = [];
  let open: { readonly message: Message; readonly chunks: Uint8Array[] } | undefined;
  for (const item of pieces.flatMap((piece) => [...decoder.push(piece)])) {
    if (item.type === "message") cases.push(toCase(item.message));
    else if (item.type === "data") open = { message: item.data, chunks: [] };
    else open?.chunks.push(item.chunk);
    if (item.type !== "payload" || item.bytesLeft > 0 || open === undefined) continue;
    cases.push({ message: open.message, payload: concat(open.chunks) });
  }
  if (!decoder.isBetweenFrames) throw new UnfinishedError("The bytes end within a frame");
  return cases;
}

/** @returns the code a ProtocolError came with, or "accepted"; any other error goes on */
export function protocolVerdict(run: () => unknown): string {
  try {
    run();
    return "accepted";
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

/** Any message that may be on the wire, with its payload. */
export function anyCase(): fc.Arbitrary<WireCase> {
  const uint = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 2 ** 32 - 1 }));
  const count = uint.map((value) => Math.max(1, value));
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const filled = fc.uint8Array({ minLength: 1, maxLength: 600 });
  const host = fc.stringMatching(/^[a-z0-9.:-]{1,253}$/);
  const message = fc.oneof(
    fc.record({
      type: fc.constant("hello" as const),
      version: uint,
      nonce: bytes(16),
      swarm: bytes(16),
      peerId: bytes(16),
      listenPort: fc.nat({ max: 65535 }),
      features: uint,
    }),
    fc.record({ type: fc.constant("proof" as const), mac: bytes(32) }),
    fc.record({
      type: fc.constant("bitmap" as const),
      parts: fc.constantFrom("none" as const, "all" as const),
      bits: fc.constant(new Uint8Array(0)),
    }),
    fc.record({
      type: fc.constant("bitmap" as const),
      parts: fc.constant("some" as const),
      bits: filled,
    }),
    fc.record({
      type: fc.constantFrom("have" as const, "request" as const, "cancel" as const),
      first: uint,
      count,
    }),
    fc.record({
      type: fc.constant("refuse" as const),
      first: uint,
      count,
      reason: fc.constantFrom(
        "missing" as const,
        "changed" as const,
        "busy" as const,
        "stopping" as const,
        "cancelled" as const,
      ),
    }),
    fc.record({
      type: fc.constant("peers" as const),
      peers: fc.array(fc.record({ host, port: fc.integer({ min: 1, max: 65535 }) }), {
        maxLength: 50,
      }),
    }),
    fc.record({ type: fc.constant("ping" as const), id: uint }),
    fc.record({ type: fc.constant("pong" as const), id: uint, readAtMs: uint }),
    fc.record({
      type: fc.constant("bye" as const),
      reason: fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }).filter(fitsReason),
    }),
  );
  const data = fc.record({
    message: fc.record({ type: fc.constant("data" as const), first: uint, offset: uint }),
    payload: filled,
  });
  return fc.oneof({ weight: 6, arbitrary: message.map(toCase) }, data);
}

function fitsReason(reason: string): boolean {
  return new TextEncoder().encode(reason).length <= REASON_BYTES_MAX;
}

function toCase(message: HandshakeMessage | ControlMessage): WireCase {
  return { message, payload: message.type === "bitmap" ? message.bits : new Uint8Array(0) };
}

function readGolden(name: string) {
  const url = new URL(`../fixtures/wire/${name}`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8"));
}
