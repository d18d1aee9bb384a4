import { describe, expect, test } from "bun:test";
import { isDeepStrictEqual } from "node:util";
import { ProtocolError } from "../../protocol/errors.ts";
import { FrameDecoder } from "../../protocol/frame.ts";
import { concat, type Random } from "../support/fixtures.ts";
import { FUZZ_SEED, fuzzRuns, Mutator } from "../support/fuzz.ts";
import { diallingSide, listeningSide, type Side } from "../support/handshake.ts";
import { readNaively } from "../support/naive-wire.ts";
import { decodeAll, goldenMessages, UnfinishedError } from "../support/wire.ts";

const FRAMES = goldenMessages.map(({ frame }) => frame);
const TOKENS = [
  ...[0, 1, 2, 3, 0x7f, 0x80, 0xff].map((byte) => Uint8Array.of(byte)),
  Uint8Array.of(0, 0, 0, 5, 0, 3),
  Uint8Array.of(0, 0, 0, 2, 0, 0),
  Uint8Array.of(0, 0, 0, 0),
  Uint8Array.of(0xff, 0xff, 0xff, 0xff),
  ...FRAMES.filter((frame) => frame.length < 30),
];

describe("FUZZ-1", () => {
  const runs = fuzzRuns(100_000);
  test(`FUZZ-1: FrameDecoder and a naive reader agree on ${runs} streams, however they are cut`, () => {
    const mutator = new Mutator(FUZZ_SEED, corpusOfStreams(), TOKENS);
    let accepted = 0;
    for (let run = 0; run < runs; run++) {
      const stream = mutator.next();
      const decoded = refusal(() =>
        decodeAll(cut(stream, mutator.random)).map((one) => one.message.type),
      );
      const naive = naiveRefusal(() => readNaively(stream).map((frame) => frame.type));
      if (!isDeepStrictEqual(decoded, naive as never)) {
        const context = `seed ${FUZZ_SEED}, run ${run}: ${stream.toHex()}`;
        expect([context, decoded]).toEqual([context, naive as never]);
      }
      if (decoded !== undefined && decoded.length > 0) accepted++;
    }
    expect(accepted).toBeGreaterThan(runs / 50);
    expect(accepted).toBeLessThan(runs * 0.9);
  }, 120_000);

  test("FUZZ-1: FrameDecoder keeps no more than a prefix and a header of what it is fed", () => {
    const decoder = new FrameDecoder();
    const frame = new Uint8Array(6 + 16_384);
    new DataView(frame.buffer).setUint32(0, 2 + 16_384);
    new DataView(frame.buffer).setUint16(4, 16_384);
    for (const byte of frame.subarray(0, -1)) {
      for (const item of decoder.push(Uint8Array.of(byte))) expect(item).toBeUndefined();
    }
    expect(refusal(() => [...decoder.push(frame.subarray(-1))])).toBeUndefined();
  });
});

describe("CRY-4", () => {
  const runs = fuzzRuns(100_000);
  test(`CRY-4: Handshake accepts none of ${runs} answers made by a stranger`, () => {
    const said = wordsOfOneSession();
    const mutator = new Mutator(FUZZ_SEED, said, TOKENS);
    let established = 0;
    const outcomes = new Set<unknown>();
    for (let run = 0; run < runs; run++) {
      const side: Side = run % 2 === 0 ? diallingSide({ seed: 5 }) : listeningSide({ seed: 5 });
      side.said();
      side.hear(...cut(concat([mutator.next(), mutator.next()]), mutator.random));
      if (side.isEstablished) established++;
      outcomes.add(side.outcome);
    }
    expect(established).toBe(0);
    for (const code of ["bad_proof", "bad_order", "bad_header", "frame_too_large"])
      expect(outcomes).toContain(code);
  }, 120_000);
});

/** @returns what both sides of another session between holders of the torrent said */
function wordsOfOneSession(): Uint8Array[] {
  const [dialler, listener] = [diallingSide({ seed: 1 }), listeningSide({ seed: 1 })];
  const words = dialler.said();
  listener.hear(...words);
  const answers = listener.said();
  dialler.hear(...answers);
  return [...words, ...answers, ...dialler.said()];
}

function corpusOfStreams(): Uint8Array[] {
  const short = FRAMES.filter((frame) => frame.length < 400);
  return [...short, ...short.map((frame, at) => concat([frame, short.at(-1 - at) ?? frame]))];
}

function cut(bytes: Uint8Array, random: Random): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + random.below(bytes.length);
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

/** @returns undefined when the bytes are refused or end within a frame; an error of any other kind goes on */
function refusal<Value>(run: () => Value): Value | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof UnfinishedError) return undefined;
    throw error;
  }
}

/** @returns undefined when the naive reader throws whatever it throws */
function naiveRefusal<Value>(run: () => Value): Value | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}
