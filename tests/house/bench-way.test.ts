import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addressOf, createMeeting } from "../bench/bittorrent.ts";
import { startRelay } from "../bench/load/start-relay.ts";
import { randomBytes } from "../support/fixtures.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(60_000);

const DELAY_MS = 80;
const FAR = { host: "127.0.0.1", port: 9 };

/** What somebody on the other side of a relay got, and when. */
async function ask(port: number, request: Uint8Array) {
  const startMs = performance.now();
  const got: Uint8Array[] = [];
  let firstMs = Number.POSITIVE_INFINITY;
  const ended = Promise.withResolvers<void>();
  const unsent = { bytes: request };
  const push = (socket: { write(bytes: Uint8Array): number }) => {
    unsent.bytes = unsent.bytes.subarray(Math.max(0, socket.write(unsent.bytes)));
  };
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      binaryType: "uint8array",
      open: push,
      drain: push,
      data: (_socket, bytes) => {
        firstMs = Math.min(firstMs, performance.now() - startMs);
        got.push(bytes);
      },
      close: () => ended.resolve(),
    },
  });
  await ended.promise;
  return { bytes: Buffer.concat(got), firstMs, endMs: performance.now() - startMs };
}

/** Sends back what it gets, and hangs up after so many bytes. */
function startEcho(bytesMax: number) {
  type Unsent = { came: number; queue: Uint8Array[] };
  const push = (socket: Bun.Socket<Unsent>) => {
    for (let first = socket.data.queue.shift(); first !== undefined; ) {
      const rest = first.subarray(Math.max(0, socket.write(first)));
      if (rest.length > 0) {
        socket.data.queue.unshift(rest);
        return;
      }
      first = socket.data.queue.shift();
    }
    if (socket.data.came >= bytesMax) socket.end();
  };
  return Bun.listen<Unsent>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      binaryType: "uint8array",
      open: (socket) => {
        socket.data = { came: 0, queue: [] };
      },
      data: (socket, bytes) => {
        socket.data.came += bytes.length;
        socket.data.queue.push(bytes);
        push(socket);
      },
      drain: push,
    },
  });
}

describe("bench way", () => {
  test("bench relay hands on every byte in order both ways, and the end, each after its delay", async () => {
    const sent = randomBytes(7, 5_000_000);
    const echo = startEcho(sent.length);
    const relay = await startRelay({ delayMs: DELAY_MS }, { host: "127.0.0.1", port: echo.port });
    try {
      const far = await ask(relay.address.port, sent);
      expect(Bun.hash(far.bytes)).toBe(Bun.hash(sent));
      // There and back, by no clock sooner.
      expect(far.firstMs).toBeGreaterThanOrEqual(2 * DELAY_MS - 2);
      expect(far.endMs).toBeGreaterThanOrEqual(far.firstMs);
    } finally {
      await relay.stop();
      echo.stop(true);
    }
  });

  test("bench relay carries back no more than its line does, for all together, every byte in order", async () => {
    const sent = randomBytes(8, 600_000);
    const echo = startEcho(sent.length);
    const bytesPerSecond = 1_000_000;
    const address = { host: "127.0.0.1", port: echo.port };
    const relay = await startRelay({ delayMs: 1, bytesPerSecond }, address);
    try {
      const all = await Promise.all([1, 2, 3].map(() => ask(relay.address.port, sent)));
      for (const { bytes } of all) expect(Bun.hash(bytes)).toBe(Bun.hash(sent));
      const [first = 0, , last = 0] = all.map(({ endMs }) => endMs).toSorted((a, b) => a - b);
      expect(last).toBeGreaterThan((3 * sent.length * 1000) / bytesPerSecond - 100);
      // They share it: none is done much before the others.
      expect(first).toBeGreaterThan(0.8 * ((3 * sent.length * 1000) / bytesPerSecond));
    } finally {
      await relay.stop();
      echo.stop(true);
    }
  });

  test("bench relay hangs up on who comes when nobody is at its other end", async () => {
    const relay = await startRelay({ delayMs: 1 }, { host: "127.0.0.1", port: 1 });
    try {
      expect((await ask(relay.address.port, new Uint8Array(1))).bytes).toHaveLength(0);
    } finally {
      await relay.stop();
    }
  });

  test("bench tells downloaders of the way's other end, and the seeder of nobody", async () => {
    for (const isFar of [false, true]) {
      const directory = await mkdtemp(join(tmpdir(), "way-"));
      const file = join(directory, "file");
      await Bun.write(file, "content");
      const layWay = async () => FAR;
      const scene = { directory, file, fileBytes: 7, partBytes: 4, ...(isFar && { layWay }) };
      const meeting = await createMeeting(scene);
      try {
        const announce = /http:[^ ]*?announce/.exec(await Bun.file(meeting.torrent).text())?.[0];
        const told = async (node: number): Promise<string> => {
          const { port } = addressOf(node);
          const answer = await fetch(`${announce}?port=${port}&left=0`);
          const bytes = Buffer.from(await answer.arrayBuffer());
          return bytes.subarray(bytes.indexOf("5:peers") + 7, -1).toString("latin1");
        };
        const compact = ({ host, port }: { host: string; port: number }) =>
          `6:${String.fromCharCode(...host.split(".").map(Number), port >> 8, port & 0xff)}`;
        await told(0);
        expect(await told(1)).toBe(compact(isFar ? FAR : addressOf(0)));
        expect(await told(0)).toBe(isFar ? "0:" : compact(addressOf(1)));
      } finally {
        await meeting.stop();
        await rm(directory, { recursive: true });
      }
    }
  });
});
