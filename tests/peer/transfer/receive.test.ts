import { describe, expect, test } from "bun:test";
import { IntegrityError } from "../../../peer/errors.ts";
import { PartVerifier } from "../../../peer/storage/part-verifier.ts";
import type { VerifiedRun } from "../../../peer/storage/store.ts";
import { HeldBuffers, type PartBuffer, PartBuffers } from "../../../peer/transfer/part-buffers.ts";
import {
  type ArrivedRun,
  FrameStream,
  type HeldRun,
  type ReceivePort,
  RunStream,
  VerifyStream,
} from "../../../peer/transfer/receive.ts";
import { ProtocolError } from "../../../protocol/errors.ts";
import { encodeDataHead, encodeMessage, FrameDecoder } from "../../../protocol/frame.ts";
import type { PartIndex, PartRun } from "../../../protocol/geometry.ts";
import type { ControlMessage } from "../../../protocol/messages.ts";
import { eventually, failureCode, failureOf } from "../../support/eventually.ts";
import { concat, makeTorrent, Random, randomBytes } from "../../support/fixtures.ts";
import { collector, sourceOf, stuckSink } from "../../support/streams.ts";
import { runOf } from "../../support/swarm-fixtures.ts";

const PART_BYTES = 10_000;
const CONTENT = randomBytes(11, 24 * PART_BYTES - 3);
const TORRENT = makeTorrent({ content: CONTENT, partBytes: PART_BYTES });
const { geometry } = TORRENT;
const BITMAP = encodeMessage({ type: "bitmap", parts: "all", bits: new Uint8Array(0) });

function run(first: number, count = 1): PartRun {
  return runOf(geometry, first, count);
}

function bytesOf(range: PartRun): Uint8Array {
  const { offset, length } = geometry.runRange(range);
  return CONTENT.subarray(offset, offset + length);
}

/** @returns data frames that carry these bytes of a run from an offset on */
function dataFrames(
  first: number,
  bytes: Uint8Array,
  options: { block?: number; at?: number } = {},
) {
  const { block = 4096, at = 0 } = options;
  const frames: Uint8Array[] = [];
  for (let from = 0; from < bytes.length; from += block) {
    const payload = bytes.subarray(from, from + block);
    const head = encodeDataHead({ type: "data", first, offset: at + from }, payload.length);
    frames.push(concat([head, payload]));
  }
  return frames;
}

function framesOf(range: PartRun, block = 4096): Uint8Array[] {
  return dataFrames(range.first, bytesOf(range), { block });
}

/** What the swarm would know: which runs are asked for. */
class Port implements ReceivePort {
  readonly messages: ControlMessage[] = [];
  readonly bad: (readonly [PartRun, PartIndex])[] = [];
  readonly arrived = new Map<PartIndex, number>();
  readonly asked: Map<number, PartRun>;

  constructor(...asked: readonly PartRun[]) {
    this.asked = new Map(asked.map((range) => [range.first, range]));
  }

  onMessage(message: ControlMessage): void {
    this.messages.push(message);
  }

  requested(first: PartIndex): PartRun | undefined {
    return this.asked.get(first);
  }

  onArrived(first: PartIndex, bytes: number): void {
    this.arrived.set(first, (this.arrived.get(first) ?? 0) + bytes);
  }

  onBadPart(range: PartRun, part: PartIndex): void {
    this.bad.push([range, part]);
  }
}

/** The memory of one test's connection. */
function memory(bytes = 64 * PART_BYTES) {
  const shared = new PartBuffers(bytes);
  const buffers = new HeldBuffers(shared);
  const verifier = new PartVerifier(shared.memory, 0);
  return { shared, buffers, verifier, signal: new AbortController().signal };
}

/** The whole incoming side, fed by hand. */
function receive(port: ReceivePort, chunks: Iterable<Uint8Array>, given = memory()) {
  // As a socket gives them: each its own, to be let go by whoever has used it.
  const source = sourceOf(owned(chunks));
  const runs = source.readable
    .pipeThrough(new FrameStream(new FrameDecoder(), []))
    .pipeThrough(new RunStream(geometry, port, given))
    .pipeThrough(new VerifyStream(TORRENT, port, given.verifier));
  return { source, runs };
}

function* owned(chunks: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const chunk of chunks) yield chunk.slice();
}

/** Collects runs as a store would write them: copied, then given back. */
function store() {
  const items: VerifiedRun[] = [];
  const writable = new WritableStream<HeldRun>({
    write({ run, bytes, release }) {
      items.push({ run, bytes: bytes.slice() });
      release();
    },
  });
  return { writable, items };
}

