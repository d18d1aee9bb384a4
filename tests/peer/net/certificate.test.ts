import { describe, expect, test } from "bun:test";
import { createPrivateKey, X509Certificate as NodeCertificate } from "node:crypto";
import { X509Certificate } from "@peculiar/x509";
import { type Random, systemClock, systemRandom } from "../../../peer/clock.ts";
import { createCertificate } from "../../../peer/net/certificate.ts";

const DAY_MS = 86_400_000;

function create(options: { readonly nowMs?: number; readonly random?: Random } = {}) {
  const { nowMs } = options;
  const clock = nowMs === undefined ? systemClock : { ...systemClock, now: () => nowMs };
  return createCertificate(clock, options.random ?? systemRandom);
}

describe("createCertificate", () => {
  test("createCertificate signs a P-256 certificate with its own key, which fits", async () => {
    const { cert, key } = await create();
    const parsed = new NodeCertificate(cert);
    expect(parsed.verify(parsed.publicKey)).toBe(true);
    expect(parsed.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(parsed.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
    expect(parsed.issuer).toBe(parsed.subject);
    const { cert: another } = await create();
    expect(parsed.verify(new NodeCertificate(another).publicKey)).toBe(false);
  });

  test("createCertificate writes PEM in lines of at most 64", async () => {
    const { cert, key } = await create();
    expect(cert).toStartWith("-----BEGIN CERTIFICATE-----\n");
    expect(key).toStartWith("-----BEGIN PRIVATE KEY-----\n");
    expect(key).toEndWith("-----END PRIVATE KEY-----\n");
    for (const line of `${cert}\n${key}`.split("\n")) expect(line.length).toBeLessThanOrEqual(64);
  });

  test("createCertificate makes another key and certificate every time", async () => {
    const made = await Promise.all(Array.from({ length: 8 }, () => create()));
    const parsed = made.map(({ cert }) => new NodeCertificate(cert));
    expect(new Set(made.map(({ key }) => key)).size).toBe(8);
    expect(new Set(parsed.map(({ fingerprint256 }) => fingerprint256)).size).toBe(8);
    expect(new Set(parsed.map(({ serialNumber }) => serialNumber)).size).toBe(8);
  });

  test("createCertificate says nothing of us: one common name, no extension", async () => {
    const { cert } = await create();
    const parsed = new X509Certificate(cert);
    expect(parsed.subject).toBe("CN=peer");
    expect(parsed.extensions).toEqual([]);
  });

  test.each([2031, 2049, 2050, 2131])(
    "createCertificate is valid from a day before to a year after, in %d too",
    async (year) => {
      const nowMs = Date.UTC(year, 4, 6, 7, 8, 9);
      const { notBefore, notAfter } = new X509Certificate((await create({ nowMs })).cert);
      expect(notBefore.getTime()).toBe(nowMs - DAY_MS);
      expect(notAfter.getTime()).toBe(nowMs + 365 * DAY_MS);
    },
  );

  test("createCertificate has a positive serial number of 16 bytes, whatever chance gives", async () => {
    for (const byte of [0x00, 0x7f, 0xff]) {
      const random = {
        ...systemRandom,
        bytes: (length: number) => new Uint8Array(length).fill(byte),
      };
      const { cert } = await create({ random });
      const hex = byte.toString(16).padStart(2, "0");
      expect(new X509Certificate(cert).serialNumber).toBe(`01${hex.repeat(15)}`);
    }
  });
});
