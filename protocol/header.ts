import { Packr } from "msgpackr/pack";
import { ProtocolError } from "./errors.ts";
import { HEADER_BYTES_MAX, PEERS_PER_MESSAGE_MAX, REASON_BYTES_MAX } from "./limits.ts";
import {
  BITMAP_KINDS,
  type BitmapMessage,
  type HelloMessage,
  MESSAGE_CODES,
  type Message,
  type MessageType,
  type PeersMessage,
  REFUSE_REASONS,
  type RefuseMessage,
} from "./messages.ts";
import { isPlainMsgpack, type ScanLimits } from "./msgpack-scan.ts";

/** A message's msgpack header: how it is written, and how it is read from a stranger. */

const HEADER_SCAN: ScanLimits = {
  depthMax: 3,
  itemsMax: 4096,
  stringBytesMax: 255,
  binaryBytesMax: 64,
};

/** Largest number that a message may carry. */
const UINT_MAX = 2 ** 32 - 1;

const packr = new Packr({ useRecords: false, moreTypes: false, int64AsType: "number" });

/** @returns the header of a message; the payload of `bitmap` (its bits) and of `data` is sent after it */
export function encodeHeader(message: Message): Uint8Array {
  return packr.pack([MESSAGE_CODES[message.type], ...headerFields(message)]);
}

function headerFields(message: Message): readonly unknown[] {
  switch (message.type) {
    case "hello":
      return [
        message.version,
        message.nonce,
        message.swarm,
        message.peerId,
        message.listenPort,
        message.features,
      ];
    case "proof":
      return [message.mac];
    case "bitmap":
      return [BITMAP_KINDS.indexOf(message.parts)];
    case "have":
    case "request":
    case "cancel":
      return [message.first, message.count];
    case "data":
      return [message.first, message.offset];
    case "refuse":
      return [message.first, message.count, REFUSE_REASONS.indexOf(message.reason)];
    case "peers":
      return [message.peers.map((peer) => [peer.host, peer.port])];
    case "ping":
      return [message.id];
    case "pong":
      return [message.id, message.readAtMs];
    case "bye":
      return [message.reason];
    default:
      return message satisfies never;
  }
}

/** Reads a frame's header. `bitmap` comes back with empty bits: they are the payload.
 * @param header the exact bytes; nothing of them is kept
 * @throws {ProtocolError} bad_header (no plain msgpack, or not in its shortest form), bad_message (no such type, wrong fields) */
export function decodeHeader(header: Uint8Array): Message {
  if (header.length > HEADER_BYTES_MAX || !isPlainMsgpack(header, HEADER_SCAN)) {
    throw new ProtocolError(
      "bad_header",
      "Cannot read frame: its header is no plain msgpack within the limits",
    );
  }
  const value: unknown = packr.unpack(header);
  if (!isShortestForm(value, header)) {
    throw new ProtocolError(
      "bad_header",
      "Cannot read frame: its header is not in the shortest msgpack form",
    );
  }
  return parseMessage(value);
}

/** One message has one encoding: what does not encode to the same bytes again (a float, a long form) is refused. */
function isShortestForm(value: unknown, header: Uint8Array): boolean {
  const again = packr.pack(value);
  return again.length === header.length && again.every((byte, at) => byte === header[at]);
}

type Fields = readonly unknown[];
type FieldParser = (fields: Fields) => Message | undefined;

const PARSERS: Readonly<
  Record<MessageType, { readonly fieldCount: number; readonly parse: FieldParser }>
