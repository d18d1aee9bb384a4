import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encodeDataHead, encodeMessage, FrameDecoder } from "../../protocol/frame.ts";
import {
  BODY_BYTES_MAX,
  FRAME_PREFIX_BYTES,
  HANDSHAKE_BYTES_MAX,
  HEADER_BYTES_MAX,
  PAYLOAD_BYTES_MAX,
} from "../../protocol/limits.ts";
import { concat, Random, randomBytes } from "../support/fixtures.ts";
import { readNaively } from "../support/naive-wire.ts";
import {
  anyCase,
  decodeAll,
  encodeCase,
  goldenMessages,
  protocolVerdict,
  type WireCase,
} from "../support/wire.ts";

const PING = encodeMessage({ type: "ping", id: 1 });

describe("golden frames", () => {
  for (const golden of goldenMessages) {
    test(`FrameDecoder and the encoder agree with the golden bytes of ${golden.name}`, () => {
      expect(encodeCase(golden).toHex()).toBe(golden.frame.toHex());
      expect(decodeAll([golden.frame])).toEqual([
        { message: golden.message, payload: golden.payload },
      ]);
    });
  }

  test("golden frames exist for every message type", async () => {
    const { MESSAGE_CODES } = await import("../../protocol/messages.ts");
    const types = new Set(goldenMessages.map((golden) => golden.message.type));
    expect([...types].toSorted()).toEqual(Object.keys(MESSAGE_CODES).toSorted() as never[]);
  });
});

