import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { systemClock, systemRandom } from "../../../peer/clock.ts";
import { type Certificate, createCertificate } from "../../../peer/net/certificate.ts";
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

async function securePair(pair: SocketPair): Promise<readonly [Secured, Secured]> {
  const [near, far] = await certificates;
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

describe("secure", () => {
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

  test("secure moves bytes both ways and loses none at the end", async () => {
    const pair = await connectPair();
    const [near, far] = await securePair(pair);
    const bytes = randomBytes(4, 16 * MIB);
    const writer = near.streams.writable.getWriter();
    const back = far.streams.writable.getWriter();
    await back.write(Uint8Array.of(1, 2, 3));
    const { value } = await near.streams.readable.getReader().read();
    expect(value).toEqual(Uint8Array.of(1, 2, 3));
    const sending = (async () => {
      for (let at = 0; at < bytes.length; at += 700_001)
        await writer.write(bytes.subarray(at, at + 700_001));
      await writer.close();
    })();
    const got = await readAll(far.streams.readable);
    await sending;
    expect(got.length).toBe(bytes.length);
    expect(Buffer.compare(got, bytes)).toBe(0);
    await endBoth(near, far);
  });

  test("secure holds a sender back while nobody reads", async () => {
    const pair = await connectPair();
    const [near, far] = await securePair(pair);
    let taken = 0;
    const writer = near.streams.writable.getWriter();
    const flowing = (async () => {
      for (;;) {
        await writer.write(new Uint8Array(262_144));
        taken += 262_144;
      }
    })().catch((cause: unknown) => cause);
    let before = -1;
    await eventually(
      () => {
        const same = before === taken && taken > 0;
        before = taken;
        return same;
      },
      (isStill) => isStill,
    );
    expect(taken).toBeLessThan(32 * MIB);
    far.streams.terminate();
    expect(await flowing).toBeInstanceOf(Error);
    await near.streams.closed;
  });

  test("secure ends when the remote talks no TLS, or is gone, or lets the time pass", async () => {
    const [certificate] = await certificates;
    for (const [what, expected] of [
      ["garbage", "reset"],
      ["gone", "reset"],
      ["silence", "timed_out"],
    ] as const) {
      const pair = await connectPair();
      const signal = AbortSignal.timeout(what === "silence" ? 150 : 5000);
      const securing = secure(pair.near, certificate, { isServer: false, signal });
      if (what === "garbage") await pair.far.writable.getWriter().write(randomBytes(1, 4096));
      if (what === "gone") pair.far.terminate();
      expect(await failureCode(securing)).toBe(expected);
      pair.far.terminate();
    }
  });
});

describe("createCertificate", () => {
  test("createCertificate makes another one every time, that says nothing of us", async () => {
    const [one, other] = await certificates;
    expect(one.cert).not.toBe(other.cert);
    expect(one.cert).toStartWith("-----BEGIN CERTIFICATE-----");
    expect(one.key).toStartWith("-----BEGIN PRIVATE KEY-----");
  });
});
