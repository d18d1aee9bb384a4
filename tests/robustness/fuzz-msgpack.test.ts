import { describe, expect, test } from "bun:test";
import { isDeepStrictEqual } from "node:util";
import { Packr } from "msgpackr/pack";
import { ProtocolError } from "../../protocol/errors.ts";
import { decodeHeader, encodeHeader } from "../../protocol/header.ts";
import type { Message } from "../../protocol/messages.ts";
import { isPlainMsgpack, type ScanLimits } from "../../protocol/msgpack-scan.ts";
import { FUZZ_SEED, fuzzRuns, Mutator } from "../support/fuzz.ts";
import { hostileMsgpack } from "../support/hostile-msgpack.ts";
import { readHeaderNaively } from "../support/naive-wire.ts";
import { goldenMessages } from "../support/wire.ts";

const LIMITS: ScanLimits = { depthMax: 3, itemsMax: 4096, stringBytesMax: 255, binaryBytesMax: 64 };
// The options of protocol/header.ts.
const packr = new Packr({ useRecords: false, moreTypes: false, int64AsType: "number" });

const HEADERS = goldenMessages.map(({ message }) => encodeHeader(message));
const CORPUS = [...HEADERS, ...hostileMsgpack.map(({ bytes }) => bytes.subarray(0, 200))];
const TOKENS = [
  ...Array.from({ length: 256 }, (_, code) => Uint8Array.of(code)),
  ...[0xcd, 0xda, 0xdc, 0xde, 0xc5].map((code) => Uint8Array.of(code, 0xff, 0xff)),
  ...[0xce, 0xdb, 0xdd, 0xdf, 0xc6].map((code) => Uint8Array.of(code, 0xff, 0xff, 0xff, 0xff)),
  Uint8Array.of(0xd4, 0x72, 0x40),
  Uint8Array.of(0xd6, 0xff, 0, 0, 0, 0),
  Uint8Array.of(0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0),
];

describe("FUZZ-1", () => {
  const scanRuns = fuzzRuns(2_000_000);
  test(`FUZZ-1: what isPlainMsgpack accepts of ${scanRuns} inputs, msgpackr decodes to plain values`, () => {
    const mutator = new Mutator(FUZZ_SEED, CORPUS, TOKENS);
    const prototype = Object.getOwnPropertyNames(Object.prototype).length;
    let accepted = 0;
    for (let run = 0; run < scanRuns; run++) {
      const bytes = mutator.next();
      if (!isPlainMsgpack(bytes, LIMITS)) continue;
      accepted++;
      const problem = roundTripProblem(bytes);
      if (problem !== undefined) expect(describeInput(bytes, run)).toBe(problem);
    }
    expect(Object.getOwnPropertyNames(Object.prototype).length).toBe(prototype);
    // The fuzz would prove nothing if it hardly ever came through, or always.
    expect(accepted).toBeGreaterThan(scanRuns / 20);
    expect(accepted).toBeLessThan(scanRuns * 0.9);
  }, 120_000);

  const headerRuns = fuzzRuns(500_000);
  test(`FUZZ-1: decodeHeader and a naive reader agree on ${headerRuns} inputs`, () => {
    const mutator = new Mutator(FUZZ_SEED + 1, CORPUS, TOKENS);
    let accepted = 0;
    for (let run = 0; run < headerRuns; run++) {
      const bytes = mutator.next();
      const message = decodeOrRefuse(bytes);
      const isTakenNaively = readsNaively(bytes);
      if ((message !== undefined) !== isTakenNaively)
        expect(describeInput(bytes, run)).toBe(`naive reader: ${isTakenNaively}`);
      if (message === undefined) continue;
      accepted++;
      if (Buffer.compare(encodeHeader(message), bytes) !== 0)
        expect(describeInput(bytes, run)).toBe("encodes to the same bytes");
    }
    expect(accepted).toBeGreaterThan(headerRuns / 50);
    expect(accepted).toBeLessThan(headerRuns * 0.9);
  }, 120_000);
});

/** @returns why the accepted bytes are not harmless, or undefined */
function roundTripProblem(bytes: Uint8Array): string | undefined {
  const value: unknown = packr.unpack(bytes);
  if (!isPlain(value)) return "plain values";
  const again: unknown = packr.unpack(new Uint8Array(packr.pack(value)));
  return isDeepStrictEqual(again, value) ? undefined : "decodes and encodes to the same value";
}

function isPlain(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isPlain);
  if (value === null || value instanceof Uint8Array) return true;
  return ["number", "string", "boolean"].includes(typeof value);
}

function decodeOrRefuse(bytes: Uint8Array): Message | undefined {
  try {
    return decodeHeader(bytes);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

function readsNaively(bytes: Uint8Array): boolean {
  try {
    readHeaderNaively(bytes);
    return true;
  } catch {
    return false;
  }
}

function describeInput(bytes: Uint8Array, run: number): string {
  return `seed ${FUZZ_SEED}, run ${run}: ${bytes.toHex()}`;
}
