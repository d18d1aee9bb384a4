import { describe, expect, test } from "bun:test";
import { encodeDataHead, encodeMessage } from "../../protocol/frame.ts";
import { decodeHeader } from "../../protocol/header.ts";
import { type PeerId, parseTorrentDigest, type TorrentDigest } from "../../protocol/ids.ts";
import { HANDSHAKE_BYTES_MAX, PREFACE_BYTES } from "../../protocol/limits.ts";
import type { HelloMessage } from "../../protocol/messages.ts";
import {
  checkPreface,
  type Established,
  encodePreface,
  Handshake,
  swarmKey,
} from "../../protocol/session.ts";
import { testCrypto } from "../support/crypto.ts";
import { concat, makeTorrent, Random, randomBytes, utf8 } from "../support/fixtures.ts";
import {
  diallingSide,
  listeningSide,
  type Side,
  type SideOptions,
  talk,
} from "../support/handshake.ts";
import { goldenHandshakes, goldenMessages, protocolVerdict } from "../support/wire.ts";

const TORRENT = makeTorrent();
const HELLO: HelloMessage = {
  type: "hello",
  version: 1,
  nonce: randomBytes(1, 16),
  swarm: Uint8Array.fromHex(TORRENT.hash.replaceAll("-", "")),
  peerId: randomBytes(2, 16),
  listenPort: 6881,
  features: 0,
};
const PROOF = encodeMessage({ type: "proof", mac: randomBytes(3, 32) });

function outcomes(dialler: Side, listener: Side) {
  return [dialler, listener].map((side) => (side.isEstablished ? "established" : side.outcome));
}

/** @returns what becomes of two sides with these options, nobody between them */
function meet(dial: SideOptions = {}, listen: SideOptions = {}) {
  const [dialler, listener] = [diallingSide(dial), listeningSide(listen)];
  talk(dialler, listener);
  return outcomes(dialler, listener);
}

describe("encodePreface", () => {
  test("encodePreface writes 8 bytes that checkPreface takes in the same mode only", () => {
    expect(encodePreface("plain").toHex()).toBe("5032504545520102");
    expect(encodePreface("tls").toHex()).toBe("5032504545520101");
    for (const mode of ["tls", "plain"] as const) {
      const other = mode === "tls" ? "plain" : "tls";
      expect(encodePreface(mode).length).toBe(PREFACE_BYTES);
      expect(() => checkPreface(encodePreface(mode), mode)).not.toThrow();
      expect(protocolVerdict(() => checkPreface(encodePreface(mode), other))).toBe("bad_mode");
    }
  });

  test("CRY-2: checkPreface refuses every other byte at every place, and never falls back", () => {
    const codes = [...new Array(6).fill("bad_preface"), "bad_version", "bad_mode"];
    for (let at = 0; at < PREFACE_BYTES; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const preface = encodePreface("tls");
        if (preface[at] === byte) continue;
        preface[at] = byte;
        expect(protocolVerdict(() => checkPreface(preface, "tls"))).toBe(codes[at]);
      }
    }
  });
});

describe("golden handshakes", () => {
  for (const golden of goldenHandshakes) {
    test(`Handshake says the golden bytes in ${golden.mode} mode`, () => {
      const digest = parseTorrentDigest(golden.torrentDigest) as TorrentDigest;
      const key = swarmKey(testCrypto, digest);
      expect(key.toHex()).toBe(golden.swarmKey);
      expect(encodePreface(golden.mode).toHex()).toBe(golden.preface);
      const options = (side: "dialler" | "listener") => ({
        mode: golden.mode,
        local: {
          nonce: Uint8Array.fromHex(golden[side].nonce),
          peerId: Uint8Array.fromHex(golden[side].peerId),
          listenPort: golden[side].listenPort,
        },
        binding: {
          dialler: Uint8Array.fromHex(golden.binding.dialler),
          listener: Uint8Array.fromHex(golden.binding.listener),
        },
      });
      const swarm = Uint8Array.fromHex(golden.swarm);
      const dialler = Handshake.dial(testCrypto, swarm, key, options("dialler"));
      const listener = Handshake.listen(testCrypto, () => key, options("listener"));
      const said = golden.said.map((frame) => frame.bytes);
      const [hello] = dialler.start();
      expect(hello?.toHex()).toBe(said[0]);
      const answer = listener.receive(hello ?? new Uint8Array(0)).send;
      expect(answer.map((frame) => frame.toHex())).toEqual(said.slice(1, 3));
      const last = dialler.receive(concat(answer));
      expect(last.send.map((frame) => frame.toHex())).toEqual(said.slice(3));
      expect(String(last.established?.peerId)).toBe(golden.listener.peerId);
      const done = listener.receive(concat(last.send));
      expect(String(done.established?.peerId)).toBe(golden.dialler.peerId);
      expect(done.established?.listenPort).toBe(golden.dialler.listenPort);
    });
  }
});

