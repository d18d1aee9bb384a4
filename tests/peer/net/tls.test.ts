import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { systemClock, systemRandom } from "../../../peer/clock.ts";
import { TransportError } from "../../../peer/errors.ts";
import { type Certificate, createCertificate } from "../../../peer/net/certificate.ts";
import { dial } from "../../../peer/net/dial.ts";
import { listen } from "../../../peer/net/listen.ts";
import type { SocketStreams } from "../../../peer/net/socket.ts";
import { type Secured, secure } from "../../../peer/net/tls.ts";
import { eventually, failureCode } from "../../support/eventually.ts";
import { randomBytes } from "../../support/fixtures.ts";
import { connectPair, readAll, type SocketPair } from "../../support/sockets.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(60_000);

const MIB = 2 ** 20;
const certificates = Promise.all([
  createCertificate(systemClock, systemRandom),
  createCertificate(systemClock, systemRandom),
]);

async function securePair(
  pair: SocketPair,
  shown?: readonly [Certificate, Certificate],
): Promise<readonly [Secured, Secured]> {
  const [near, far] = shown ?? (await certificates);
  const signal = AbortSignal.timeout(5000);
  return await Promise.all([
    secure(pair.near, near, { isServer: false, signal }),
    secure(pair.far, far, { isServer: true, signal }),
  ]);
}

async function endBoth(near: Secured, far: Secured): Promise<void> {
  near.streams.terminate();
  far.streams.terminate();
  await Promise.all([near.streams.closed, far.streams.closed]);
}

function fingerprintOf({ cert }: Certificate): string {
  const der = Buffer.from(cert.replace(/-----[^-]+-----|\s/g, ""), "base64");
  return new Bun.CryptoHasher("sha256").update(der).digest("hex");
}

/** The first bytes of a TLS record that says it is longer. */
const HALF_A_RECORD = Uint8Array.of(
  0x16,
  0x03,
  0x01,
  0x02,
  0x00,
  0x01,
  0x00,
  0x01,
  0xfc,
  0x03,
  0x03,
);

async function say(to: SocketStreams, bytes: Uint8Array): Promise<void> {
  const writer = to.writable.getWriter();
  await writer.write(bytes);
  writer.releaseLock();
}

/** What can go wrong before and during a handshake, by what the other side does. */
const HARMS: readonly (readonly [string, string, Partial<Record<"before" | "after", Harm>>])[] = [
  ["garbage comes", "reset", { after: ({ far }) => say(far, randomBytes(1, 4096)) }],
  ["the remote goes", "reset", { after: async ({ far }) => far.terminate() }],
  [
    "the remote has gone",
    "reset",
    {
      before: async ({ near, far }) => {
        far.terminate();
        await near.closed;
      },
    },
  ],
  [
    "the remote goes in the middle of a record",
    "reset",
    {
      after: async ({ far }) => {
        await say(far, HALF_A_RECORD);
        far.terminate();
      },
    },
  ],
  ["nothing comes in time", "timed_out", { after: async (_pair, stop) => stop.abort() }],
  ["there is no time left", "timed_out", { before: async (_pair, stop) => stop.abort() }],
];

type Harm = (pair: SocketPair, stop: AbortController) => Promise<void>;

async function sendAll(writable: WritableStream<Uint8Array>, bytes: Uint8Array): Promise<void> {
  const writer = writable.getWriter();
  for (let at = 0; at < bytes.length; at += 700_001)
    await writer.write(bytes.subarray(at, at + 700_001));
  await writer.close();
}

/** Reads to the end, with a pause every MiB, in which the other side has to wait. */
async function readSlowly(readable: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sinceRest = 0;
  for await (const chunk of readable) {
    chunks.push(chunk);
    sinceRest += chunk.length;
    if (sinceRest < MIB) continue;
    sinceRest = 0;
    await Bun.sleep(5);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** Writes until it fails.
 * @returns how much the stream has taken, at any time */
function flood(writable: WritableStream<Uint8Array>) {
  const writer = writable.getWriter();
  const chunk = new Uint8Array(262_144);
  let taken = 0;
  const run = async () => {
    for (;;) {
      await writer.write(chunk);
      taken += chunk.length;
    }
  };
  return { taken: () => taken, done: run().catch((cause: unknown) => cause) };
}

/** Waits until a count that has begun stays the same for a while.
 * @returns it */
async function standstill(count: () => number): Promise<number> {
  for (let before = 0; ; ) {
    const now = count();
    if (now > 0 && now === before) return now;
    before = now;
    await Bun.sleep(150);
  }
}

/** A listener whose callers go over to TLS at once. */
async function listenSecured(certificate: Certificate) {
  const accepted = Promise.withResolvers<SocketStreams>();
  const listener = listen({ host: "127.0.0.1", port: 0 }, accepted.resolve);
  return {
    port: listener.port,
    /** What becomes of the first caller. */
    next: async () =>
      await secure(await accepted.promise, certificate, {
        isServer: true,
        signal: AbortSignal.timeout(5000),
      }),
    [Symbol.asyncDispose]: async () => listener.stop(),
  };
}

/** @returns how many sockets this process has open */
function openSockets(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
    } catch {
      return false;
    }
  }).length;
}

