import { describe, expect, test } from "bun:test";
import { systemClock, systemRandom } from "../../../peer/clock.ts";
import { TransportError } from "../../../peer/errors.ts";
import { createCertificate } from "../../../peer/net/certificate.ts";
import type { SocketStreams } from "../../../peer/net/socket.ts";
import { encodeMessage } from "../../../protocol/frame.ts";
import { toPeerId } from "../../../protocol/ids.ts";
import { encodePreface } from "../../../protocol/session.ts";
import { failureCode, failureOf } from "../../support/eventually.ts";
import { concat, makeTorrent, randomBytes, utf8 } from "../../support/fixtures.ts";
import { type GreetingSide, greetAsDialler, greetAsListener } from "../../support/greeting.ts";
import { connectPair, readAll } from "../../support/sockets.ts";

const OTHER_HASH = "00000000-1111-4222-8333-444444444444";

/** Both sides greet. @returns how it ended for each: the remote's listen port, or an error's code */
async function meet(near: GreetingSide, far: GreetingSide): Promise<readonly [string, string]> {
  const pair = await connectPair();
  const [dialler, listener] = await Promise.all([
    outcome(greetAsDialler(pair.near, near)),
    outcome(greetAsListener(pair.far, far)),
  ]);
  pair.near.terminate();
  pair.far.terminate();
  return [dialler, listener];
}

async function outcome(greeting: ReturnType<typeof greetAsDialler>): Promise<string> {
  try {
    const { established, socket } = await greeting;
    socket.terminate();
    return String(established.listenPort);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return String(cause.code);
    throw cause;
  }
}

/** Says the bytes at once, then nothing. */
async function say(socket: SocketStreams, ...bytes: readonly Uint8Array[]): Promise<void> {
  const writer = socket.writable.getWriter();
  await writer.write(concat(bytes));
  writer.releaseLock();
}

