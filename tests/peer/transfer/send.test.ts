import { describe, expect, test } from "bun:test";
import { StorageError } from "../../../peer/errors.ts";
import { RateLimit } from "../../../peer/net/rate-limit.ts";
import type { PartSource } from "../../../peer/storage/store.ts";
import { Outbox } from "../../../peer/transfer/outbox.ts";
import { ReadBlockStream, type SendPort } from "../../../peer/transfer/send.ts";
import { FrameDecoder, type FrameItem } from "../../../protocol/frame.ts";
import type { PartRun } from "../../../protocol/geometry.ts";
import { PAYLOAD_BYTES_MAX } from "../../../protocol/limits.ts";
import { eventually } from "../../support/eventually.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { concat, randomBytes } from "../../support/fixtures.ts";
import { geometryOf, runOf } from "../../support/swarm-fixtures.ts";

const geometry = geometryOf(10, 100_000);
const CONTENT = randomBytes(9, geometry.fileBytes);
const never = new AbortController().signal;

/** A file in memory that can be told to fail. */
class Source implements PartSource {
  reads = 0;
  failsFrom = Number.POSITIVE_INFINITY;
  /** What the disk takes its time for. */
  disk = Promise.resolve();

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.reads++;
    await this.disk;
    if (offset + into.length > this.failsFrom)
      throw new StorageError("changed", "Cannot read: it is another file");
    into.set(CONTENT.subarray(offset, offset + into.length));
  }

  async close(): Promise<void> {}
}

class Port implements SendPort {
  readonly file = new Source();
  readonly served: (readonly [number, number])[] = [];
  readonly unreadable: unknown[] = [];
  sentBytes = 0;

  source(): PartSource {
    return this.file;
  }

  onSent(bytes: number): void {
    this.sentBytes += bytes;
  }

  onServed(run: PartRun, bytes: number): void {
    this.served.push([run.first, bytes]);
  }

  onUnreadable(_run: PartRun, cause: unknown): void {
    this.unreadable.push(cause);
  }
}

/** The whole outgoing side, into a sink of one's own. */
function sending(
  options: {
    readonly limit?: RateLimit;
    readonly blockBytes?: number;
    /** Changes while blocks are sent. */
    readonly memory?: { readonly blockBytes: number };
  } = {},
) {
  const { limit, blockBytes = PAYLOAD_BYTES_MAX, memory = { blockBytes } } = options;
  const port = new Port();
  const held: number[] = [];
  const share = {
    get blockBytes() {
      return memory.blockBytes;
    },
    hold: (bytes: number) => void held.push(bytes),
  };
  const outbox = new Outbox({
    blockBytes: () => memory.blockBytes,
    runBytes: (run) => geometry.runRange(run).length,
  });
  const stage = new ReadBlockStream(geometry, port, { memory: share, limit, signal: never });
  return { port, outbox, stage, held, readable: outbox.readable.pipeThrough(stage) };
}

/** What came over the wire: messages by their type, and the bytes of each run. */
function decode(wire: readonly Uint8Array[]) {
  const decoder = new FrameDecoder();
  const items = wire.flatMap((chunk): FrameItem[] => [...decoder.push(chunk)]);
  const said: string[] = [];
  const runs = new Map<number, Uint8Array[]>();
  let current = -1;
  for (const item of items) {
    if (item.type === "message") {
      const { message } = item;
      said.push(message.type === "refuse" ? `${message.first} ${message.reason}` : message.type);
    } else if (item.type === "data") current = item.data.first;
    else runs.set(current, [...(runs.get(current) ?? []), item.chunk]);
  }
  return { said, bytesOf: (first: number) => concat(runs.get(first) ?? []) };
}

function bytesOf(run: PartRun): Uint8Array {
  const { offset, length } = geometry.runRange(run);
  return CONTENT.subarray(offset, offset + length);
}

async function sendAll(
  outbox: Outbox,
  readable: ReadableStream<Uint8Array>,
  runs: readonly PartRun[],
) {
  for (const run of runs) outbox.serve(run);
  const wire: Uint8Array[] = [];
  const writable = new WritableStream<Uint8Array>({
    write: (chunk) => {
      wire.push(new Uint8Array(chunk));
    },
  });
  const piping = readable.pipeTo(writable);
  return { wire, piping };
}

