import { describe, expect, test } from "bun:test";
import { systemClock, systemRandom } from "../../../peer/clock.ts";
import { TransportError } from "../../../peer/errors.ts";
import { createCertificate } from "../../../peer/net/certificate.ts";
import { dial } from "../../../peer/net/dial.ts";
import { listen } from "../../../peer/net/listen.ts";
import type { SocketStreams } from "../../../peer/net/socket.ts";
import { secure } from "../../../peer/net/tls.ts";
import { greet } from "../../../peer/transfer/greet.ts";
import { encodeMessage, FrameDecoder } from "../../../protocol/frame.ts";
import { toPeerId, toSwarmHashBytes } from "../../../protocol/ids.ts";
import { PREFACE_BYTES } from "../../../protocol/limits.ts";
import { encodePreface, Handshake, swarmKey } from "../../../protocol/session.ts";
import { testCrypto } from "../../support/crypto.ts";
import { failureCode, failureOf } from "../../support/eventually.ts";
import { concat, makeTorrent, Random, randomBytes, utf8 } from "../../support/fixtures.ts";
import { type GreetingSide, greetAsDialler, greetAsListener } from "../../support/greeting.ts";
import { diallingSide, listeningSide, type Side, talk } from "../../support/handshake.ts";
import { type MiddlemanOptions, startMiddleman } from "../../support/middleman.ts";
import { connectPair, readAll } from "../../support/sockets.ts";