describe("secure", () => {
  test("secure leaves the listener as it is: others are taken on while and after a connection is encrypted", async () => {
    const [near, far] = await certificates;
    const signal = AbortSignal.timeout(5000);
    const accepted: SocketStreams[] = [];
    const listener = listen({ host: "127.0.0.1", port: 0 }, (streams) => accepted.push(streams));
    const dialled: SocketStreams[] = [];
    for (const count of [1, 2, 3]) {
      const client = await dial({ host: "127.0.0.1", port: listener.port }, signal);
      await eventually(
        () => accepted.length,
        (length) => length === count,
      );
      const server = accepted[count - 1] ?? client;
      const [one, other] = await Promise.all([
        secure(client, near, { isServer: false, signal }),
        secure(server, far, { isServer: true, signal }),
      ]);
      dialled.push(one.streams, other.streams);
    }
    for (const streams of dialled) streams.terminate();
    listener.stop();
  });

  test("secure gives both sides the same two fingerprints, each its own first", async () => {
    const pair = await connectPair();
    const [near, far] = await securePair(pair);
    const [nearCertificate, farCertificate] = await certificates;
    expect(near.fingerprints.own.toHex()).toBe(fingerprintOf(nearCertificate));
    expect(near.fingerprints.remote.toHex()).toBe(fingerprintOf(farCertificate));
    expect(far.fingerprints.own).toEqual(near.fingerprints.remote);
    expect(far.fingerprints.remote).toEqual(near.fingerprints.own);
    await endBoth(near, far);
  });

  test("secure says in clear whom it calls to nobody", async () => {
    const [certificate] = await certificates;
    const pair = await connectPair();
    const signal = AbortSignal.timeout(5000);
    const securing = failureCode(secure(pair.near, certificate, { isServer: false, signal }));
    const { value: hello } = await pair.far.readable.getReader().read();
    expect(hello?.length).toBeGreaterThan(200);
    expect(Buffer.from(hello ?? []).includes("127.0.0.1")).toBe(false);
    pair.far.terminate();
    expect(await securing).toBe("reset");
  });

  test("secure moves 16 MiB each way at once to slow readers, and loses none at the end", async () => {
    const pair = await connectPair();
    const [near, far] = await securePair(pair);
    const bytes = { there: randomBytes(4, 16 * MIB), back: randomBytes(5, 16 * MIB) };
    const [there, back] = await Promise.all([
      readSlowly(far.streams.readable),
      readSlowly(near.streams.readable),
      sendAll(near.streams.writable, bytes.there),
      sendAll(far.streams.writable, bytes.back),
    ]);
    expect([there.length, back.length]).toEqual([16 * MIB, 16 * MIB]);
    expect(Buffer.compare(there, bytes.there)).toBe(0);
    expect(Buffer.compare(back, bytes.back)).toBe(0);
    await endBoth(near, far);
  });

  test("secure holds a sender back while nobody reads, and lets it go on afterwards", async () => {
    const pair = await connectPair();
    const [near, far] = await securePair(pair);
    const flow = flood(near.streams.writable);
    const held = await standstill(flow.taken);
    // What both kernels and the far stream take.
    expect(held).toBeLessThan(16 * MIB);
    const reader = far.streams.readable.getReader();
    for (let read = 0; read < 2 * held; ) read += (await reader.read()).value?.length ?? Infinity;
    expect(flow.taken()).toBeGreaterThan(held);
    far.streams.terminate();
    expect(await flow.done).toBeInstanceOf(TransportError);
    await near.streams.closed;
  });

  test("secure keeps its memory within bounds while nobody reads", async () => {
    const pair = await connectPair();
    const [near, far] = await securePair(pair);
    Bun.gc(true);
    const before = process.memoryUsage.rss();
    const flow = flood(near.streams.writable);
    await standstill(flow.taken);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MIB);
    far.streams.terminate();
    await flow.done;
    await near.streams.closed;
  });

  for (const isServer of [false, true]) {
    const side = isServer ? "server" : "client";
    for (const [name, code, harm] of HARMS) {
      test(`secure as ${side} fails as ${code} when ${name}, and hangs up`, async () => {
        const [certificate] = await certificates;
        const pair = await connectPair();
        const stop = new AbortController();
        await harm.before?.(pair, stop);
        const options = { isServer, signal: stop.signal };
        const securing = failureCode(secure(pair.near, certificate, options));
        await harm.after?.(pair, stop);
        expect(await securing).toBe(code);
        await readAll(pair.far.readable).catch(() => undefined);
        pair.far.terminate();
        await pair.far.closed;
      });
    }
  }

  test("secure fails on both sides when the connection breaks with the handshake half done", async () => {
    const [near, far] = await certificates;
    // Two connections joined in the middle, where the first answer ends it all.
    const first = await connectPair();
    const second = await connectPair();
    const signal = AbortSignal.timeout(5000);
    const client = failureCode(secure(first.near, near, { isServer: false, signal }));
    const server = failureCode(secure(second.far, far, { isServer: true, signal }));
    const { value: hello } = await first.far.readable.getReader().read();
    await say(second.near, hello ?? new Uint8Array(0));
    const { value: answer } = await second.near.readable.getReader().read();
    expect(answer?.length).toBeGreaterThan(100);
    first.far.terminate();
    second.near.terminate();
    expect([await client, await server]).toEqual(["reset", "reset"]);
    await Promise.all([first.far.closed, second.near.closed]);
  });

  test("secure refuses a TLS 1.2 client, and one that shows no certificate; it hangs up on both", async () => {
    const [ours, theirs] = await certificates;
    for (const [what, options] of [
      ["refused", { ...theirs, maxVersion: "TLSv1.2" }],
      ["refused", { minVersion: "TLSv1.3" }],
      ["taken", { ...theirs, minVersion: "TLSv1.3" }],
    ] as const) {
      await using server = await listenSecured(ours);
      const client = connectTls({
        port: server.port,
        host: "127.0.0.1",
        rejectUnauthorized: false,
        ...options,
      });
      client.on("error", () => undefined);
      const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
      const secured = server.next();
      if (what === "taken") {
        const { fingerprints, streams } = await secured;
        expect(fingerprints.remote.toHex()).toBe(fingerprintOf(theirs));
        streams.terminate();
      } else expect(await failureCode(secured)).toBe("reset");
      await closed;
    }
  });

  test("secure refuses a TLS 1.2 server, and takes the same one with TLS 1.3", async () => {
    const [ours, theirs] = await certificates;
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const server = createTlsServer({
        ...theirs,
        minVersion: version,
        maxVersion: version,
        requestCert: true,
        rejectUnauthorized: false,
      });
      server.on("secureConnection", (socket) => socket.on("error", () => undefined));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      if (typeof address !== "object" || address === null) throw new Error("It does not listen");
      const signal = AbortSignal.timeout(5000);
      const plain = await dial({ host: "127.0.0.1", port: address.port }, signal);
      const securing = secure(plain, ours, { isServer: false, signal });
      if (version === "TLSv1.3") (await securing).streams.terminate();
      else expect(await failureCode(securing)).toBe("reset");
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test("secure does not ask whose clock is right, nor how long a process has lived", async () => {
    const [now] = await certificates;
    for (const days of [-400, -3, 3, 400]) {
      const clock = { ...systemClock, now: () => systemClock.now() + days * 86_400_000 };
      const skewed = await createCertificate(clock, systemRandom);
      for (const [near, far] of [
        [now, skewed],
        [skewed, now],
      ] as const) {
        const [dialler, listener] = await securePair(await connectPair(), [near, far]);
        expect(dialler.fingerprints.own).toEqual(listener.fingerprints.remote);
        await endBoth(dialler, listener);
      }
    }
  });

  test("secure leaves no socket behind, however it ends", async () => {
    const before = openSockets();
    const [certificate] = await certificates;
    for (let round = 0; round < 50; round++) {
      const pair = await connectPair();
      if (round % 2 === 0) {
        const [near, far] = await securePair(pair);
        await endBoth(near, far);
        continue;
      }
      const signal = round % 4 === 1 ? AbortSignal.abort() : AbortSignal.timeout(5000);
      const securing = failureCode(secure(pair.near, certificate, { isServer: true, signal }));
      if (round % 4 === 3) await say(pair.far, randomBytes(round, 100));
      await securing;
      pair.far.terminate();
    }
    await eventually(openSockets, (now) => now <= before);
  });
});
