import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { systemClock } from "../../../peer/clock.ts";
import { RateLimit } from "../../../peer/net/rate-limit.ts";
import { MemoryStore } from "../../../peer/storage/memory.ts";
import { createPartSink } from "../../../peer/storage/part-sink.ts";
import { PartVerifier } from "../../../peer/storage/part-verifier.ts";
import type { VerifiedRun } from "../../../peer/storage/store.ts";
import { Connection } from "../../../peer/transfer/connection.ts";
import type { Greeted } from "../../../peer/transfer/greet.ts";
import { Outbox } from "../../../peer/transfer/outbox.ts";
import { PartBuffers } from "../../../peer/transfer/part-buffers.ts";
import type { HeldRun } from "../../../peer/transfer/receive.ts";
import { FrameDecoder } from "../../../protocol/frame.ts";
import type { PartIndex, PartRun } from "../../../protocol/geometry.ts";
import { toPeerId } from "../../../protocol/ids.ts";
import type { ControlMessage } from "../../../protocol/messages.ts";
import { eventually } from "../../support/eventually.ts";
import { concat, makeTorrent, randomBytes } from "../../support/fixtures.ts";
import { connectPair, type SocketPair } from "../../support/sockets.ts";
import { runOf } from "../../support/swarm-fixtures.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(60_000);

const PART_BYTES = 100_000;
const CONTENT = randomBytes(21, 40 * PART_BYTES);
const TORRENT = makeTorrent({ content: CONTENT, partBytes: PART_BYTES });
const { geometry } = TORRENT;

interface EndOptions {
  readonly content?: Uint8Array;
  readonly sink?: WritableStream<HeldRun>;
  readonly limitUp?: number;
  readonly limitDown?: number;
}

/** One end: a real connection over a real socket, and everything that it told its swarm. */
class End {
  readonly connection: Connection;
  readonly outbox: Outbox;
  readonly heard: ControlMessage[] = [];
  /** Copies: a run's memory is another's when it was written. */
  readonly runs: VerifiedRun[] = [];
  readonly bad: PartIndex[] = [];
  readonly served: number[] = [];
  readonly asked = new Map<number, PartRun>();
  readonly ended: Promise<string>;
  /** Bytes that it holds to send with. */
  heldBytes = 0;
  isOver = false;

  constructor(socket: SocketPair["near"], options: EndOptions = {}) {
    const store = new MemoryStore(geometry);
    const content = options.content ?? CONTENT;
    const limitOf = (rate: number | undefined) =>
      rate === undefined ? undefined : new RateLimit(systemClock, rate);
    const limitUp = limitOf(options.limitUp);
    this.outbox = new Outbox({
      blockBytes: () => limitUp?.pieceBytes ?? 2 ** 20,
      runBytes: (run) => geometry.runRange(run).length,
    });
    const sink = createPartSink(async ({ run, bytes, release }: HeldRun) => {
      this.runs.push({ run, bytes: bytes.slice() });
      release();
    }, undefined);
    const buffers = new PartBuffers(8 * PART_BYTES);
    this.connection = new Connection(systemClock, socket, {
      id: 1,
      torrent: TORRENT,
      greeted: greeted(socket),
      outbox: this.outbox,
      receive: {
        onMessage: (message) => void this.heard.push(message),
        requested: (first) => this.asked.get(first),
        onArrived: () => undefined,
        onBadPart: (_run, part) => void this.bad.push(part),
      },
      send: {
        source: () => ({
          read: async (offset, into) => into.set(content.subarray(offset, offset + into.length)),
          close: () => store.close(),
        }),
        onSent: () => undefined,
        onServed: (run) => void this.served.push(run.first),
        onUnreadable: () => undefined,
      },
      memory: {
        blockBytes: 2 ** 20,
        hold: (bytes) => {
          this.heldBytes = bytes;
        },
        [Symbol.dispose]: () => undefined,
      },
      buffers,
      verifier: new PartVerifier(buffers.memory, 0),
      sink: options.sink ?? sink,
      limitDown: limitOf(options.limitDown),
      limitUp,
    });
    this.ended = this.connection.run().then((reason) => {
      this.isOver = true;
      return reason;
    });
  }
}

function greeted(socket: SocketPair["near"]): Greeted {
  const established = {
    swarm: TORRENT.hash,
    peerId: toPeerId(randomBytes(1, 16)),
    listenPort: 1,
    features: 0,
  };
  return { socket, established, decoder: new FrameDecoder(), firstItems: [] };
}

