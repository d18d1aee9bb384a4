import { do_not_optimize, measure } from "mitata";
import { Packr } from "msgpackr/pack";
import { createCrypto } from "../../../peer/storage/hash.ts";
import { RunHasher } from "../../../peer/storage/run-hasher.ts";
import { Picker } from "../../../peer/swarm/picker.ts";
import { Bitfield } from "../../../protocol/bitfield.ts";
import { encodeDataHead, FrameDecoder } from "../../../protocol/frame.ts";
import { Geometry } from "../../../protocol/geometry.ts";
import { decodeHeader, encodeHeader } from "../../../protocol/header.ts";
import { SPAN_BYTES_LARGE } from "../../../protocol/limits.ts";
import type { Message } from "../../../protocol/messages.ts";
import { isPlainMsgpack } from "../../../protocol/msgpack-scan.ts";
import { Random } from "../../support/fixtures.ts";
import { type BenchOptions, KIB, MIB } from "../options.ts";
import { median, print, printTable } from "../table.ts";

/** The code that runs for every frame, part and choice, by itself: what a call costs. */

interface Case {
  readonly name: string;
  readonly run: () => unknown;
  /** What one call handles, for the rate. */
  readonly bytes?: number;
  readonly items?: number;
}

const CHUNK_BYTES = 512 * KIB;
const PARTS_FEW = 1000;
const PARTS_MANY = 1_000_000;
const QUICK_NS = 50e6;
const FULL_NS = 642e6;

export async function benchCodec(options: BenchOptions): Promise<void> {
  const rows: string[][] = [];
  const cases = [frameCases, headerCases, bitfieldCases, pickerCases, hashCases];
  for (const one of cases.flatMap((make) => make())) rows.push(await row(one, options));
  printTable("Hot paths, one thread", ["what", "median", "p99", "rate"], rows);
  const wholes = [PARTS_FEW, PARTS_MANY].map((parts) => [
    `${parts} parts, a span each`,
    `${median(Array.from({ length: options.isQuick ? 1 : 3 }, () => pickAllNs(parts))).toFixed(0)} ns`,
  ]);
  printTable("Picker: pick, claim and finish of a whole file", ["what", "per part"], wholes);
  print(
    "\nThe first three rows carry the same MiB; the second is what keeping data out of msgpack saves.",
  );
}

async function row(one: Case, { isQuick }: BenchOptions): Promise<string[]> {
  const run = () => do_not_optimize(one.run());
  const { p50, p99 } = await measure(run, { min_cpu_time: isQuick ? QUICK_NS : FULL_NS });
  return [one.name, formatNs(p50), formatNs(p99), formatRate(one, p50)];
}

function formatRate({ bytes, items }: Case, ns: number): string {
  if (bytes !== undefined) return `${(bytes / MIB / (ns / 1e9)).toFixed(0)} MiB/s`;
  return `${((items ?? 1) / (ns / 1e3)).toFixed(2)} M/s`;
}

function formatNs(ns: number): string {
  if (ns < 1e3) return `${ns.toFixed(1)} ns`;
  return ns < 1e6 ? `${(ns / 1e3).toFixed(2)} us` : `${(ns / 1e6).toFixed(2)} ms`;
}

function frameCases(): readonly Case[] {
  const payload = crypto.getRandomValues(new Uint8Array(64 * KIB));
  const whole = new Uint8Array(MIB);
  for (let at = 0; at < MIB; at += payload.length) whole.set(payload, at);
  const head = encodeDataHead({ type: "data", first: 7, offset: 0 }, MIB);
  const frame = Buffer.concat([head, whole]);
  const [ours, small] = [chunksOf(frame), chunksOf(frame, 16 * KIB)];
  const packr = new Packr({ useRecords: false });
  const theirs = chunksOf(packr.pack([6, 7, 0, whole]));
  const decoder = new FrameDecoder();
  return [
    {
      name: "FrameDecoder: data frame of 1 MiB in chunks of 512 KiB",
      bytes: MIB,
      run: () => decodeAll(decoder, ours),
    },
    {
      name: "msgpackr: the same payload inside msgpack, chunks joined first",
      bytes: MIB,
      run: () => packr.unpack(Buffer.concat(theirs)),
    },
    {
      name: "FrameDecoder: the same in chunks of 16 KiB",
      bytes: MIB,
      run: () => decodeAll(decoder, small),
    },
  ];
}

function decodeAll(decoder: FrameDecoder, chunks: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const chunk of chunks) {
    for (const item of decoder.push(chunk)) if (item.type === "payload") bytes += item.chunk.length;
  }
  return bytes;
}

