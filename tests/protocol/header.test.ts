import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Packr } from "msgpackr/pack";
import { decodeHeader, encodeHeader } from "../../protocol/header.ts";
import { HEADER_BYTES_MAX, REASON_BYTES_MAX } from "../../protocol/limits.ts";
import { BITMAP_KINDS, MESSAGE_CODES, REFUSE_REASONS } from "../../protocol/messages.ts";
import { hostileMsgpack } from "../support/hostile-msgpack.ts";
import { anyCase, goldenMessages, protocolVerdict } from "../support/wire.ts";

const packr = new Packr({ useRecords: false, moreTypes: false });
const bytes = (length: number) => new Uint8Array(length).fill(7);

/** How each field may be wrong, whatever the message. */
const NO_NUMBERS = [-1, 1.5, Number.NaN, 2 ** 32, 2 ** 53, "0", null, true, [0], bytes(1)];
const NO_COUNTS = [0, ...NO_NUMBERS];
const NO_16_BYTES = [bytes(15), bytes(17), "0123456789abcdef", null, 5, []];

const RIGHT: Readonly<Record<string, readonly unknown[]>> = {
  hello: [1, bytes(16), bytes(16), bytes(16), 6881, 0],
  proof: [bytes(32)],
  bitmap: [2],
  have: [0, 1],
  request: [0, 1],
  data: [0, 0],
  refuse: [0, 1, 0],
  cancel: [0, 1],
  peers: [[["192.0.2.1", 1]]],
  ping: [0],
  pong: [0, 0],
  bye: ["stopping"],
};

const WRONG: Readonly<Record<string, readonly (readonly unknown[])[]>> = {
  hello: [NO_NUMBERS, NO_16_BYTES, NO_16_BYTES, NO_16_BYTES, [65536, ...NO_NUMBERS], NO_NUMBERS],
  proof: [[bytes(31), bytes(33), bytes(0), "a".repeat(32), null, 5]],
  bitmap: [[3, ...NO_NUMBERS]],
  have: [NO_NUMBERS, NO_COUNTS],
  request: [NO_NUMBERS, NO_COUNTS],
  data: [NO_NUMBERS, NO_NUMBERS],
  refuse: [NO_NUMBERS, NO_COUNTS, [REFUSE_REASONS.length, ...NO_NUMBERS]],
  cancel: [NO_NUMBERS, NO_COUNTS],
  peers: [
    [
      null,
      5,
      "a",
      [null],
      [[]],
      [["a"]],
      [["a", 1, 2]],
      [["", 1]],
      [["a", 0]],
      [["a", 65536]],
      [["a", "1"]],
      [[1, 1]],
      [["a".repeat(254), 1]],
      new Array(51).fill(["a", 1]),
    ],
  ],
  ping: [NO_NUMBERS],
  pong: [NO_NUMBERS, NO_NUMBERS],
  bye: [["", null, 5, bytes(4)]],
};

