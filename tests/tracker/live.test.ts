import { describe, expect, test } from "bun:test";
import { getLogger } from "@logtape/logtape";
import { LISTENERS_MAX, Live } from "../../tracker/page/live.ts";
import { eventually, FakeClock } from "../support/tracker.ts";

const LOG = getLogger("test-tracker");
const HERE = new AbortController().signal;

function setUp(given?: () => Promise<unknown>) {
  const clock = new FakeClock();
  const read = given ?? (async () => ({ at: clock.now() }));
  const stop = new AbortController();
  const live = new Live(clock, LOG, read, { signal: stop.signal });
  return { clock, stop, live };
}

async function listen(live: Live, gone: AbortSignal = HERE) {
  const stream = await live.listen(gone);
  if (stream === undefined) throw new Error("There is no place to listen");
  const reader = stream.getReader();
  const next = async (): Promise<string | undefined> => {
    const { value } = await reader.read();
    return value === undefined ? undefined : new TextDecoder().decode(value);
  };
  return { reader, next };
}

describe("Live", () => {
  test("tells a listener at once, and again every second", async () => {
    const { clock, live } = setUp();
    const { next } = await listen(live);
    const start = clock.now();
    expect(await next()).toBe(`retry: 3000\ndata: {"at":${start}}\n\n`);
    await clock.advance(1000);
    expect(await next()).toBe(`data: {"at":${start + 1000}}\n\n`);
    await clock.advance(1000);
    expect(await next()).toBe(`data: {"at":${start + 2000}}\n\n`);
  });

  test("reads once a tick, for however many", async () => {
    let reads = 0;
    const { clock, live } = setUp(async () => ++reads);
    const listeners = await Promise.all(Array.from({ length: 50 }, () => listen(live)));
    for (const { next } of listeners) await next();
    reads = 1000;
    await clock.advance(1000);
    expect(await Promise.all(listeners.map(({ next }) => next()))).toEqual(
      Array(50).fill("data: 1001\n\n"),
    );
    expect(clock.sleepers).toBe(1);
  });

  test("runs nothing while nobody listens, before and after", async () => {
    let reads = 0;
    const { clock, live } = setUp(async () => ++reads);
    await clock.advance(5000);
    expect({ reads, sleepers: clock.sleepers }).toEqual({ reads: 0, sleepers: 0 });
    const { reader } = await listen(live);
    const second = await listen(live);
    expect(clock.sleepers).toBe(1);
    await reader.cancel();
    expect({ listeners: live.listeners, sleepers: clock.sleepers }).toEqual({
      listeners: 1,
      sleepers: 1,
    });
    await second.reader.cancel();
    await clock.turn();
    const readsThen = reads;
    await clock.advance(5000);
    expect({ listeners: live.listeners, sleepers: clock.sleepers, reads }).toEqual({
      listeners: 0,
      sleepers: 0,
      reads: readsThen,
    });
  });

  test("runs one ticker when the last listener goes and another comes at once", async () => {
    const { clock, live } = setUp();
    const first = await listen(live);
    await first.reader.cancel();
    const { next } = await listen(live);
    await next();
    expect(clock.sleepers).toBe(1);
    await clock.advance(1000);
    expect(await next()).toBe(`data: {"at":${clock.now()}}\n\n`);
  });

  test("lets LISTENERS_MAX listen and no more, until one goes", async () => {
    const { live } = setUp();
    const listeners = await Promise.all(Array.from({ length: LISTENERS_MAX }, () => listen(live)));
    expect(await live.listen(HERE)).toBeUndefined();
    expect(live.listeners).toBe(LISTENERS_MAX);
    await listeners[7]?.reader.cancel();
    expect(await live.listen(HERE)).toBeDefined();
    expect(await live.listen(HERE)).toBeUndefined();
  });

  test("gives the place of a listener back that goes before it was told anything", async () => {
    const answer = Promise.withResolvers<unknown>();
    const { clock, live } = setUp(() => answer.promise);
    const gone = new AbortController();
    const listening = live.listen(gone.signal);
    expect(live.listeners).toBe(1);
    gone.abort();
    expect(live.listeners).toBe(0);
    answer.resolve(1);
    await listening;
    await live.listen(AbortSignal.abort());
    expect({ listeners: live.listeners, sleepers: clock.sleepers }).toEqual({
      listeners: 0,
      sleepers: 0,
    });
  });

  test("cuts off a listener that does not read, and keeps the one that does", async () => {
    const { clock, live } = setUp(async () => "x".repeat(10_000));
    const slow = await listen(live);
    const good = await listen(live);
    const heard: number[] = [];
    for (let tick = 0; tick < 10; tick++) {
      heard.push((await good.next())?.length ?? 0);
      await clock.advance(1000);
    }
    expect(Math.min(...heard)).toBeGreaterThan(10_000);
    expect(live.listeners).toBe(1);
    let unread = 0;
    for (let frame = await slow.next(); frame !== undefined; frame = await slow.next()) {
      unread += frame.length;
    }
    expect(unread).toBeWithin(10_000, 64 * 1024 + 1);
  });

  test("hangs up on a socket that nobody reads", async () => {
    const { clock, live } = setUp(async () => "x".repeat(50_000));
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 1,
      fetch: async (request) => new Response((await live.listen(request.signal)) ?? null),
    });
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: Number(server.port),
      socket: {
        open: (opened) => {
          opened.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        },
        data: (opened) => {
          opened.pause();
        },
      },
    });
    try {
      await eventually(
        () => live.listeners,
        (count) => count === 1,
      );
      await eventually(
        async () => {
          await clock.advance(1000);
          return live.listeners;
        },
        (count) => count === 0,
      );
      expect(clock.sleepers).toBe(0);
      await eventually(
        () => server.pendingRequests,
        (count) => count === 0,
        60_000,
      );
    } finally {
      socket.terminate();
      await server.stop(true);
    }
  }, 90_000);

  test("would keep all that a listener does not read, did it not look", async () => {
    const unread: number[] = [];
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (let tick = 0; tick < 1000; tick++) {
          controller.enqueue(new Uint8Array(10_000));
          unread.push(-(controller.desiredSize ?? 0));
        }
      },
    });
    expect(unread.at(-1)).toBeGreaterThan(900);
    await stream.cancel();
  });

  test("keeps the connection with a comment while there are no figures", async () => {
    let isBroken = true;
    const { clock, live } = setUp(async () => {
      if (isBroken) throw new Error("secret of the disk");
      return 1;
    });
    const { next } = await listen(live);
    expect(await next()).toBe("retry: 3000\n: no figures\n\n");
    await clock.advance(1000);
    expect(await next()).toBe(": no figures\n\n");
    isBroken = false;
    await clock.advance(1000);
    expect(await next()).toBe("data: 1\n\n");
  });

  test("ends every stream when it is told to stop, and begins none", async () => {
    const { clock, stop, live } = setUp();
    const listeners = await Promise.all(Array.from({ length: 3 }, () => listen(live)));
    for (const { next } of listeners) await next();
    stop.abort();
    expect(await Promise.all(listeners.map(({ next }) => next()))).toEqual(
      Array(3).fill(undefined),
    );
    await clock.turn();
    expect({ listeners: live.listeners, sleepers: clock.sleepers }).toEqual({
      listeners: 0,
      sleepers: 0,
    });
    expect(await live.listen(HERE)).toBeUndefined();
  });
});
