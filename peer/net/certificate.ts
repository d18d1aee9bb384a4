import type { Sequence } from "asn1js";
import type { Clock, Random } from "../clock.ts";

/** What a side shows in a TLS handshake. It says nothing of who we are: the proof of the torrent is bound to it. */
export interface Certificate {
  /** PEM. */
  readonly cert: string;
  /** PEM, PKCS #8. Never leaves the process. */
  readonly key: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";
/** Certificates count their versions from zero. */
const VERSION_3 = 2;
const DAY_MS = 86_400_000;
/** A day either way for clocks that differ, a year for a process that lives long. */
const VALID_BEFORE_MS = DAY_MS;
const VALID_AFTER_MS = 365 * DAY_MS;
/** From this year on a time has four digits for it (RFC 5280, 4.1.2.5). */
const FIRST_LONG_YEAR = 2050;
const SERIAL_BYTES = 16;
/** Of each of the two numbers that a signature is. */
const SIGNATURE_NUMBER_BYTES = 32;

/** Makes a self-signed P-256 certificate (RFC 5280, 4.1), for one process and in memory only. */
export async function createCertificate(clock: Clock, random: Random): Promise<Certificate> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const [der, pkcs8] = await Promise.all([
    selfSign(keys, clock, random),
    crypto.subtle.exportKey("pkcs8", keys.privateKey),
  ]);
  return {
    cert: toPem("CERTIFICATE", new Uint8Array(der)),
    key: toPem("PRIVATE KEY", new Uint8Array(pkcs8)),
  };
}

/** Written field by field, by a library for DER: one for whole certificates takes 27 ms more to load and to run for the first
 * time, a third of what a small file takes. */
async function selfSign(keys: CryptoKeyPair, clock: Clock, random: Random): Promise<ArrayBuffer> {
  // Loaded when the first certificate is made: a run that needs none does not pay for it.
  const asn1 = await import("asn1js");
  const { BitString, Integer, ObjectIdentifier } = asn1;
  const sequence = (...value: Sequence["valueBlock"]["value"]) => new asn1.Sequence({ value });
  const algorithm = sequence(new ObjectIdentifier({ value: ECDSA_WITH_SHA256 }));
  const commonName = sequence(
    new ObjectIdentifier({ value: COMMON_NAME }),
    new asn1.Utf8String({ value: "peer" }),
  );
  const name = sequence(new asn1.Set({ value: [commonName] }));
  const time = (ms: number) => {
    const valueDate = new Date(ms);
    const isLong = valueDate.getUTCFullYear() >= FIRST_LONG_YEAR;
    return new (isLong ? asn1.GeneralizedTime : asn1.UTCTime)({ valueDate });
  };
  const publicKey = asn1.fromBER(await crypto.subtle.exportKey("spki", keys.publicKey)).result;
  const signed = sequence(
    new asn1.Constructed({
      idBlock: { tagClass: 3, tagNumber: 0 },
      value: [new Integer({ value: VERSION_3 })],
    }),
    // A serial number is positive: its highest bit stays zero.
    Integer.fromBigInt(`0x01${random.bytes(SERIAL_BYTES - 1).toHex()}`),
    algorithm,
    name,
    sequence(time(clock.now() - VALID_BEFORE_MS), time(clock.now() + VALID_AFTER_MS)),
    name,
    publicKey,
  );
  const signature = new Uint8Array(
    await crypto.subtle.sign(ALGORITHM, keys.privateKey, signed.toBER()),
  );
  const numbers = [
    signature.subarray(0, SIGNATURE_NUMBER_BYTES),
    signature.subarray(SIGNATURE_NUMBER_BYTES),
  ].map((bytes) => Integer.fromBigInt(`0x${bytes.toHex()}`));
  const valueHex = sequence(...numbers).toBER();
  return sequence(signed, algorithm, new BitString({ valueHex })).toBER();
}

function toPem(label: string, bytes: Uint8Array): string {
  const lines = bytes.toBase64().match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