describe("Handshake", () => {
  test("Handshake establishes two holders of one torrent, each knowing the other", () => {
    const [dialler, listener] = [diallingSide({ peerId: HELLO.peerId }), listeningSide()];
    talk(dialler, listener);
    const found = listener.outcome as Established;
    expect(found).toEqual({
      swarm: TORRENT.hash,
      peerId: HELLO.peerId.toHex() as PeerId,
      listenPort: 6881,
      features: 0,
    });
    expect((dialler.outcome as Established).swarm).toBe(TORRENT.hash);
  });

  test("Handshake establishes also when every byte comes alone", () => {
    const [dialler, listener] = [diallingSide(), listeningSide()];
    talk(dialler, listener, (frames) => [...concat(frames)].map((byte) => Uint8Array.of(byte)));
    expect(outcomes(dialler, listener)).toEqual(["established", "established"]);
  });

  test("Handshake hands on what came with the last proof, and takes large frames from then on", () => {
    const [dialler, listener] = [diallingSide(), listeningSide()];
    listener.hear(...dialler.said());
    const bitmap = encodeMessage({ type: "bitmap", parts: "some", bits: randomBytes(1, 100_000) });
    const ping = encodeMessage({ type: "ping", id: 9 });
    const step = dialler.handshake.receive(concat([...listener.said(), bitmap, ping]));
    expect(step.established).toBeDefined();
    const types = step.items?.map((item) => item.type === "message" && item.message.type);
    expect(types).toEqual(["bitmap", "ping"]);
    const data = concat([
      encodeDataHead({ type: "data", first: 0, offset: 0 }, 50_000),
      randomBytes(1, 50_000),
    ]);
    expect([...dialler.handshake.decoder.push(data)].map((item) => item.type)).toEqual([
      "data",
      "payload",
    ]);
  });

  test("SIM-3: Handshake refuses a torrent of the same uuid and another digest", () => {
    const other = makeTorrent({ content: randomBytes(9, 1000) });
    expect(other.hash).toBe(TORRENT.hash);
    expect(meet({ torrent: other })[0]).toBe("bad_proof");
    expect(meet({}, { torrent: other })[0]).toBe("bad_proof");
  });

  test("CRY-3: Handshake answers a swarm it does not know as one whose proof is wrong", () => {
    const strange = makeTorrent({ hash: "00000000-0000-4000-8000-00000000000a" });
    const shapes = [{ torrent: strange }, { digest: makeTorrent({ partBytes: 512 }).digest }].map(
      (dial) => {
        const [dialler, listener] = [diallingSide(dial), listeningSide()];
        listener.hear(...dialler.said());
        const answer = listener.said();
        dialler.hear(...answer);
        listener.hear(PROOF);
        return [answer.map((frame) => frame.length), dialler.outcome, listener.outcome];
      },
    );
    expect(shapes[0]).toEqual(shapes[1] ?? []);
    expect(shapes[0]?.slice(1)).toEqual(["bad_proof", "bad_proof"]);
  });

  test("SRV-14: Handshake finds out that it talks to itself", () => {
    const peerId = randomBytes(8, 16);
    expect(meet({ peerId }, { peerId })).toEqual(["self_connection", undefined]);
  });

  test("Handshake refuses a hello of another version", () => {
    const listener = listeningSide();
    listener.hear(encodeMessage({ ...HELLO, version: 2 }));
    expect(listener.outcome).toBe("bad_version");
    expect(listener.said()).toEqual([]);
  });

  test("CRY-5: Handshake refuses a binding to other certificates on either side", () => {
    const binding = { dialler: randomBytes(1, 32), listener: randomBytes(2, 32) };
    const middle = { dialler: binding.dialler, listener: randomBytes(3, 32) };
    expect(meet({ mode: "tls", binding }, { mode: "tls", binding })).toEqual([
      "established",
      "established",
    ]);
    expect(meet({ mode: "tls", binding: middle }, { mode: "tls", binding })[0]).toBe("bad_proof");
    const swapped = { dialler: binding.listener, listener: binding.dialler };
    expect(meet({ mode: "tls", binding: swapped }, { mode: "tls", binding })[0]).toBe("bad_proof");
  });

  test("CRY-2: Handshake refuses two sides that began in different modes", () => {
    expect(meet({ mode: "tls" }, { mode: "plain" })[0]).toBe("bad_proof");
  });
});