> = {
  hello: { fieldCount: 6, parse: parseHello },
  proof: {
    fieldCount: 1,
    parse: ([mac]) => (isBytes(mac, 32) ? { type: "proof", mac: new Uint8Array(mac) } : undefined),
  },
  bitmap: { fieldCount: 1, parse: parseBitmap },
  have: { fieldCount: 2, parse: (fields) => parseRun("have", fields) },
  request: { fieldCount: 2, parse: (fields) => parseRun("request", fields) },
  data: {
    fieldCount: 2,
    parse: ([first, offset]) =>
      isCount(first) && isCount(offset) ? { type: "data", first, offset } : undefined,
  },
  refuse: { fieldCount: 3, parse: parseRefuse },
  cancel: { fieldCount: 2, parse: (fields) => parseRun("cancel", fields) },
  peers: { fieldCount: 1, parse: parsePeers },
  ping: { fieldCount: 1, parse: ([id]) => (isCount(id) ? { type: "ping", id } : undefined) },
  pong: {
    fieldCount: 2,
    parse: ([id, readAtMs]) =>
      isCount(id) && isCount(readAtMs) ? { type: "pong", id, readAtMs } : undefined,
  },
  bye: {
    fieldCount: 1,
    parse: ([reason]) => (isText(reason, REASON_BYTES_MAX) ? { type: "bye", reason } : undefined),
  },
};

const PARSER_BY_CODE = new Map(
  Object.entries(PARSERS).map(([type, parser]) => [MESSAGE_CODES[type as MessageType], parser]),
);

function parseMessage(value: unknown): Message {
  const [code, ...fields]: unknown[] = Array.isArray(value) ? value : [];
  const parser = isCount(code) ? PARSER_BY_CODE.get(code) : undefined;
  const message = parser?.fieldCount === fields.length ? parser.parse(fields) : undefined;
  if (message === undefined)
    throw new ProtocolError("bad_message", "Cannot read frame: no such message, or wrong fields");
  return message;
}

function parseHello([version, nonce, swarm, peerId, listenPort, features]: Fields):
  | HelloMessage
  | undefined {
  const isWhole =
    isCount(version) &&
    isBytes(nonce, 16) &&
    isBytes(swarm, 16) &&
    isBytes(peerId, 16) &&
    isCount(listenPort) &&
    listenPort <= 65535 &&
    isCount(features);
  if (!isWhole) return undefined;
  return {
    type: "hello",
    version,
    nonce: new Uint8Array(nonce),
    swarm: new Uint8Array(swarm),
    peerId: new Uint8Array(peerId),
    listenPort,
    features,
  };
}

function parseBitmap([kind]: Fields): BitmapMessage | undefined {
  const parts = isCount(kind) ? BITMAP_KINDS[kind] : undefined;
  return parts === undefined ? undefined : { type: "bitmap", parts, bits: new Uint8Array(0) };
}

function parseRun<Type extends "have" | "request" | "cancel">(
  type: Type,
  [first, count]: Fields,
): { readonly type: Type; readonly first: number; readonly count: number } | undefined {
  return isCount(first) && isCount(count) && count >= 1 ? { type, first, count } : undefined;
}

function parseRefuse([first, count, code]: Fields): RefuseMessage | undefined {
  const reason = isCount(code) ? REFUSE_REASONS[code] : undefined;
  if (!isCount(first) || !isCount(count) || count < 1 || reason === undefined) return undefined;
  return { type: "refuse", first, count, reason };
}

function parsePeers([list]: Fields): PeersMessage | undefined {
  if (!Array.isArray(list) || list.length > PEERS_PER_MESSAGE_MAX) return undefined;
  const peers: { host: string; port: number }[] = [];
  for (const pair of list as unknown[]) {
    const [host, port, ...rest]: unknown[] = Array.isArray(pair) ? pair : [];
    if (!isText(host, 253) || !isCount(port) || port < 1 || port > 65535 || rest.length > 0)
      return undefined;
    peers.push({ host, port });
  }
  return { type: "peers", peers };
}

/** Whatever is above 32 bits has no integer form in our msgpack, but a float's. */
function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= UINT_MAX;
}

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}

function isText(value: unknown, bytesMax: number): value is string {
  return (
    typeof value === "string" &&
    value.length > 0 &&
    new TextEncoder().encode(value).length <= bytesMax
  );
}