describe("decodeHeader", () => {
  for (const [type, fields] of Object.entries(RIGHT)) {
    const code = MESSAGE_CODES[type as keyof typeof MESSAGE_CODES];

    test(`decodeHeader takes a right ${type} and refuses it with a field less or more`, () => {
      expect(verdict([code, ...fields])).toBe("accepted");
      expect(verdict([code, ...fields.slice(1)])).toBe("bad_message");
      expect(verdict([code, ...fields.slice(0, -1)])).toBe("bad_message");
      expect(verdict([code, ...fields, 0])).toBe("bad_message");
    });

    test(`SRV-2: decodeHeader refuses ${type} with any field wrong`, () => {
      const wrongs = WRONG[type] ?? [];
      expect(wrongs.length).toBe(fields.length);
      for (const [at, values] of wrongs.entries()) {
        for (const value of values) {
          const spoilt = fields.with(at, value);
          expect([at, value, verdict([code, ...spoilt])]).toEqual([at, value, "bad_message"]);
        }
      }
    });
  }

  test("SRV-2: decodeHeader refuses a type that does not exist or is no number", () => {
    for (const code of [0, 13, 255, -1, 10.5, "10", [10], [[10]], null, true, bytes(1)]) {
      expect([code, verdict([code, 1])]).toEqual([code, "bad_message"]);
    }
    expect(verdict([10, 1])).toBe("accepted");
  });

  test("SRV-2: decodeHeader takes a reason of REASON_BYTES_MAX bytes and refuses one byte more", () => {
    for (const longest of [
      "x".repeat(REASON_BYTES_MAX),
      `x${"é".repeat((REASON_BYTES_MAX - 1) / 2)}`,
    ]) {
      expect(verdict([12, longest])).toBe("accepted");
      expect(["bad_header", "bad_message"]).toContain(verdict([12, `${longest}x`]));
    }
  });

  test("SRV-2: decodeHeader refuses what is no list", () => {
    for (const value of [0, 10, "ping", null, true, bytes(3), []]) {
      expect(verdict(value)).toBe("bad_message");
    }
  });

  test("SRV-2: decodeHeader refuses all hostile msgpack, and never by an error of another kind", () => {
    for (const { name, bytes: hostile } of hostileMsgpack) {
      expect([name, protocolVerdict(() => decodeHeader(hostile))]).toEqual([name, "bad_header"]);
    }
  });

  test("decodeHeader refuses every form but the shortest", () => {
    const longForms = [
      [0x92, 10, 0xcc, 1],
      [0x92, 10, 0xcd, 0, 1],
      [0x92, 10, 0xce, 0, 0, 0, 1],
      [0x92, 10, 0xcf, 0, 0, 0, 0, 0, 0, 0, 1],
      [0x92, 10, 0xd0, 1],
      [0x92, 10, 0xca, 0x3f, 0x80, 0, 0],
      [0x92, 10, 0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0],
      [0x92, 0xcc, 10, 1],
      [0xdc, 0, 2, 10, 1],
      [0xdd, 0, 0, 0, 2, 10, 1],
      [0x92, 12, 0xd9, 1, 0x61],
      [0x92, 12, 0xda, 0, 1, 0x61],
      [0x92, 2, 0xc5, 0, 32, ...bytes(32)],
    ];
    for (const form of longForms) {
      expect([form, protocolVerdict(() => decodeHeader(Uint8Array.from(form)))]).toEqual([
        form,
        "bad_header",
      ]);
    }
    expect(decodeHeader(Uint8Array.of(0x92, 10, 1))).toEqual({ type: "ping", id: 1 });
  });

  test("decodeHeader refuses a text that is not UTF-8", () => {
    for (const text of [
      [0xff],
      [0xc0, 0xaf],
      [0xed, 0xa0, 0x80],
      [0xe2, 0x82],
      [0xf5, 0x80, 0x80, 0x80],
    ]) {
      const header = Uint8Array.of(0x92, 12, 0xa0 + text.length, ...text);
      expect([text, protocolVerdict(() => decodeHeader(header))]).toEqual([text, "bad_header"]);
    }
  });

  test("decodeHeader refuses a header above HEADER_BYTES_MAX", () => {
    expect(protocolVerdict(() => decodeHeader(new Uint8Array(HEADER_BYTES_MAX + 1)))).toBe(
      "bad_header",
    );
  });

  test("decodeHeader keeps nothing of the header, also when that is a Buffer", () => {
    for (const golden of goldenMessages) {
      const header = Buffer.from(encodeHeader(golden.message));
      const message = decodeHeader(header);
      header.fill(0xee);
      expect(encodeHeader(message)).toEqual(encodeHeader(golden.message));
    }
  });
});

describe("encodeHeader", () => {
  test("encodeHeader and decodeHeader are each other's inverse", () => {
    fc.assert(
      fc.property(anyCase(), ({ message }) => {
        const header = encodeHeader(message);
        const again = decodeHeader(header);
        const bits = message.type === "bitmap" ? { bits: new Uint8Array(0) } : {};
        expect(again).toEqual({ ...message, ...bits });
        expect(encodeHeader(again)).toEqual(header);
      }),
      { numRuns: 2000 },
    );
  });

  test("every message type has its own number, from 1 on", () => {
    const codes = Object.values(MESSAGE_CODES).toSorted((left, right) => left - right);
    expect(codes).toEqual(Array.from({ length: codes.length }, (_, at) => at + 1));
    expect(Object.keys(RIGHT)).toEqual(Object.keys(MESSAGE_CODES));
    expect(BITMAP_KINDS.length).toBe(3);
  });
});

function verdict(value: unknown): string {
  return protocolVerdict(() => decodeHeader(packr.pack(value)));
}