describe("greet", () => {
  test("greet tells each side of the other, plain", async () => {
    await using pair = await connectPair();
    const torrent = makeTorrent();
    const [near, far] = await Promise.all([
      greetAsDialler(pair.near, { torrent, listenPort: 1234 }),
      greetAsListener(pair.far, { torrent, listenPort: 0 }),
    ]);
    expect(near.established).toMatchObject({ swarm: torrent.hash, listenPort: 0, features: 0 });
    expect(far.established).toMatchObject({ swarm: torrent.hash, listenPort: 1234 });
    expect(near.established.peerId).toBe(toPeerId(randomBytes(2, 16)));
    expect(near.socket).toBe(pair.near);
    // The streams are free again, and nothing was lost.
    await say(pair.near, utf8("on we go"));
    const { value } = await pair.far.readable.getReader().read();
    expect(new TextDecoder().decode(value)).toBe("on we go");
  });

  test("greet goes over to TLS when both sides want it", async () => {
    const certificate = () => createCertificate(systemClock, systemRandom);
    expect(await meet({ mode: "tls", certificate }, { mode: "tls", certificate })).toEqual([
      "7002",
      "7001",
    ]);
  });

  test("greet hands on what came together with the proof", async () => {
    await using pair = await connectPair();
    const listening = greetAsListener(pair.far);
    const { writable } = pair.near;
    const dialling = greetAsDialler(pair.near);
    await dialling;
    const writer = writable.getWriter();
    await writer.write(encodeMessage({ type: "ping", id: 3 }));
    const { firstItems, decoder } = await listening;
    const items = [...firstItems];
    if (items.length === 0) {
      const { value } = await pair.far.readable.getReader().read();
      items.push(...decoder.push(value ?? new Uint8Array(0)));
    }
    expect(items).toEqual([{ type: "message", message: { type: "ping", id: 3 } }]);
  });

  test("greet refuses another transport mode at both ends, with no falling back", async () => {
    const certificate = () => createCertificate(systemClock, systemRandom);
    const tls = { mode: "tls", certificate } as const;
    const [dialler, listener] = await meet({ mode: "plain" }, tls);
    expect(listener).toBe("bad_mode");
    expect(["reset", "bad_mode"]).toContain(dialler);
    const [other, refusing] = await meet(tls, { mode: "plain" });
    expect(refusing).toBe("bad_mode");
    expect(["reset", "bad_mode"]).toContain(other);
  });

  test("SIM-3: greet refuses another torrent, and an unknown swarm in the same way", async () => {
    const torrent = makeTorrent();
    const altered = makeTorrent({ content: randomBytes(99, 1000) });
    const stranger = makeTorrent({ hash: OTHER_HASH });
    const results = [
      await meet({ torrent: altered }, { torrent }),
      await meet({ torrent: stranger }, { torrent }),
    ];
    for (const [dialler, listener] of results) {
      expect(dialler).toBe("bad_proof");
      expect(listener).toBe("reset");
    }
  });

  test("SRV-14: greet finds out that it met itself", async () => {
    const [dialler] = await meet({ seed: 5 }, { seed: 5 });
    expect(dialler).toBe("self_connection");
  });

  test("greet refuses another version and strangers' protocols by their first bytes", async () => {
    const preface = encodePreface("plain");
    for (const [bytes, code] of [
      [utf8("GET / HTTP/1.1\r\n"), "bad_preface"],
      [randomBytes(3, 4096), "bad_preface"],
      [preface.with(6, 2), "bad_version"],
      [preface.with(7, 9), "bad_mode"],
      [concat([preface, utf8("x")]), "bad_order"],
    ] as const) {
      await using pair = await connectPair();
      const [code_] = await Promise.all([
        failureCode(greetAsListener(pair.far)),
        say(pair.near, bytes).catch(() => undefined),
      ]);
      expect(code_).toBe(code);
      // Nothing was said to a stranger that is none of ours.
      expect((await readAll(pair.near.readable).catch(() => new Uint8Array(0))).length).toBe(0);
    }
  });

  test("CLI-3: greet as dialler says its preface and no more before it was answered", async () => {
    await using pair = await connectPair();
    const stop = new AbortController();
    const greeting = greetAsDialler(pair.near, { signal: stop.signal });
    const { value } = await pair.far.readable.getReader().read();
    expect(value?.length).toBe(8);
    await Bun.sleep(50);
    stop.abort();
    expect(await failureCode(greeting)).toBe("timed_out");
  });

  test("SRV-9: greet ends with its deadline, however much drips in", async () => {
    const preface = encodePreface("plain");
    for (const drip of [new Uint8Array(0), preface.subarray(0, 7), preface]) {
      await using pair = await connectPair();
      const stop = new AbortController();
      const greeting = greetAsListener(pair.far, { signal: stop.signal });
      for (const byte of drip) await say(pair.near, Uint8Array.of(byte));
      await Bun.sleep(10);
      stop.abort();
      const failure = await failureOf(greeting);
      expect(failure).toBeInstanceOf(TransportError);
      expect(failure).toMatchObject({ code: "timed_out" });
      await pair.far.closed;
    }
    await using pair = await connectPair();
    const late = greetAsListener(pair.far, { signal: AbortSignal.abort() });
    expect(await failureCode(late)).toBe("timed_out");
    await pair.far.closed;
  });

  test("SRV-1: greet takes no more than a kilobyte from a stranger", async () => {
    const far = Promise.withResolvers<string>();
    await using pair = await connectPair();
    void failureCode(greetAsListener(pair.far)).then(far.resolve, far.reject);
    await say(pair.near, encodePreface("plain"));
    await pair.near.readable.getReader().read();
    await say(pair.near, Uint8Array.of(0xff, 0xff, 0xff, 0xff));
    expect(await far.promise).toBe("frame_too_large");
    await pair.far.closed;
  });

  test("greet fails when the remote hangs up at any point", async () => {
    const preface = encodePreface("plain");
    for (const bytes of [new Uint8Array(0), preface.subarray(0, 4), preface]) {
      await using pair = await connectPair();
      const greeting = failureCode(greetAsListener(pair.far));
      await say(pair.near, bytes);
      pair.near.terminate();
      expect(await greeting).toBe("reset");
    }
  });
});
