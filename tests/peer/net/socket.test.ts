import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createServer, type Socket as NodeSocket, connect as nodeConnect } from "node:net";
import { TransportError } from "../../../peer/errors.ts";
import { dial } from "../../../peer/net/dial.ts";
import { listen } from "../../../peer/net/listen.ts";
import type { SocketStreams } from "../../../peer/net/socket.ts";
import { SOCKET_CHUNK_BYTES_MAX, SOCKET_READ_BUFFER_BYTES } from "../../../protocol/limits.ts";
import { eventually, failureCode, failureOf } from "../../support/eventually.ts";
import { Random, randomBytes } from "../../support/fixtures.ts";
import { connectPair, readAll } from "../../support/sockets.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(60_000);

const MIB = 2 ** 20;

/** Bytes whose place in the flow can be read off them: a prime's multiple never lies in step with any buffer. */
function patternAt(offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = ((offset + at) * 2_654_435_761) >>> 24;
  return bytes;
}

/** Waits until a count stays the same for a while: nothing moves any more. */
async function standstill(count: () => number): Promise<number> {
  for (let before = -1; ; ) {
    const now = count();
    if (now === before) return now;
    before = now;
    await Bun.sleep(150);
  }
}

/** Writes until it is told to stop.
 * @returns how much the stream has taken, at any time */
function flood(writable: WritableStream<Uint8Array>): { taken(): number; done: Promise<unknown> } {
  let taken = 0;
  const writer = writable.getWriter();
  const chunk = new Uint8Array(256 * 1024);
  const run = async () => {
    for (;;) {
      await writer.write(chunk);
      taken += chunk.length;
    }
  };
  return { taken: () => taken, done: run().catch((cause) => cause) };
}