async function receiveAll(
  port: ReceivePort,
  ...frames: readonly Uint8Array[]
): Promise<VerifiedRun[]> {
  const { writable, items } = store();
  await receive(port, [BITMAP, ...frames]).runs.pipeTo(writable);
  return items;
}

/** Cuts bytes into chunks of any length. */
function cut(bytes: Uint8Array, seed: number): Uint8Array[] {
  const random = new Random(seed);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(2 ** (1 + random.below(14)));
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

describe("RunStream", () => {
  test("RunStream puts runs together from frames and chunks of any size", async () => {
    const ranges = [run(0), run(4, 3), run(23), run(9, 2)];
    const wire = concat([BITMAP, ...ranges.flatMap((range, at) => framesOf(range, 1000 + at))]);
    for (let seed = 0; seed < 20; seed++) {
      const port = new Port(...ranges);
      const { writable, items } = store();
      await receive(port, cut(wire, seed)).runs.pipeTo(writable);
      expect(items.map((item) => item.run)).toEqual(ranges);
      for (const item of items) expect(item.bytes).toEqual(bytesOf(item.run));
      for (const range of ranges) expect(port.arrived.get(range.first)).toBe(bytesOf(range).length);
    }
  });

  test("RunStream tells the swarm of messages in their order, also between a run's frames", async () => {
    const port = new Port(run(0));
    const [one, two, ...rest] = framesOf(run(0));
    const say = (message: ControlMessage) => encodeMessage(message);
    if (one === undefined || two === undefined) throw new Error("No frames");
    const items = await receiveAll(
      port,
      one,
      say({ type: "have", first: 3, count: 2 }),
      two,
      say({ type: "ping", id: 7 }),
      ...rest,
    );
    expect(items).toHaveLength(1);
    expect(port.messages.map(({ type }) => type)).toEqual(["bitmap", "have", "ping"]);
  });

  test("CLI-4: RunStream refuses data that nobody asked for", async () => {
    for (const [asked, sent] of [
      [[], run(0)],
      [[run(1)], run(0)],
      [[run(0, 3)], run(1)],
    ] as const) {
      const port = new Port(...asked);
      expect(await failureCode(receiveAll(port, ...framesOf(sent)))).toBe("not_requested");
      expect(port.arrived.size).toBe(0);
    }
  });

  test("CLI-4: RunStream refuses a run's data in any wrong place", async () => {
    const bytes = bytesOf(run(0));
    const frame = (at: number, length: number) =>
      concat(dataFrames(0, bytes.subarray(at, at + length), { block: length, at }));
    const wrongs: readonly Uint8Array[][] = [
      [frame(1, 100)],
      [frame(0, 100), frame(99, 100)],
      [frame(0, 100), frame(101, 100)],
      [frame(0, PART_BYTES), frame(PART_BYTES - 10, 10)],
    ];
    for (const frames of wrongs)
      expect(await failureCode(receiveAll(new Port(run(0)), ...frames))).toBe("not_requested");
  });

  test("CLI-4: RunStream refuses more than a run has, from the length alone", async () => {
    const tooMuch = concat(
      dataFrames(0, new Uint8Array(PART_BYTES + 1), { block: PART_BYTES + 1 }),
    );
    const port = new Port(run(0));
    expect(await failureCode(receiveAll(port, tooMuch.subarray(0, 64)))).toBe("not_requested");
    expect(port.arrived.size).toBe(0);
    const last = run(23);
    const whole = concat(dataFrames(23, new Uint8Array(PART_BYTES), { block: PART_BYTES }));
    expect(await failureCode(receiveAll(new Port(last), whole))).toBe("not_requested");
  });

  test("RunStream refuses two runs' frames among each other", async () => {
    const [first, second] = [framesOf(run(0)), framesOf(run(1))];
    const frames = [first[0], second[0], first[1]].filter((frame) => frame !== undefined);
    const port = new Port(run(0), run(1));
    expect(await failureCode(receiveAll(port, ...frames))).toBe("not_requested");
  });

  test("RunStream takes a run anew after its sender stopped halfway, and another after that", async () => {
    const port = new Port(run(0), run(5));
    const refuse = encodeMessage({ type: "refuse", first: 0, count: 1, reason: "changed" });
    const half = framesOf(run(0)).slice(0, 2);
    const items = await receiveAll(
      port,
      ...half,
      refuse,
      ...framesOf(run(5)),
      ...half,
      refuse,
      ...framesOf(run(0), 777),
    );
    expect(items.map((item) => Number(item.run.first))).toEqual([5, 0]);
    for (const item of items) expect(item.bytes).toEqual(bytesOf(item.run));
  });

  test("RunStream gives the memory of a run back that is refused halfway, before anything else comes", async () => {
    for (const isRefused of [true, false]) {
      const given = memory();
      const stuck = Promise.withResolvers<void>();
      const refuse = encodeMessage({ type: "refuse", first: 0, count: 1, reason: "cancelled" });
      const words = isRefused ? [refuse] : [encodeMessage({ type: "ping", id: 1 })];
      const port = new Port(run(0));
      const source = new ReadableStream<Uint8Array>({
        async start(controller) {
          for (const frame of [BITMAP, ...framesOf(run(0)).slice(0, 2), ...words])
            controller.enqueue(frame.slice());
          await stuck.promise;
          controller.close();
        },
      });
      const done = source
        .pipeThrough(new FrameStream(new FrameDecoder(), []))
        .pipeThrough(new RunStream(geometry, port, given))
        .pipeTo(new WritableStream());
      await eventually(
        () => port.messages.length,
        (count) => count === 2,
      );
      expect(given.shared.usedBytes > 0).toBe(!isRefused);
      stuck.resolve();
      await done;
    }
  });

  test("RunStream refuses a greeting, and anything before the bitmap", async () => {
    const proof = encodeMessage({ type: "proof", mac: new Uint8Array(32) });
    expect(await failureCode(receiveAll(new Port(), proof))).toBe("bad_order");
    const early = receive(new Port(), [encodeMessage({ type: "ping", id: 1 })]);
    expect(await failureCode(early.runs.pipeTo(store().writable))).toBe("bad_order");
  });

  test("SRV-1: RunStream holds as much memory for bytes that drip as for those that flow", async () => {
    const range = run(0, 20);
    const given = memory(20 * PART_BYTES);
    const wire = concat([BITMAP, ...framesOf(range)]);
    const drops = Array.from({ length: wire.length }, (_, at) => wire.subarray(at, at + 1));
    const { writable, items } = store();
    await receive(new Port(range), drops, given).runs.pipeTo(writable);
    expect(items[0]?.bytes).toEqual(bytesOf(range));
    expect(given.shared.usedBytes).toBe(0);
  });

  test("RunStream waits for memory that others have, and goes on when they give it back", async () => {
    const given = memory(2 * PART_BYTES);
    const others = given.shared.tryTake(2 * PART_BYTES);
    const ranges = [run(0), run(1), run(2)];
    const port = new Port(...ranges);
    const { writable, items } = store();
    const frames = [BITMAP, ...ranges.flatMap((range) => framesOf(range, PART_BYTES))];
    const { source, runs } = receive(port, frames, given);
    const done = runs.pipeTo(writable);
    await eventually(source.pulled, (pulled) => pulled >= 2);
    expect(port.arrived.size).toBe(0);
    others?.release();
    await done;
    expect(items.map((item) => Number(item.run.first))).toEqual([0, 1, 2]);
    expect(given.shared.usedBytes).toBe(0);
  });

  test("RunStream lets go of large chunks that it has used", async () => {
    const range = run(0, 24);
    const chunk = concat([BITMAP, ...framesOf(range)]);
    const given = memory();
    const { writable, items } = store();
    await sourceOf([chunk])
      .readable.pipeThrough(new FrameStream(new FrameDecoder(), []))
      .pipeThrough(new RunStream(geometry, new Port(range), given))
      .pipeThrough(new VerifyStream(TORRENT, new Port(range), given.verifier))
      .pipeTo(writable);
    expect(items[0]?.bytes).toEqual(CONTENT);
    expect(chunk.length).toBe(0);
  });
});

function filled(shared: PartBuffers, bytes: Uint8Array): PartBuffer {
  const buffer = shared.tryTake(bytes.length);
  if (buffer === undefined) throw new Error("No memory");
  buffer.bytes.set(bytes);
  return buffer;
}

describe("VerifyStream", () => {
  test("VerifyStream names the first wrong part and passes nothing of its run on", async () => {
    const range = run(2, 4);
    for (const wrongAt of [0, PART_BYTES * 2 + 5, PART_BYTES * 4 - 1]) {
      const bytes = new Uint8Array(bytesOf(range));
      bytes[wrongAt] = (bytes[wrongAt] ?? 0) ^ 1;
      const port = new Port(range, run(0));
      const { writable, items } = store();
      const frames = [BITMAP, ...framesOf(run(0)), ...dataFrames(2, bytes), ...framesOf(run(0))];
      const failure = await failureOf(receive(port, frames).runs.pipeTo(writable));
      expect(failure).toBeInstanceOf(IntegrityError);
      expect(items.map((item) => Number(item.run.first))).toEqual([0]);
      expect(port.bad).toEqual([
        [range, runOf(geometry, 2 + Math.floor(wrongAt / PART_BYTES)).first],
      ]);
    }
  });

  test("VerifyStream checks SHA-1 torrents by SHA-1", async () => {
    const torrent = makeTorrent({ content: CONTENT, partBytes: PART_BYTES, algorithm: "sha1" });
    const port = new Port(run(0));
    const verify = async (bytes: Uint8Array) => {
      const { writable, items } = store();
      const { shared, verifier } = memory();
      const arrived = sourceOf([{ run: run(0), buffer: filled(shared, bytes) }]);
      await arrived.readable
        .pipeThrough(new VerifyStream(torrent, port, verifier))
        .pipeTo(writable);
      return items.length;
    };
    expect(await verify(bytesOf(run(0)))).toBe(1);
    expect(await failureCode(verify(bytesOf(run(1))))).toBe("part_mismatch");
  });

  test("VerifyStream hashes several runs at once, few of them, and forgets those given back meanwhile", async () => {
    const port = new Port();
    const { shared } = memory();
    const asked: PromiseWithResolvers<PartIndex | undefined>[] = [];
    const verifier = new PartVerifier(shared.memory, 0);
    verifier.firstBad = () => {
      const verdict = Promise.withResolvers<PartIndex | undefined>();
      asked.push(verdict);
      return verdict.promise;
    };
    const runs = [...geometry.parts()].slice(0, 8).map((part) => run(part));
    const arrived = runs.map((range) => ({ run: range, buffer: filled(shared, bytesOf(range)) }));
    const { writable, items } = store();
    const done = sourceOf(arrived)
      .readable.pipeThrough(new VerifyStream(TORRENT, port, verifier))
      .pipeTo(writable);
    await eventually(
      () => asked.length,
      (count) => count === 4,
    );
    // Its connection ended: what stands in that memory by now is another's, and so is the blame.
    arrived[0]?.buffer.release();
    asked[0]?.resolve(runOf(geometry, 0).first);
    for (let at = 1; at < runs.length; at++) {
      await eventually(
        () => asked[at],
        (verdict) => verdict !== undefined,
      );
      asked[at]?.resolve(undefined);
    }
    await done;
    expect(port.bad).toEqual([]);
    expect(items.map((item) => Number(item.run.first)).sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});

describe("FrameStream", () => {
  test("FrameStream goes on where the greeting left off", async () => {
    const port = new Port(run(0));
    const wire = concat([BITMAP, ...framesOf(run(0))]);
    const decoder = new FrameDecoder();
    const firstItems = [...decoder.push(wire.subarray(0, 5000))];
    const { writable, items } = collector<ArrivedRun>();
    await sourceOf([wire.subarray(5000)])
      .readable.pipeThrough(new FrameStream(decoder, firstItems))
      .pipeThrough(new RunStream(geometry, port, memory()))
      .pipeTo(writable);
    expect(Buffer.compare(items[0]?.buffer.bytes ?? Buffer.of(), bytesOf(run(0)))).toBe(0);
  });

  test("FrameStream passes the decoder's error on and cancels upward", async () => {
    const { source, runs } = receive(new Port(), [Uint8Array.from([255, 255, 255, 255]), BITMAP]);
    const failure = await failureOf(runs.pipeTo(store().writable));
    expect(failure).toBeInstanceOf(ProtocolError);
    expect(failure).toMatchObject({ code: "frame_too_large" });
    await eventually(source.cancelled, (reason) => reason !== undefined);
  });

  test("FrameStream and what follows hold the source back while the sink is stuck", async () => {
    const ranges = [...geometry.parts()].map((part) => run(part));
    const endless = function* () {
      yield BITMAP;
      for (;;) for (const range of ranges) yield* framesOf(range, PART_BYTES);
    };
    const { source, runs } = receive(new Port(...ranges), endless());
    const stuck = stuckSink<HeldRun>();
    const stop = new AbortController();
    const piping = runs.pipeTo(stuck.writable, { signal: stop.signal });
    let before = -1;
    await eventually(
      () => {
        const isStill = source.pulled() === before;
        before = source.pulled();
        return isStill;
      },
      (isStill) => isStill,
    );
    // One chunk in each of the three stages and the sink, one between each two of them, and what is hashed at once.
    expect(source.pulled()).toBeGreaterThan(1);
    expect(source.pulled()).toBeLessThanOrEqual(13);
    stop.abort(new Error("enough"));
    stuck.release();
    expect(piping).rejects.toThrow("enough");
    await eventually(source.cancelled, (reason) => reason !== undefined);
  });
});