const certificate = createCertificate(systemClock, systemRandom);
const otherCertificate = createCertificate(systemClock, systemRandom);
const PLAIN: GreetingSide = { mode: "plain" };
const TLS: GreetingSide = { mode: "tls", certificate: () => certificate };
const OTHER_TLS: GreetingSide = { mode: "tls", certificate: () => otherCertificate };
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
    expect(await meet(TLS, TLS)).toEqual(["7002", "7001"]);
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

  test("CRY-2: greet refuses another transport mode at both ends, with no falling back", async () => {
    expect(await meet(PLAIN, TLS)).toEqual(["bad_mode", "bad_mode"]);
    expect(await meet(TLS, PLAIN)).toEqual(["bad_mode", "bad_mode"]);
    for (const mode of [PLAIN, TLS]) expect(await meet(mode, mode)).toEqual(["7002", "7001"]);
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

  test("greet refuses strangers' protocols by their first bytes", async () => {
    const preface = encodePreface("plain");
    for (const [bytes, code] of [
      [utf8("GET / HTTP/1.1\r\n"), "bad_preface"],
      [randomBytes(3, 4096), "bad_preface"],
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

  test("greet tells a caller of another version or mode its own preface, and no more", async () => {
    const preface = encodePreface("plain");
    for (const [bytes, code] of [
      [preface.with(6, 2), "bad_version"],
      [preface.with(7, 9), "bad_mode"],
      [encodePreface("tls"), "bad_mode"],
    ] as const) {
      await using pair = await connectPair();
      const refused = failureCode(greetAsListener(pair.far));
      await say(pair.near, bytes);
      expect(await readAll(pair.near.readable)).toEqual(preface);
      pair.near.terminate();
      expect(await refused).toBe(code);
      await pair.far.closed;
    }
  });

  test("greet lets a refused caller who stays go at the deadline", async () => {
    await using pair = await connectPair();
    const stop = new AbortController();
    const greeting = failureCode(greetAsListener(pair.far, { signal: stop.signal }));
    await say(pair.near, encodePreface("tls"));
    await pair.near.readable.getReader().read();
    stop.abort();
    expect(await greeting).toBe("timed_out");
    await pair.far.closed;
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

/** How a side greets; by default as everybody does. */
type Greeter = typeof greetAsDialler;

/** Both sides greet through a man in the middle.
 * @returns how it ended for each, as `meet` does */
async function meetThrough(
  options: MiddlemanOptions,
  sides: readonly [dialler: GreetingSide, listener: GreetingSide],
  greeters: readonly [dialler: Greeter, listener: Greeter] = [greetAsDialler, greetAsListener],
): Promise<readonly [string, string]> {
  const accepted = Promise.withResolvers<SocketStreams>();
  const listener = listen({ host: "127.0.0.1", port: 0 }, accepted.resolve);
  await using middleman = await startMiddleman(listener.port, options);
  const near = await dial({ host: "127.0.0.1", port: middleman.port }, AbortSignal.timeout(5000));
  const far = await accepted.promise;
  listener.stop();
  const greetings = [greeters[0](near, sides[0]), greeters[1](far, sides[1])] as const;
  // Whoever is through first stays until the other has judged too.
  await Promise.allSettled(greetings);
  return await Promise.all([outcome(greetings[0]), outcome(greetings[1])]);
}

const TORRENT = makeTorrent();
const KEY = swarmKey(testCrypto, TORRENT.digest);
const HANDSHAKE_OK = ["7002", "7001"] as const;
/** Where these stand in what either side says, the preface included. */
const HELLO_VERSION_AT = PREFACE_BYTES + 8;
const HELLO_FEATURES_AT = PREFACE_BYTES + 66;

/** Greets as a peer would whose proof left the certificates out. */
function greetUnbound(isDialler: boolean): Greeter {
  const salt = isDialler ? 1 : 2;
  const local = {
    peerId: randomBytes(salt, 16),
    listenPort: 7000 + salt,
    nonce: randomBytes(3, 16),
  };
  const binding = { dialler: new Uint8Array(0), listener: new Uint8Array(0) };
  const create: Parameters<typeof greet>[1] = (options) =>
    isDialler
      ? Handshake.dial(testCrypto, toSwarmHashBytes(TORRENT.hash), KEY, {
          ...options,
          binding,
          local,
        })
      : Handshake.listen(testCrypto, () => KEY, { ...options, binding, local });
  return (socket) =>
    greet(socket, create, {
      mode: "tls",
      isDialler,
      certificate: () => (isDialler ? certificate : otherCertificate),
      signal: AbortSignal.timeout(5000),
    });
}

/** Dials as a holder of the torrent that believes whoever answers, and proves itself to him for the connection it has. */
async function proveToAnybody(socket: SocketStreams): Promise<void> {
  const preface = encodePreface("tls");
  await say(socket, preface);
  const prefaceReader = socket.readable.getReader();
  await prefaceReader.read();
  prefaceReader.releaseLock();
  const { streams, fingerprints } = await secure(socket, await certificate, {
    isServer: false,
    signal: AbortSignal.timeout(5000),
  });
  const hello = encodeMessage({
    type: "hello",
    version: 1,
    nonce: randomBytes(11, 16),
    swarm: toSwarmHashBytes(TORRENT.hash),
    peerId: randomBytes(12, 16),
    listenPort: 7001,
    features: 0,
  });
  await say(streams, hello);
  const decoder = new FrameDecoder();
  const answer: Uint8Array[] = [];
  for await (const chunk of streams.readable.values({ preventCancel: true })) {
    for (const item of decoder.push(chunk))
      if (item.type === "message") answer.push(encodeMessage(item.message));
    if (answer.length === 2) break;
  }
  const said = [preface, preface, fingerprints.own, fingerprints.remote, hello, ...answer];
  const transcript = testCrypto.sha256(...said.map((bytes) => testCrypto.sha256(bytes)));
  const mac = testCrypto.hmacSha256(KEY, utf8("A"), transcript);
  await say(streams, encodeMessage({ type: "proof", mac }));
  // Stays until the other side has judged.
  await streams.closed;
}

describe("greet with a man in the middle", () => {
  const legs = { near: "tls", far: "tls" } as const;

  test("CRY-5: greet refuses one who shows each side a certificate of his own", async () => {
    expect(await meetThrough({ legs }, [TLS, OTHER_TLS])).toEqual(["bad_proof", "reset"]);
  });

  test("CRY-5's control: greet lets him pass the ciphertext on", async () => {
    expect(await meetThrough({}, [TLS, OTHER_TLS])).toEqual(HANDSHAKE_OK);
  });

  test("CRY-5's control: without the certificates in the proof, greet would let him in", async () => {
    const greeters = [greetUnbound(true), greetUnbound(false)] as const;
    expect(await meetThrough({ legs }, [{}, {}], greeters)).toEqual(HANDSHAKE_OK);
  });

  test("CRY-5: greet as listener refuses a holder's proof that was made for him in the middle", async () => {
    for (const [options, expected] of [
      [{ legs }, "bad_proof"],
      [{}, "7001"],
    ] as const) {
      const accepted = Promise.withResolvers<SocketStreams>();
      const listener = listen({ host: "127.0.0.1", port: 0 }, accepted.resolve);
      await using middleman = await startMiddleman(listener.port, options);
      const address = { host: "127.0.0.1", port: middleman.port };
      const near = await dial(address, AbortSignal.timeout(5000));
      const proving = proveToAnybody(near);
      const greeting = greetAsListener(await accepted.promise, OTHER_TLS);
      expect(await outcome(greeting)).toBe(expected);
      listener.stop();
      await proving;
    }
  });

  test("CRY-3: greet refuses its own words, led back to it over another connection", async () => {
    const self = { ...TLS, seed: 5 };
    expect(await meetThrough({ legs }, [self, self])).toEqual(["bad_proof", "reset"]);
    expect(await meetThrough({}, [self, self])).toEqual(["self_connection", "reset"]);
  });

  test("CRY-2: greet refuses one who speaks TLS to one side and plainly to the other", async () => {
    for (const legs of [
      { near: "tls", far: "plain" },
      { near: "plain", far: "tls" },
    ] as const) {
      const sides = [legs.near, legs.far].map((mode) => (mode === "tls" ? TLS : PLAIN));
      const [dialler = {}, listener = {}] = sides;
      expect(await meetThrough({ legs }, [dialler, listener])).toEqual(["bad_proof", "reset"]);
    }
  });

  test("CRY-2: greet refuses version, mode and features that were changed on the way, plain", async () => {
    const flip = (byte: number) => byte ^ 1;
    const cases = [
      [{ by: "dialler", at: 6, to: flip }, ["bad_version", "reset"], "bad_version"],
      [{ by: "listener", at: 6, to: flip }, ["bad_version"], "reset"],
      [{ by: "dialler", at: 7, to: () => 1 }, ["reset"], "bad_mode"],
      [{ by: "listener", at: 7, to: () => 1 }, ["bad_mode"], "reset"],
      [{ by: "dialler", at: HELLO_VERSION_AT, to: flip }, ["reset"], "bad_version"],
      [{ by: "listener", at: HELLO_VERSION_AT, to: flip }, ["bad_version"], "reset"],
      [{ by: "dialler", at: HELLO_FEATURES_AT, to: flip }, ["bad_proof"], "reset"],
      [{ by: "listener", at: HELLO_FEATURES_AT, to: flip }, ["bad_proof"], "reset"],
    ] as const;
    for (const [change, dialler, listener] of cases) {
      const [near, far] = await meetThrough({ change }, [PLAIN, PLAIN]);
      expect([change, near, far]).toEqual([change, near, listener]);
      expect(dialler as readonly string[]).toContain(near);
    }
    expect(await meetThrough({}, [PLAIN, PLAIN])).toEqual(HANDSHAKE_OK);
  });
});

describe("Handshake between certificates", () => {
  /** One handshake in which one bit is changed: of a frame on its way, or of a fingerprint as one side sees it.
   * @returns whether the side that was deceived let it pass */
  function isDeceived(seed: number, random: Random): boolean {
    const binding = { dialler: randomBytes(seed, 32), listener: randomBytes(seed + 1, 32) };
    const target = random.below(6);
    const which = random.below(2) === 0 ? "dialler" : "listener";
    const seen = { ...binding, [which]: withFlippedBit(binding[which], random) };
    const dialler = diallingSide({ seed, mode: "tls", binding: target === 4 ? seen : binding });
    const listener = listeningSide({ seed, mode: "tls", binding: target === 5 ? seen : binding });
    let deceived: Side | undefined = target < 4 ? undefined : dialler;
    let at = 0;
    talk(dialler, listener, (frames, by) =>
      frames.map((frame) => {
        if (at++ !== target) return frame;
        deceived = by === "dialler" ? listener : dialler;
        return withFlippedBit(frame, random);
      }),
    );
    expect(deceived).toBeDefined();
    return deceived?.isEstablished ?? true;
  }

  function withFlippedBit(bytes: Uint8Array, random: Random): Uint8Array {
    const at = random.below(bytes.length);
    return bytes.with(at, (bytes[at] ?? 0) ^ (1 << random.below(8)));
  }

  test("CRY-4: Handshake accepts none of 100,000 with a bit changed in a frame or a fingerprint", () => {
    const random = new Random(31_337);
    let accepted = 0;
    for (let run = 0; run < 100_000; run++) if (isDeceived(run, random)) accepted++;
    expect(accepted).toBe(0);
  }, 120_000);

  test("CRY-4's control: Handshake accepts the same with nothing changed", () => {
    for (let seed = 0; seed < 1000; seed++) {
      const binding = { dialler: randomBytes(seed, 32), listener: randomBytes(seed + 1, 32) };
      const options = { seed, mode: "tls", binding } as const;
      const [dialler, listener] = [diallingSide(options), listeningSide(options)];
      talk(dialler, listener);
      expect([dialler.isEstablished, listener.isEstablished]).toEqual([true, true]);
    }
  });
});
