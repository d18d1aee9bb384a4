import type { X509CertificateGenerator as Generator } from "@peculiar/x509";
import type { Clock, Random } from "../clock.ts";

/** What a side shows in a TLS handshake. It says nothing of who we are: the proof of the torrent is bound to it. */
export interface Certificate {
  /** PEM. */
  readonly cert: string;
  /** PEM, PKCS #8. Never leaves the process. */
  readonly key: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;
/** A day either way for clocks that differ, a year for a process that lives long. */
const VALID_BEFORE_MS = DAY_MS;
const VALID_AFTER_MS = 365 * DAY_MS;
const SERIAL_BYTES = 16;

/** Makes a self-signed P-256 certificate, for one process and in memory only. */
export async function createCertificate(clock: Clock, random: Random): Promise<Certificate> {
  const generator = loadGenerator();
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await generator.createSelfSigned({
    // A serial number is positive: its highest bit stays zero.
    serialNumber: `01${random.bytes(SERIAL_BYTES - 1).toHex()}`,
    name: "CN=peer",
    notBefore: new Date(clock.now() - VALID_BEFORE_MS),
    notAfter: new Date(clock.now() + VALID_AFTER_MS),
    signingAlgorithm: ALGORITHM,
    keys,
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { cert: certificate.toString("pem"), key: toPem("PRIVATE KEY", new Uint8Array(pkcs8)) };
}

/** Loaded when the first certificate is made: a run that needs none does not pay for it. */
function loadGenerator(): typeof Generator {
  // Not `import`: its modules depend on the order they are run in, which only the CommonJS build keeps when bundled.
  const library: typeof import("@peculiar/x509") = require("@peculiar/x509");
  return library.X509CertificateGenerator;
}

function toPem(label: string, bytes: Uint8Array): string {
  const lines = bytes.toBase64().match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