describe("Handshake's proof", () => {
  /** The listener's hello and proof by the formula of SPEC.md §2.3, by one who holds the torrent. */
  function answerAs(dialler: Side, hello: HelloMessage): Uint8Array[] {
    const said = [
      encodePreface("plain"),
      encodePreface("plain"),
      new Uint8Array(0),
      new Uint8Array(0),
      ...dialler.said(),
      encodeMessage(hello),
    ];
    const transcript = testCrypto.sha256(...said.map((bytes) => testCrypto.sha256(bytes)));
    const key = swarmKey(testCrypto, TORRENT.digest);
    const mac = testCrypto.hmacSha256(key, utf8("B"), transcript);
    return [encodeMessage(hello), encodeMessage({ type: "proof", mac })];
  }

  test("Handshake takes an answer made by the formula", () => {
    const dialler = diallingSide();
    dialler.hear(...answerAs(dialler, HELLO));
    expect(dialler.isEstablished).toBe(true);
  });

  test("Handshake ignores features it does not know", () => {
    const dialler = diallingSide();
    dialler.hear(...answerAs(dialler, { ...HELLO, features: 2 ** 32 - 1 }));
    expect((dialler.outcome as Established).features).toBe(2 ** 32 - 1);
  });

  test("Handshake refuses a holder of the torrent that answers for another swarm", () => {
    const dialler = diallingSide();
    dialler.hear(...answerAs(dialler, { ...HELLO, swarm: randomBytes(60, 16) }));
    expect(dialler.outcome).toBe("bad_proof");
  });
});

describe("Handshake's order", () => {
  const hello = encodeMessage(HELLO);
  const others = goldenMessages
    .filter(({ message }) => !["hello", "proof"].includes(message.type))
    .filter(({ frame }) => frame.length < HANDSHAKE_BYTES_MAX);

  test("Handshake refuses whatever is not hello as first word, on both sides", () => {
    for (const make of [diallingSide, listeningSide]) {
      for (const frame of [PROOF, ...others.map((other) => other.frame)]) {
        const side = make();
        side.hear(frame);
        expect(side.outcome).toBe("bad_order");
      }
    }
  });

  test("Handshake refuses whatever is not a proof as second word, on both sides", () => {
    for (const make of [diallingSide, listeningSide]) {
      for (const frame of [hello, ...others.map((other) => other.frame)]) {
        const side = make();
        side.hear(hello, frame);
        expect(side.outcome).toBe("bad_order");
      }
    }
  });

  test("Handshake refuses a proof that nobody could make, on both sides", () => {
    for (const make of [diallingSide, listeningSide]) {
      const side = make();
      side.hear(hello, PROOF);
      expect(side.outcome).toBe("bad_proof");
    }
  });

  test("SRV-1: Handshake takes at most HANDSHAKE_BYTES_MAX before the proof", () => {
    for (const make of [diallingSide, listeningSide]) {
      const announced = make();
      announced.hear(Uint8Array.of(0, 0, 4, 1));
      expect(announced.outcome).toBe("frame_too_large");

      const dripping = make();
      const frame = new Uint8Array(4 + HANDSHAKE_BYTES_MAX);
      new DataView(frame.buffer).setUint32(0, HANDSHAKE_BYTES_MAX);
      new DataView(frame.buffer).setUint16(4, HANDSHAKE_BYTES_MAX - 2);
      let taken = PREFACE_BYTES;
      for (const byte of frame) {
        if (dripping.outcome !== undefined) break;
        dripping.hear(Uint8Array.of(byte));
        taken++;
      }
      expect(dripping.outcome).toBe("frame_too_large");
      expect(taken).toBeLessThanOrEqual(HANDSHAKE_BYTES_MAX + 2);
    }
  });

  test("SRV-1: Handshake says nothing to a stranger but one hello and one proof", () => {
    const listener = listeningSide();
    listener.hear(hello, hello, hello);
    expect(listener.said().map((frame) => decodeHeader(frame.subarray(6)).type)).toEqual([
      "hello",
      "proof",
    ]);
    expect(diallingSide().said().length).toBe(1);
  });
});