/** A listener of the system's plain sockets, and the first connection to it. */
async function plainListener(onSocket: (socket: NodeSocket) => void) {
  const server = createServer({ allowHalfOpen: true }, onSocket);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("It does not listen");
  return {
    port: address.port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

function dialLoopback(port: number): Promise<SocketStreams> {
  return dial({ host: "127.0.0.1", port }, AbortSignal.timeout(5000));
}

describe("SocketStreams", () => {
  test("SocketStreams loses and reorders no byte of 64 MiB in chunks of any size to a reader of any speed", async () => {
    await using pair = await connectPair();
    const random = new Random(3);
    const total = 64 * MIB;
    const write = async () => {
      const writer = pair.near.writable.getWriter();
      for (let at = 0; at < total; ) {
        const length = Math.min(total - at, 1 + random.below(2 ** (1 + random.below(20))));
        await writer.write(patternAt(at, length));
        at += length;
      }
      await writer.close();
    };
    const read = async () => {
      let at = 0;
      for await (const chunk of pair.far.readable) {
        expect(chunk.length).toBeLessThanOrEqual(SOCKET_CHUNK_BYTES_MAX);
        if (Buffer.compare(chunk, patternAt(at, chunk.length)) !== 0)
          throw new Error(`Wrong bytes after ${at}`);
        at += chunk.length;
        // Now and then it is slow: the sender must wait, and nothing may be lost.
        if (random.below(40) === 0) await Bun.sleep(random.below(12));
      }
      return at;
    };
    const [, bytes] = await Promise.all([write(), read()]);
    expect(bytes).toBe(total);
  });

  test("SocketStreams lets go of what comes after it was detached", async () => {
    const { near, far } = await connectPair();
    const socket = near.detach();
    const chunk = new Uint8Array(MIB);
    near.onData(chunk);
    expect(chunk.length).toBe(0);
    socket.terminate();
    far.terminate();
    await far.closed;
  });

  test("SocketStreams holds a sender back while nobody reads, and lets it go on when somebody does", async () => {
    await using pair = await connectPair();
    const flow = flood(pair.near.writable);
    const stuckAt = await standstill(flow.taken);
    // What the kernel holds on both sides, and what the reading end may read ahead.
    expect(stuckAt).toBeGreaterThanOrEqual(SOCKET_READ_BUFFER_BYTES);
    expect(stuckAt).toBeLessThan(SOCKET_READ_BUFFER_BYTES + 16 * MIB);
    const reader = pair.far.readable.getReader();
    let read = 0;
    while (read < stuckAt + 8 * MIB) read += (await reader.read()).value?.length ?? 0;
    await eventually(flow.taken, (taken) => taken > stuckAt);
    reader.releaseLock();
    pair.near.terminate();
    expect(await flow.done).toBeInstanceOf(Error);
  });

  test("SocketStreams reads ahead no more than its buffer and one chunk", async () => {
    await using pair = await connectPair();
    const flow = flood(pair.near.writable);
    await standstill(flow.taken);
    pair.near.terminate();
    await pair.near.closed;
    // The rest of it is in the kernel; what was read ahead is what comes without waiting for it.
    const reader = pair.far.readable.getReader();
    let ahead = 0;
    for (;;) {
      const next = await Promise.race([reader.read(), Promise.resolve(undefined)]);
      if (next?.value === undefined) break;
      ahead += next.value.length;
      if (ahead > SOCKET_READ_BUFFER_BYTES) break;
    }
    expect(ahead).toBeLessThanOrEqual(SOCKET_READ_BUFFER_BYTES + SOCKET_CHUNK_BYTES_MAX);
    reader.releaseLock();
    expect(await flow.done).toBeInstanceOf(Error);
  });

  test("write settles when all of the chunk is taken, so its memory may be used again at once", async () => {
    await using pair = await connectPair();
    const total = 24 * MIB;
    const chunk = new Uint8Array(3 * MIB);
    const write = async () => {
      const writer = pair.near.writable.getWriter();
      for (let at = 0; at < total; at += chunk.length) {
        chunk.set(patternAt(at, chunk.length));
        await writer.write(chunk);
        chunk.fill(0xee);
      }
      await writer.close();
    };
    const [, bytes] = await Promise.all([write(), readAll(pair.far.readable)]);
    expect(bytes.length).toBe(total);
    expect(Buffer.compare(bytes, patternAt(0, total))).toBe(0);
  });

  test("write of nothing settles", async () => {
    await using pair = await connectPair();
    const writer = pair.near.writable.getWriter();
    await writer.write(new Uint8Array(0));
    await writer.write(Uint8Array.of(7));
    await writer.close();
    expect(await readAll(pair.far.readable)).toEqual(Uint8Array.of(7));
  });

  test("close after the last write loses nothing, also to a reader that is far behind", async () => {
    for (const total of [1, 100_000, 4 * MIB]) {
      await using pair = await connectPair();
      const bytes = randomBytes(total, total);
      const reading = Bun.sleep(200).then(() => readAll(pair.far.readable));
      const writer = pair.near.writable.getWriter();
      await writer.write(bytes);
      await writer.close();
      const got = await reading;
      expect(got.length).toBe(total);
      expect(Buffer.compare(got, bytes)).toBe(0);
      await pair.near.closed;
    }
  });

  test("close loses nothing also while something of the remote is unread", async () => {
    for (let times = 0; times < 20; times++) {
      await using pair = await connectPair();
      const remote = pair.far.writable.getWriter();
      await remote.write(new Uint8Array(10));
      const writer = pair.near.writable.getWriter();
      await writer.write(Uint8Array.of(1, 2, 3));
      await writer.close();
      remote.closed.catch(() => undefined);
      await remote.write(new Uint8Array(50_000)).catch(() => undefined);
      expect(await readAll(pair.far.readable)).toEqual(Uint8Array.of(1, 2, 3));
      await pair.near.closed;
    }
  });

  test("closed settles at both ends, and writing afterwards is an error", async () => {
    await using pair = await connectPair();
    const reading = readAll(pair.far.readable);
    pair.near.terminate();
    await Promise.all([pair.near.closed, pair.far.closed]);
    await reading.catch(() => undefined);
    for (const { writable } of [pair.near, pair.far]) {
      const writer = writable.getWriter();
      writer.closed.catch(() => undefined);
      expect(await failureCode(writer.write(Uint8Array.of(1)))).toBe("reset");
    }
    pair.near.terminate();
  });

  test("a write that waits fails when the remote goes", async () => {
    await using pair = await connectPair();
    const flow = flood(pair.near.writable);
    await standstill(flow.taken);
    pair.far.terminate();
    expect(await flow.done).toBeInstanceOf(TransportError);
  });

  test("cancel of the reader goes up: the connection ends", async () => {
    await using pair = await connectPair();
    const flow = flood(pair.near.writable);
    await standstill(flow.taken);
    await pair.far.readable.cancel("enough");
    await pair.far.closed;
    expect(await flow.done).toBeInstanceOf(TransportError);
    await pair.near.closed;
  });

  test("abort of the writer ends the connection", async () => {
    await using pair = await connectPair();
    const reading = readAll(pair.far.readable).catch(() => undefined);
    await pair.near.writable.abort("enough");
    await Promise.all([pair.near.closed, pair.far.closed, reading]);
  });

  test("a remote's reset ends the streams", async () => {
    await using server = await plainListener((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.resetAndDestroy());
    });
    const streams = await dialLoopback(server.port);
    const writer = streams.writable.getWriter();
    writer.closed.catch(() => undefined);
    await writer.write(Uint8Array.of(1));
    const read = await readAll(streams.readable).catch((cause: unknown) => cause);
    if (read instanceof Uint8Array) expect(read.length).toBe(0);
    else expect(read).toBeInstanceOf(TransportError);
    await streams.closed;
    expect(await failureOf(writer.write(Uint8Array.of(1)))).toBeInstanceOf(TransportError);
  });

  test("SRV-12: a remote's half-close ends the reading after its last byte", async () => {
    await using server = await plainListener((socket) => {
      socket.on("error", () => undefined);
      socket.resume();
      socket.end("the last words");
    });
    const streams = await dialLoopback(server.port);
    expect(Buffer.from(await readAll(streams.readable)).toString()).toBe("the last words");
    await streams.writable.close().catch(() => undefined);
    await streams.closed;
  });

  test("what came before a remote's end is read, however late and however much", async () => {
    const words = randomBytes(5, 3 * MIB);
    const accepted = Promise.withResolvers<SocketStreams>();
    const listener = listen({ host: "127.0.0.1", port: 0 }, accepted.resolve);
    const socket = nodeConnect(listener.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.end(words);
    const streams = await accepted.promise;
    listener.stop();
    await Bun.sleep(150);
    const got = await readAll(streams.readable);
    expect(got.length).toBe(words.length);
    expect(Buffer.compare(got, words)).toBe(0);
    streams.terminate();
    socket.destroy();
  });

  test("remote is where the other end is, IPv4 as IPv4 also behind a listener for both", async () => {
    const accepted = Promise.withResolvers<SocketStreams>();
    const listener = listen({ host: "::", port: 0 }, accepted.resolve);
    const near = await dialLoopback(listener.port);
    const far = await accepted.promise;
    expect(near.remote).toEqual({ host: "127.0.0.1", port: listener.port });
    expect(far.remote.host).toBe("127.0.0.1");
    expect(far.remote.port).toBeGreaterThan(0);
    near.terminate();
    listener.stop();
    await far.closed;
  });
});