describe("ReadBlockStream", () => {
  test("ReadBlockStream sends the file's bytes in frames, whatever the block", async () => {
    for (const blockBytes of [PAYLOAD_BYTES_MAX, 4096, 99_999]) {
      const { port, outbox, readable } = sending({ blockBytes });
      const runs = [runOf(geometry, 2, 3), runOf(geometry, 0), runOf(geometry, 9)];
      const { wire, piping } = await sendAll(outbox, readable, runs);
      await eventually(
        () => port.served.length,
        (served) => served === runs.length,
      );
      outbox.end();
      await piping;
      const decoded = decode(wire);
      for (const run of runs)
        expect(Buffer.compare(decoded.bytesOf(run.first), bytesOf(run))).toBe(0);
      expect(port.served).toEqual(runs.map((run) => [run.first, bytesOf(run).length]));
      expect(port.sentBytes).toBe(runs.reduce((sum, run) => sum + bytesOf(run).length, 0));
      expect(port.unreadable).toEqual([]);
    }
  });

  test("ReadBlockStream never writes into a chunk that is still being written", async () => {
    const { port, outbox, readable } = sending({ blockBytes: 30_000 });
    const runs = [...geometry.parts()].map((part) => runOf(geometry, part));
    for (const run of runs) outbox.serve(run);
    const wire: Uint8Array[] = [];
    // As slow as a socket can be: it looks at the chunk when it is given, and again long after.
    const writable = new WritableStream<Uint8Array>(
      {
        async write(chunk) {
          const before = new Uint8Array(chunk);
          await Bun.sleep(2);
          if (Buffer.compare(before, chunk) !== 0)
            throw new Error("Overwritten while being written");
          wire.push(before);
        },
      },
      new CountQueuingStrategy({ highWaterMark: 1 }),
    );
    const piping = readable.pipeTo(writable);
    await eventually(
      () => port.served.length,
      (served) => served === runs.length,
    );
    outbox.end();
    await piping;
    const decoded = decode(wire);
    for (const run of runs)
      expect(Buffer.compare(decoded.bytesOf(run.first), bytesOf(run))).toBe(0);
  });

  test("SRV-7: ReadBlockStream reads nothing of the file while the socket takes nothing", async () => {
    const { port, outbox, readable } = sending({ blockBytes: 10_000 });
    for (const part of geometry.parts()) outbox.serve(runOf(geometry, part));
    const stop = new AbortController();
    const stuck = Promise.withResolvers<void>();
    const writable = new WritableStream<Uint8Array>(
      { write: () => stuck.promise },
      new CountQueuingStrategy({ highWaterMark: 1 }),
    );
    const piping = readable.pipeTo(writable, { signal: stop.signal });
    await Bun.sleep(50);
    expect(port.file.reads).toBeGreaterThanOrEqual(1);
    expect(port.file.reads).toBeLessThanOrEqual(2);
    stop.abort(new Error("enough"));
    stuck.resolve();
    expect(piping).rejects.toThrow("enough");
  });

  test("SRV-11: ReadBlockStream refuses a run that cannot be read, once, and goes on with the others", async () => {
    const { port, outbox, readable } = sending({ blockBytes: 30_000 });
    // Part 4 can be read up to its middle.
    port.file.failsFrom = 450_000;
    const runs = [runOf(geometry, 1), runOf(geometry, 4), runOf(geometry, 2), runOf(geometry, 8)];
    const { wire, piping } = await sendAll(outbox, readable, runs);
    await eventually(
      () => port.served.length,
      (served) => served === runs.length,
    );
    outbox.end();
    await piping;
    const decoded = decode(wire);
    expect(decoded.said).toEqual(["4 changed", "8 changed"]);
    for (const first of [1, 2])
      expect(Buffer.compare(decoded.bytesOf(first), bytesOf(runOf(geometry, first)))).toBe(0);
    expect(decoded.bytesOf(4).length).toBe(30_000);
    expect(port.served).toEqual([
      [1, 100_000],
      [4, 0],
      [2, 100_000],
      [8, 0],
    ]);
    expect(port.unreadable).toHaveLength(2);
  });

  test("ReadBlockStream sends a run again after it was refused, when it can be read by then", async () => {
    const { port, outbox, readable } = sending({ blockBytes: 30_000 });
    port.file.failsFrom = 50_000;
    const { wire, piping } = await sendAll(outbox, readable, [runOf(geometry, 0)]);
    await eventually(
      () => port.served.length,
      (served) => served === 1,
    );
    port.file.failsFrom = Number.POSITIVE_INFINITY;
    outbox.serve(runOf(geometry, 0));
    await eventually(
      () => port.served.length,
      (served) => served === 2,
    );
    outbox.end();
    await piping;
    const refused = decode(wire);
    expect(refused.said).toEqual(["0 changed"]);
    expect(refused.bytesOf(0).length).toBe(30_000 + 100_000);
    expect(Buffer.compare(refused.bytesOf(0).subarray(30_000), bytesOf(runOf(geometry, 0)))).toBe(
      0,
    );
  });

  test("ReadBlockStream holds smaller buffers when others need memory, and larger ones again", async () => {
    const memory = { blockBytes: 65_536 };
    const { outbox, readable, port } = sending({ memory });
    const reader = readable.getReader();
    const held: number[] = [];
    for (const blockBytes of [65_536, 10_000, 10_000, 10_000, 65_536, 65_536, 65_536]) {
      memory.blockBytes = blockBytes;
      outbox.serve(runOf(geometry, 0));
      const before = port.served.length;
      while (port.served.length === before) {
        const { value } = await reader.read();
        held.push(value?.buffer.byteLength ?? 0);
      }
    }
    const room = (bytes: number) => bytes + 4096;
    expect(Math.max(...held.slice(0, 2))).toBeLessThanOrEqual(room(65_536));
    // Ten blocks a run: those of the two runs before the last shrunk one are cut to size.
    const shrunk = held.slice(14, 30);
    expect(Math.max(...shrunk)).toBeLessThanOrEqual(room(10_000));
    expect(Math.max(...held.slice(-2))).toBeGreaterThan(room(10_000));
  });

  test("ReadBlockStream gives its buffers back when all is written, and never before", async () => {
    const { outbox, stage, held, readable } = sending({ blockBytes: 30_000 });
    outbox.send({ type: "ping", id: 5 });
    const wire: Uint8Array[] = [];
    let bytesWritten = 0;
    const rest = () => {
      const before = held.length;
      stage.rest(bytesWritten);
      return held.length > before;
    };
    const writable = new WritableStream<Uint8Array>(
      {
        async write(chunk) {
          // Nothing that is asked meanwhile takes the memory from under it.
          for (let times = 0; times < 3; times++) {
            expect(rest()).toBe(false);
            await Bun.sleep(1);
          }
          wire.push(new Uint8Array(chunk));
          bytesWritten += chunk.length;
        },
      },
      new CountQueuingStrategy({ highWaterMark: 1 }),
    );
    const piping = readable.pipeTo(writable);
    const runs = [runOf(geometry, 3), runOf(geometry, 1, 2), runOf(geometry, 9)];
    for (const [n, run] of runs.entries()) {
      outbox.serve(run);
      await eventually(
        () => Buffer.compare(decode(wire).bytesOf(run.first), bytesOf(run)),
        (difference) => difference === 0,
      );
      expect(held.at(-1)).toBe(2 * (4096 + 30_000));
      await eventually(rest, (isGivenBack) => isGivenBack);
      expect(held.at(-1)).toBe(0);
      expect(held.filter((bytes) => bytes === 0)).toHaveLength(n + 1);
    }
    outbox.end();
    await piping;
    expect(decode(wire).said).toEqual(["ping"]);
  });

  test("ReadBlockStream keeps its buffers while the disk fills one, though all before is written", async () => {
    const { outbox, port, stage, held, readable } = sending();
    const disk = Promise.withResolvers<void>();
    port.file.disk = disk.promise;
    outbox.serve(runOf(geometry, 4));
    const reading = readable.getReader().read();
    await eventually(
      () => port.file.reads,
      (reads) => reads === 1,
    );
    stage.rest(0);
    expect(held).toEqual([4096 + 100_000]);
    disk.resolve();
    const { value = new Uint8Array(0) } = await reading;
    expect(Buffer.compare(decode([value]).bytesOf(4), bytesOf(runOf(geometry, 4)))).toBe(0);
  });

  test("ReadBlockStream takes no more memory than its blocks need", async () => {
    const { outbox, port, held, readable } = sending();
    const reading = Array.fromAsync(readable);
    for (const [n, count] of [1, 1, 1, 3, 1, 3].entries()) {
      outbox.serve(runOf(geometry, 0, count));
      await eventually(
        () => port.served.length,
        (served) => served === n + 1,
      );
    }
    outbox.end();
    await reading;
    const [one, three] = [4096 + 100_000, 4096 + 300_000];
    expect(held).toEqual([one, 2 * one, one + three]);
  });

  test("ReadBlockStream sends at the limit's rate, in pieces", async () => {
    const clock = new FakeClock();
    const limit = new RateLimit(clock, 200_000);
    const { port, outbox, readable } = sending({ limit, blockBytes: limit.pieceBytes });
    const { wire, piping } = await sendAll(outbox, readable, [runOf(geometry, 0, 4)]);
    const sent = () => wire.reduce((bytes, chunk) => bytes + chunk.length, 0);
    await clock.advance(1000);
    expect(Math.abs(sent() / 200_000 - 1)).toBeLessThan(0.15);
    await clock.advance(1500);
    expect(port.served).toEqual([[0, 400_000]]);
    outbox.end();
    await piping;
  });

  test("ReadBlockStream passes frames through as they are", async () => {
    const { outbox, readable } = sending();
    outbox.send({ type: "ping", id: 5 });
    outbox.end();
    const chunks = await Array.fromAsync(readable);
    expect(decode(chunks).said).toEqual(["ping"]);
  });
});
