import { describe, expect, test } from "bun:test";
import { Conversation } from "../../protocol/conversation.ts";
import type { FrameItem } from "../../protocol/frame.ts";
import { Geometry } from "../../protocol/geometry.ts";
import type { ControlMessage, DataMessage, HandshakeMessage } from "../../protocol/messages.ts";
import { goldenMessages, protocolVerdict } from "../support/wire.ts";

// Four parts of 512 KiB: two fit one payload, three do not.
const geometry = new Geometry({ fileBytes: 4 * 2 ** 19, partBytes: 2 ** 19 });

const BITMAP: ControlMessage = { type: "bitmap", parts: "none", bits: new Uint8Array(0) };

type Said = HandshakeMessage | ControlMessage | DataMessage;

function conversation(...said: readonly Said[]): string {
  const talk = new Conversation(geometry);
  return protocolVerdict(() => {
    for (const message of said) talk.check(itemOf(message));
  });
}

function itemOf(message: Said): FrameItem {
  return message.type === "data"
    ? { type: "data", data: message, payloadBytes: 1 }
    : { type: "message", message };
}

describe("Conversation", () => {
  test("Conversation takes a bitmap first, and everything but the handshake after it", () => {
    expect(conversation(BITMAP)).toBe("accepted");
    for (const { message } of goldenMessages) {
      const isLater = !["hello", "proof", "bitmap"].includes(message.type);
      if (!isLater) continue;
      const small = "first" in message ? { ...message, first: 0, count: 1 } : message;
      expect([message.type, conversation(BITMAP, small)]).toEqual([message.type, "accepted"]);
    }
  });

  test("Conversation takes a goodbye in the bitmap's place, and still nothing else", () => {
    const bye = { type: "bye", reason: "no place left" } as const;
    expect(conversation(bye)).toBe("accepted");
    expect(conversation(bye, { type: "ping", id: 1 })).toBe("bad_order");
  });

  test("Conversation refuses whatever else comes before the bitmap", () => {
    for (const { message } of goldenMessages) {
      if (message.type === "bitmap" || message.type === "bye") continue;
      expect([message.type, conversation(message)]).toEqual([message.type, "bad_order"]);
    }
  });

  test("Conversation refuses a second bitmap, hello or proof", () => {
    for (const { message } of goldenMessages) {
      if (!["hello", "proof", "bitmap"].includes(message.type)) continue;
      expect(conversation(BITMAP, message)).toBe("bad_order");
    }
  });

  test("SRV-3: Conversation refuses parts that do not exist, in every message that names parts", () => {
    const named = ["have", "request", "cancel", "refuse"] as const;
    for (const type of named) {
      const say = (first: number, count: number) =>
        conversation(BITMAP, { type, first, count, reason: "busy" } as ControlMessage);
      expect([type, say(0, 1), say(3, 1), say(2, 2)]).toEqual([
        type,
        "accepted",
        "accepted",
        "accepted",
      ]);
      for (const [first, count] of [
        [4, 1],
        [5, 1],
        [3, 2],
        [0, 5],
        [0, 0],
        [2 ** 31, 1],
        [2 ** 32 - 1, 1],
        [2 ** 32, 1],
        [2 ** 53, 1],
        [-1, 1],
        [-0, 1],
        [1.5, 1],
        [Number.NaN, 1],
        [1, 2 ** 32 - 1],
        [1, 2 ** 53 - 1],
      ] as const) {
        expect([type, first, count, say(first, count)]).toEqual([
          type,
          first,
          count,
          "bad_message",
        ]);
      }
    }
    expect(conversation(BITMAP, { type: "data", first: 3, offset: 0 })).toBe("accepted");
    expect(conversation(BITMAP, { type: "data", first: 4, offset: 0 })).toBe("bad_message");
  });

  test("Conversation lets a request ask for one part or what fits a payload, and no more", () => {
    const ask = (first: number, count: number) =>
      conversation(BITMAP, { type: "request", first, count });
    expect(ask(0, 2)).toBe("accepted");
    expect(ask(0, 3)).toBe("bad_message");
    expect(conversation(BITMAP, { type: "have", first: 0, count: 3 })).toBe("accepted");
  });

  test("SRV-3: Conversation about an empty file lets nobody name a part", () => {
    const talk = new Conversation(new Geometry({ fileBytes: 0, partBytes: 1 }));
    talk.check(itemOf(BITMAP));
    const verdict = protocolVerdict(() => talk.check(itemOf({ type: "have", first: 0, count: 1 })));
    expect(verdict).toBe("bad_message");
  });

  test("Conversation leaves payload to who asked for it", () => {
    const talk = new Conversation(geometry);
    const payload: FrameItem = { type: "payload", chunk: new Uint8Array(1), bytesLeft: 0 };
    expect(() => talk.check(payload)).not.toThrow();
  });
});