describe("Handshake against who listens and meddles", () => {
  test("CRY-1: Handshake refuses every replayed session, on either side", () => {
    const recorded = { dialler: [] as Uint8Array[], listener: [] as Uint8Array[] };
    const [first, second] = [diallingSide(), listeningSide()];
    talk(first, second, (frames, by) => {
      recorded[by].push(...frames);
      return frames;
    });
    expect(outcomes(first, second)).toEqual(["established", "established"]);

    const listener = listeningSide({ seed: 1 });
    listener.hear(...recorded.dialler);
    expect(listener.outcome).toBe("bad_proof");
    const dialler = diallingSide({ seed: 1 });
    dialler.hear(...recorded.listener);
    expect(dialler.outcome).toBe("bad_proof");
    // The same nonces again would let the recording pass: it is they that stop it.
    const careless = listeningSide();
    careless.hear(...recorded.dialler);
    expect(careless.isEstablished).toBe(true);
  });

  test("CRY-2: Handshake refuses a hello whose features, version, port, nonce or id was changed on the way", () => {
    const changes: Partial<HelloMessage>[] = [
      { features: 1 },
      { features: 2 ** 32 - 1 },
      { listenPort: 1 },
      { nonce: randomBytes(50, 16) },
      { peerId: randomBytes(51, 16) },
      { swarm: randomBytes(52, 16) },
    ];
    for (const change of changes) {
      for (const victim of ["dialler", "listener"] as const) {
        const [dialler, listener] = [diallingSide(), listeningSide()];
        talk(dialler, listener, (frames, by) =>
          frames.map((frame) => {
            const message = decodeHeader(frame.subarray(6));
            return by === victim && message.type === "hello"
              ? encodeMessage({ ...message, ...change })
              : frame;
          }),
        );
        expect([change, victim, dialler.outcome]).toEqual([change, victim, "bad_proof"]);
        expect(listener.isEstablished).toBe(false);
      }
    }
  });

  test("CRY-3: Handshake refuses its own words reflected, and roles swapped", () => {
    const dialler = diallingSide();
    const [hello = new Uint8Array(0)] = dialler.said();
    // A stranger lets one listener prove itself for it, in the role it cannot play.
    const oracle = listeningSide({ peerId: HELLO.peerId });
    oracle.hear(hello);
    const [, proof = new Uint8Array(0)] = oracle.said();
    dialler.hear(hello, proof);
    expect(dialler.outcome).toBe("bad_proof");

    // Towards a listener it plays the dialler, with the proof that a listener made.
    const [victim, other] = [listeningSide({ seed: 1 }), listeningSide({ seed: 2 })];
    const helloOfMine = encodeMessage(HELLO);
    victim.hear(helloOfMine);
    const [, proofOfVictim = new Uint8Array(0)] = victim.said();
    victim.hear(proofOfVictim);
    expect(victim.outcome).toBe("bad_proof");
    other.hear(helloOfMine);
    const [, proofOfOther = new Uint8Array(0)] = other.said();
    other.hear(proofOfOther);
    expect(other.outcome).toBe("bad_proof");
  });

  test("CRY-4: Handshake accepts no transcript with any single bit flipped", () => {
    const { accepted, refused } = attackEveryBit();
    expect(accepted).toBe(0);
    expect(refused).toBeGreaterThan(1000);
  });

  test("CRY-4: Handshake accepts none of 20,000 transcripts mutated at random", () => {
    const random = new Random(20_251);
    let established = 0;
    for (let run = 0; run < 20_000; run++) {
      const [dialler, listener] = [diallingSide({ seed: run }), listeningSide({ seed: run })];
      // Which frame is spoilt: 0 and 3 are the dialler's hello and proof, 1 and 2 the listener's.
      const target = random.below(4);
      let at = 0;
      let deceived: Side | undefined;
      talk(dialler, listener, (frames, by) =>
        frames.map((frame) => {
          if (at++ !== target) return frame;
          deceived = by === "dialler" ? listener : dialler;
          return mutate(frame, random);
        }),
      );
      expect(deceived).toBeDefined();
      if (deceived?.isEstablished) established++;
    }
    expect(established).toBe(0);
  }, 30_000);

  test("CRY-4: Handshake accepts the same runs when nobody mutates", () => {
    for (let seed = 0; seed < 200; seed++) {
      expect(meet({ seed }, { seed })).toEqual(["established", "established"]);
    }
  });
});

function attackEveryBit() {
  let accepted = 0;
  let refused = 0;
  for (let target = 0; target < 4; target++) {
    for (let bit = 0; ; bit++) {
      const [dialler, listener] = [diallingSide(), listeningSide()];
      let at = 0;
      let isBeyond = false;
      let deceived: Side = dialler;
      talk(dialler, listener, (frames, by) =>
        frames.map((frame) => {
          if (at++ !== target) return frame;
          deceived = by === "dialler" ? listener : dialler;
          isBeyond = bit >= frame.length * 8;
          return flip(frame, bit);
        }),
      );
      if (isBeyond) break;
      if (deceived.isEstablished) accepted++;
      else refused++;
    }
  }
  return { accepted, refused };
}

function flip(frame: Uint8Array, bit: number): Uint8Array {
  const flipped = frame.slice();
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
  return flipped;
}

/** @returns the frame with some of its bytes changed, never the same */
function mutate(frame: Uint8Array, random: Random): Uint8Array {
  const mutated = frame.slice();
  for (let left = 1 + random.below(4); left > 0; left--) {
    mutated[random.below(mutated.length)] = random.below(256);
  }
  if (mutated.every((byte, at) => byte === frame[at]))
    return flip(frame, random.below(frame.length * 8));
  return mutated;
}