async function connectEnds(near: EndOptions = {}, far: EndOptions = {}) {
  const pair = await connectPair();
  const ends = { near: new End(pair.near, near), far: new End(pair.far, far) };
  for (const { connection } of [ends.near, ends.far])
    connection.tell({ type: "bitmap", parts: "all", bits: new Uint8Array(0) });
  return {
    ...ends,
    pair,
    [Symbol.asyncDispose]: async () => {
      ends.near.connection.abort("the test is over");
      ends.far.connection.abort("the test is over");
      await Promise.all([ends.near.ended, ends.far.ended]);
      await pair[Symbol.asyncDispose]();
    },
  };
}

/** A sink that takes runs, and lets none go before it is told to. */
function stuckSink() {
  const stuck = Promise.withResolvers<void>();
  let count = 0;
  const sink = createPartSink(async ({ release }: HeldRun) => {
    count++;
    await stuck.promise;
    release();
  }, undefined);
  return { sink, stuck, taken: () => count };
}

function ask(asking: End, asked: End, ...runs: readonly PartRun[]): void {
  for (const run of runs) {
    asking.asked.set(run.first, run);
    asked.connection.serve(run);
  }
}

describe("Connection", () => {
  test("Connection moves runs both ways at once, and messages among them", async () => {
    await using ends = await connectEnds();
    const { near, far } = ends;
    const runs = [...geometry.parts()].map((part) => runOf(geometry, part));
    ask(near, far, ...runs);
    ask(far, near, ...runs);
    near.connection.tell({ type: "ping", id: 1 });
    for (const end of [near, far]) {
      await eventually(
        () => end.runs.length,
        (count) => count === runs.length,
      );
      expect(Buffer.compare(concat(end.runs.map(({ bytes }) => bytes)), CONTENT)).toBe(0);
      expect(end.served).toHaveLength(runs.length);
    }
    expect(far.heard.map(({ type }) => type)).toEqual(["bitmap", "ping"]);
  });

  test("close says goodbye behind what was said before, at both ends with a reason", async () => {
    await using ends = await connectEnds();
    const { near, far } = ends;
    for (let id = 0; id < 100; id++) near.connection.tell({ type: "ping", id });
    near.connection.close("done with it");
    near.connection.close("said only once");
    const reasons = await Promise.all([near.ended, far.ended]);
    expect(reasons).toEqual(["done with it", "it hung up"]);
    expect(far.heard.at(-1)).toEqual({ type: "bye", reason: "done with it" });
    expect(far.heard).toHaveLength(102);
  });

  test("close drops the data that waits, and ends within moments also when the remote reads nothing", async () => {
    const pair = await connectPair();
    const near = new End(pair.near);
    near.connection.tell({ type: "bitmap", parts: "all", bits: new Uint8Array(0) });
    for (let round = 0; round < 8; round++)
      for (const part of geometry.parts()) near.connection.serve(runOf(geometry, part));
    await Bun.sleep(100);
    const startMs = performance.now();
    near.connection.close("no more");
    expect(await near.ended).toBe("no more");
    expect(performance.now() - startMs).toBeLessThan(2500);
    expect(near.served.length).toBeLessThan(300);
    await pair[Symbol.asyncDispose]();
  });

  test("close cuts a long reason to what the wire takes", async () => {
    await using ends = await connectEnds();
    ends.near.connection.close("ü".repeat(500));
    await ends.near.ended;
    const bye = ends.far.heard.at(-1);
    expect(bye).toEqual({ type: "bye", reason: "ü".repeat(80) });
  });

  test("abort ends both ends at once", async () => {
    await using ends = await connectEnds();
    ask(ends.near, ends.far, runOf(geometry, 0, 10));
    ends.near.connection.abort("enough");
    expect(await ends.near.ended).toBe("enough");
    await ends.far.ended;
  });

  test("a remote that vanishes ends the connection with a reason", async () => {
    await using ends = await connectEnds();
    ends.pair.far.terminate();
    expect((await ends.near.ended).length).toBeGreaterThan(3);
    await ends.far.ended;
  });

  test("SIM-1: a wrong part ends the connection before a byte of it reaches the sink", async () => {
    const wrong = new Uint8Array(CONTENT);
    wrong[5 * PART_BYTES + 7] = (wrong[5 * PART_BYTES + 7] ?? 0) ^ 0x40;
    await using ends = await connectEnds({}, { content: wrong });
    const { near, far } = ends;
    ask(near, far, runOf(geometry, 0, 2), runOf(geometry, 4, 2), runOf(geometry, 8));
    expect(await near.ended).toContain("Cannot take part 5");
    expect(near.bad.map(Number)).toEqual([5]);
    expect(near.runs.map(({ run }) => Number(run.first))).toEqual([0]);
    await far.ended;
  });

  test("CLI-4: what the remote may not say ends the connection with the reason", async () => {
    await using ends = await connectEnds();
    ends.far.connection.serve(runOf(geometry, 3));
    expect(await ends.near.ended).toContain("was not requested");
  });

  test("unserve refuses what is still to be sent and leaves alone what was", async () => {
    await using ends = await connectEnds();
    const { near, far } = ends;
    ask(near, far, runOf(geometry, 0));
    await eventually(
      () => near.runs.length,
      (count) => count === 1,
    );
    expect(far.connection.unserve(runOf(geometry, 0))).toBe(false);
    ask(near, far, runOf(geometry, 1));
    expect(far.connection.unserve(runOf(geometry, 1))).toBe(true);
    const refuse = { type: "refuse", first: 1, count: 1, reason: "cancelled" } as const;
    await eventually(
      () => near.heard.at(-1),
      (message) => message?.type === "refuse",
    );
    expect(near.heard.at(-1)).toEqual({ ...refuse, first: runOf(geometry, 1).first });
  });

  test("a sink that is stuck holds the remote's sending back, through the whole chain", async () => {
    const { sink, stuck, taken } = stuckSink();
    await using ends = await connectEnds({ sink });
    const { near, far } = ends;
    const runs = [...geometry.parts()].map((part) => runOf(geometry, part));
    for (const run of runs) near.asked.set(run.first, run);
    // The same runs again and again: far more than all buffers together could take.
    for (let round = 0; round < 8; round++) for (const run of runs) far.connection.serve(run);
    let before = -1;
    await eventually(
      () => {
        const isStill = before === far.served.length && taken() > 0;
        before = far.served.length;
        return isStill;
      },
      (isStill) => isStill,
    );
    expect(taken()).toBe(4);
    expect(far.served.length * PART_BYTES).toBeLessThan(16 * 2 ** 20);
    stuck.resolve();
    await eventually(taken, (count) => count > 100);
  });

  test("review gives the memory to send with back when all is sent, and not while the remote reads nothing", async () => {
    const { sink, stuck, taken } = stuckSink();
    await using ends = await connectEnds({ sink });
    const { near, far } = ends;
    const runs = [...geometry.parts()].map((part) => runOf(geometry, part));
    for (const run of runs) near.asked.set(run.first, run);
    const rounds = 8;
    for (let round = 0; round < rounds; round++) for (const run of runs) far.connection.serve(run);
    const isWaiting = () => ends.pair.far.isWaiting && far.heldBytes > 0;
    await eventually(isWaiting, (waiting) => waiting);
    far.connection.review();
    expect(far.heldBytes).toBe(2 * (4096 + PART_BYTES));
    stuck.resolve();
    const review = () => {
      far.connection.review();
      return far.heldBytes;
    };
    await eventually(review, (bytes) => bytes === 0);
    await eventually(taken, (count) => count === rounds * runs.length);
    // And goes on with memory of its own.
    far.connection.serve(runOf(geometry, 2));
    await eventually(taken, (count) => count === rounds * runs.length + 1);
    expect(near.bad).toEqual([]);
    await eventually(review, (bytes) => bytes === 0);
  });

  test("run ends only when nothing of the connection runs any more", async () => {
    const disk = Promise.withResolvers<void>();
    const finished: number[] = [];
    const sink = createPartSink(async ({ run }: HeldRun) => {
      await disk.promise;
      finished.push(run.first);
    }, undefined);
    await using ends = await connectEnds({ sink });
    const { near, far } = ends;
    ask(near, far, runOf(geometry, 0), runOf(geometry, 1));
    await eventually(
      () => far.served.length,
      (count) => count === 2,
    );
    await Bun.sleep(50);
    near.connection.abort("enough");
    await Bun.sleep(50);
    expect(near.isOver).toBe(false);
    disk.resolve();
    expect(await near.ended).toBe("enough");
    expect(finished).toEqual([0, 1]);
  });

  test("a failing disk ends the connection with the disk's words", async () => {
    const sink = createPartSink(async () => {
      throw new Error("Cannot write: the disk is full");
    }, undefined);
    await using ends = await connectEnds({ sink });
    ask(ends.near, ends.far, runOf(geometry, 0));
    expect(await ends.near.ended).toBe("Cannot write: the disk is full");
  });

  test("limits hold the rate both ways", async () => {
    for (const [near, far] of [
      [{ limitDown: 2_000_000 }, {}],
      [{}, { limitUp: 2_000_000 }],
    ] as const) {
      await using ends = await connectEnds(near, far);
      const startMs = performance.now();
      ask(ends.near, ends.far, ...[0, 1, 2, 3, 4, 5, 6, 7].map((part) => runOf(geometry, part)));
      await eventually(
        () => ends.near.runs.length,
        (count) => count === 8,
      );
      // 0.8 MB at 2 MB/s, less what an idle limit has saved up.
      expect(performance.now() - startMs).toBeGreaterThan(300);
      expect(performance.now() - startMs).toBeLessThan(3000);
    }
  });
});