describe("FrameDecoder", () => {
  test("FrameDecoder gives back any messages, however their bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(anyCase(), { maxLength: 8 }), fc.integer(), (cases, seed) => {
        const stream = concat(cases.map(encodeCase));
        expect(decodeAll(cut(stream, seed))).toEqual(cases);
      }),
      { numRuns: 500 },
    );
  });

  test("FrameDecoder gives every message cut in two at every byte, and none before its last", () => {
    for (const golden of goldenMessages) {
      for (let at = 1; at < golden.frame.length; at++) {
        const decoder = new FrameDecoder();
        const before = [...decoder.push(golden.frame.subarray(0, at))];
        expect(decoder.isBetweenFrames).toBe(false);
        expect(before.some((item) => item.type === "message")).toBe(false);
        const rest = [...decoder.push(golden.frame.subarray(at))];
        expect(decoder.isBetweenFrames).toBe(true);
        const isWhole = [...before, ...rest].length > 0;
        expect(isWhole).toBe(true);
      }
      const bytes = [...golden.frame].map((byte) => Uint8Array.of(byte));
      expect(decodeAll(bytes)).toEqual([{ message: golden.message, payload: golden.payload }]);
    }
  });

  test("FrameDecoder agrees with a naive reader on whole streams", () => {
    fc.assert(
      fc.property(fc.array(anyCase(), { minLength: 1, maxLength: 8 }), (cases) => {
        const frames = readNaively(concat(cases.map(encodeCase)));
        expect(frames.map((frame) => frame.type)).toEqual(cases.map((one) => one.message.type));
        expect(frames.map((frame) => frame.payload)).toEqual(cases.map((one) => one.payload));
        expect(frames.map((frame) => frame.fields)).toEqual(cases.map(fieldsOf));
      }),
      { numRuns: 500 },
    );
  });

  test("FrameDecoder gives the payload of data as views, never copies", () => {
    const payload = randomBytes(1, 1000);
    const frame = concat([encodeDataHead({ type: "data", first: 0, offset: 0 }, 1000), payload]);
    const chunks: Uint8Array[] = [];
    const left: number[] = [];
    const decoder = new FrameDecoder();
    const pieces = [frame.subarray(0, 300), frame.subarray(300, 900), frame.subarray(900)];
    for (const piece of pieces) {
      for (const item of decoder.push(piece)) {
        if (item.type !== "payload") continue;
        expect(item.chunk.buffer).toBe(frame.buffer);
        chunks.push(item.chunk);
        left.push(item.bytesLeft);
      }
    }
    expect(concat(chunks)).toEqual(payload);
    expect(left.at(-1)).toBe(0);
    expect(left.length).toBe(3);
  });

  test("FrameDecoder keeps no view on what was pushed, also when that is a Buffer", () => {
    for (const golden of goldenMessages) {
      if (golden.message.type === "data") continue;
      for (let at = 1; at < golden.frame.length; at++) {
        const decoder = new FrameDecoder();
        const first = Buffer.from(golden.frame.subarray(0, at));
        const items = [...decoder.push(first)];
        first.fill(0xee);
        const second = Buffer.from(golden.frame.subarray(at));
        items.push(...decoder.push(second));
        second.fill(0xee);
        expect(items).toEqual([{ type: "message", message: golden.message } as never]);
      }
    }
  });

  test("SRV-1: FrameDecoder refuses a frame above BODY_BYTES_MAX from the length field alone", () => {
    for (const bytes of [BODY_BYTES_MAX + 1, 2 ** 31, 2 ** 32 - 1]) {
      const decoder = new FrameDecoder();
      expect([...decoder.push(prefix(bytes, 3).subarray(0, 3))]).toEqual([]);
      const last = prefix(bytes, 3).subarray(3, 4);
      expect(protocolVerdict(() => [...decoder.push(last)])).toBe("frame_too_large");
    }
  });

  test("SRV-1: FrameDecoder waits for more when the length field is at the limit", () => {
    const decoder = new FrameDecoder();
    expect([...decoder.push(prefix(BODY_BYTES_MAX, HEADER_BYTES_MAX))]).toEqual([]);
    expect(decoder.isBetweenFrames).toBe(false);
  });

  test("SRV-1: FrameDecoder refuses a header or a payload above its limit from the lengths alone", () => {
    const verdict = (bodyBytes: number, headerBytes: number) =>
      protocolVerdict(() => [...new FrameDecoder().push(prefix(bodyBytes, headerBytes))]);
    expect(verdict(2 + HEADER_BYTES_MAX + 1, HEADER_BYTES_MAX + 1)).toBe("frame_too_large");
    expect(verdict(2 + 3 + PAYLOAD_BYTES_MAX + 1, 3)).toBe("frame_too_large");
    expect(verdict(2 + 3 + PAYLOAD_BYTES_MAX, 3)).toBe("accepted");
  });

  test("SRV-1: FrameDecoder refuses lengths that contradict each other", () => {
    const verdict = (bodyBytes: number, headerBytes: number) =>
      protocolVerdict(() => [...new FrameDecoder().push(prefix(bodyBytes, headerBytes))]);
    for (const [body, header] of [
      [0, 0],
      [1, 0],
      [2, 0],
      [2, 1],
      [10, 9],
      [10, 0],
    ]) {
      expect([body, header, verdict(body ?? 0, header ?? 0)]).toEqual([body, header, "bad_header"]);
    }
  });

  test("SRV-1: FrameDecoder obeys a smaller limit, and a larger one from the moment it is set", () => {
    const decoder = new FrameDecoder({ bodyBytesMax: PING.length - 4 });
    const big = encodeMessage({ type: "bye", reason: "x".repeat(50) });
    const seen: string[] = [];
    for (const item of decoder.push(concat([PING, big]))) {
      if (item.type === "message") seen.push(item.message.type);
      decoder.bodyBytesMax = BODY_BYTES_MAX;
    }
    expect(seen).toEqual(["ping", "bye"]);
    const strict = new FrameDecoder({ bodyBytesMax: PING.length - 4 });
    expect(protocolVerdict(() => [...strict.push(concat([PING, big]))])).toBe("frame_too_large");
    expect(HANDSHAKE_BYTES_MAX).toBeLessThan(BODY_BYTES_MAX);
  });

  test("FrameDecoder refuses a payload where none belongs, and none where one belongs", () => {
    const verdict = (header: readonly number[], payloadBytes: number) => {
      const head = concat([
        prefix(2 + header.length + payloadBytes, header.length),
        Uint8Array.from(header),
      ]);
      return protocolVerdict(() => decodeAll([head, new Uint8Array(payloadBytes)]));
    };
    expect(verdict([0x92, 10, 1], 0)).toBe("accepted");
    expect(verdict([0x92, 10, 1], 1)).toBe("bad_message");
    expect(verdict([0x93, 6, 0, 0], 1)).toBe("accepted");
    expect(verdict([0x93, 6, 0, 0], 0)).toBe("bad_message");
    expect(verdict([0x92, 3, 2], 1)).toBe("accepted");
    expect(verdict([0x92, 3, 2], 0)).toBe("bad_message");
    for (const kind of [0, 1]) {
      expect(verdict([0x92, 3, kind], 0)).toBe("accepted");
      expect(verdict([0x92, 3, kind], 1)).toBe("bad_message");
    }
  });

  test("FrameDecoder takes a payload of PAYLOAD_BYTES_MAX, in data and in bitmap", () => {
    const payload = randomBytes(2, PAYLOAD_BYTES_MAX);
    const cases: WireCase[] = [
      { message: { type: "data", first: 1, offset: 0 }, payload },
      { message: { type: "bitmap", parts: "some", bits: payload }, payload },
    ];
    const pieces = cut(concat(cases.map(encodeCase)), 3, 100_000);
    expect(decodeAll(pieces)).toEqual(cases);
  });
});

describe("encodeDataHead", () => {
  test("encodeDataHead asserts that the payload has one byte at least and fits", () => {
    const head = (bytes: number) => () =>
      encodeDataHead({ type: "data", first: 0, offset: 0 }, bytes);
    expect(head(0)).toThrow("at least one byte");
    expect(head(PAYLOAD_BYTES_MAX + 1)).toThrow("A payload fits its frame");
    expect(head(PAYLOAD_BYTES_MAX)().length).toBe(FRAME_PREFIX_BYTES + 4);
  });
});

/** @returns the fields as they stand in the header after the type */
function fieldsOf({ message }: WireCase): readonly unknown[] {
  if (message.type === "bitmap") return [["none", "all", "some"].indexOf(message.parts)];
  if (message.type === "peers") return [message.peers.map((peer) => [peer.host, peer.port])];
  if (message.type === "refuse") {
    const reasons = ["missing", "changed", "busy", "stopping", "cancelled"];
    return [message.first, message.count, reasons.indexOf(message.reason)];
  }
  const { type: _, ...fields } = message;
  return Object.values(fields);
}

function prefix(bodyBytes: number, headerBytes: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_PREFIX_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bodyBytes);
  view.setUint16(4, headerBytes);
  return bytes;
}

function cut(bytes: Uint8Array, seed: number, pieceBytesMax = 40): Uint8Array[] {
  const random = new Random(seed);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = random.below(pieceBytesMax);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}