function chunksOf(bytes: Uint8Array, chunkBytes = CHUNK_BYTES): readonly Uint8Array[] {
  const count = Math.ceil(bytes.length / chunkBytes);
  return Array.from({ length: count }, (_, at) =>
    bytes.subarray(at * chunkBytes, (at + 1) * chunkBytes),
  );
}

function headerCases(): readonly Case[] {
  const peers = Array.from({ length: 50 }, (_, at) => ({ host: `192.0.2.${at}`, port: 6000 + at }));
  const messages: readonly Message[] = [
    { type: "data", first: 123_456, offset: 262_144 },
    { type: "request", first: 123_456, count: 1 },
    { type: "peers", peers },
  ];
  const limits = { depthMax: 3, itemsMax: 4096, stringBytesMax: 255, binaryBytesMax: 64 };
  return messages.flatMap((message) => {
    const header = encodeHeader(message);
    const of = message.type === "peers" ? "peers, 50 of them" : message.type;
    return [
      { name: `encodeHeader: ${of}`, run: () => encodeHeader(message) },
      { name: `decodeHeader: ${of}`, run: () => decodeHeader(header) },
      { name: `isPlainMsgpack: ${of}`, run: () => isPlainMsgpack(header, limits) },
    ];
  });
}

function bitfieldCases(): readonly Case[] {
  const random = new Random(1);
  const scattered = new Bitfield(PARTS_MANY);
  for (let at = 0; at < PARTS_MANY; at++) if (random.below(2) === 0) scattered.set(at);
  const halves = new Bitfield(PARTS_MANY);
  for (let at = 0; at < PARTS_MANY / 2; at++) halves.set(at);
  const fields = { "one run": halves, "half of it at random": scattered };
  return Object.entries(fields).map(([name, field]) => ({
    name: `Bitfield.runs: 1 M bits, ${name}`,
    items: PARTS_MANY,
    run: () => {
      let bits = 0;
      for (const [, count] of field.runs(true)) bits += count;
      return bits;
    },
  }));
}

function pickerCases(): readonly Case[] {
  return [PARTS_FEW, PARTS_MANY].flatMap((parts) => {
    const picker = createPicker(parts);
    const few = new Bitfield(parts);
    for (let at = 0; at < parts; at += 100) few.set(at);
    const holders = { everything: Bitfield.full(parts), "1 in 100": few };
    return Object.entries(holders).map(([name, bits]) => ({
      name: `Picker.pick, claim, release: ${parts} parts, of a holder of ${name}`,
      run: () => {
        const run = picker.pick(bits);
        if (run === undefined) throw new Error("Nothing to pick");
        picker.claim(run);
        picker.release(run);
      },
    }));
  });
}

/** @returns one that misses everything, with one holder of all */
function createPicker(parts: number): Picker {
  const geometry = new Geometry({
    fileBytes: parts * SPAN_BYTES_LARGE,
    partBytes: SPAN_BYTES_LARGE,
  });
  const random = new Random(1);
  const picker = new Picker(geometry, new Bitfield(parts), (below) => random.below(below));
  for (const span of geometry.spans()) picker.countHolder(span, "joined");
  return picker;
}

/** @returns nanoseconds a part, to choose and finish all of them */
function pickAllNs(parts: number): number {
  const picker = createPicker(parts);
  const everything = Bitfield.full(parts);
  const startedMs = performance.now();
  for (let run = picker.pick(everything); run !== undefined; run = picker.pick(everything)) {
    picker.claim(run);
    picker.finish(run);
  }
  if (picker.have.count !== parts) throw new Error("Not all parts were picked");
  return ((performance.now() - startedMs) * 1e6) / parts;
}

function hashCases(): readonly Case[] {
  const bytes = crypto.getRandomValues(new Uint8Array(64 * KIB));
  const content = Buffer.concat(Array.from({ length: 16 }, () => bytes));
  const chunks = chunksOf(content);
  const algorithms = (["sha256", "blake3"] as const).filter(
    (algorithm) => createCrypto().lacks(algorithm) === undefined,
  );
  const pairs = algorithms.flatMap((algorithm) =>
    [MIB, 256].map((partBytes) => [algorithm, partBytes] as const),
  );
  return pairs.map(([algorithm, partBytes]) => {
    const geometry = new Geometry({ fileBytes: MIB, partBytes });
    const all = geometry.run(0, geometry.partCount);
    if (all === undefined) throw new Error("A MiB has parts");
    return {
      name: `RunHasher: ${algorithm}, 1 MiB in parts of ${partBytes} bytes`,
      bytes: MIB,
      run: () => {
        let parts = 0;
        const hasher = new RunHasher(geometry, algorithm, [all], ({ count }) => {
          parts += count;
        });
        for (const chunk of chunks) hasher.update(chunk);
        return parts;
      },
    };
  });
}
