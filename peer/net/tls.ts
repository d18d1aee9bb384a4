import type { Socket } from "bun";
import { TransportError } from "../errors.ts";
import type { Certificate } from "./certificate.ts";
import { createSocketHandler, type SocketSlot, SocketStreams } from "./socket.ts";

/** A connection after its TLS handshake. */
export interface Secured {
  readonly streams: SocketStreams;
  /** SHA-256 of each side's certificate: what the proof of the torrent is bound to. */
  readonly fingerprints: { readonly own: Uint8Array; readonly remote: Uint8Array };
}

/** What is held against a certificate and means nothing here: nobody else signed it, which clock is right is not asked, and
 * our own, which we meet where we dialled ourselves, has no name. */
const EXPECTED_COMPLAINTS: ReadonlySet<unknown> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "CERT_NOT_YET_VALID",
  "CERT_HAS_EXPIRED",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);

/** Goes over to TLS 1.3 on a connection that is plain so far; the old streams are dead afterwards.
 *
 * No authority signs these certificates and none is asked: that the other side is who it should be is shown afterwards, by
 * a proof that covers both fingerprints.
 * @param isServer the side that was called
 * @param signal ends it: the caller's deadline
 * @throws {TransportError} reset: the handshake failed or the remote went away; timed_out */
export async function secure(
  plain: SocketStreams,
  certificate: Certificate,
  options: { readonly isServer: boolean; readonly signal: AbortSignal },
): Promise<Secured> {
  const { isServer, signal } = options;
  const done = Promise.withResolvers<Secured>();
  const fail = (cause?: unknown) =>
    done.reject(
      new TransportError("reset", "Cannot encrypt the connection: the TLS handshake failed", {
        cause,
      }),
    );
  const raw = plain.detach();
  if (raw.readyState !== ESTABLISHED) {
    throw new TransportError("reset", "Cannot encrypt the connection: the remote is gone already");
  }
  const slot: SocketSlot = {};
  const [ciphertext, socket] = raw.upgradeTLS<SocketSlot>({
    data: slot,
    tls: {
      ...certificate,
      // Nobody's word counts. Without this the runtime would read the system's authorities first, two hundred files: 4 ms.
      ca: certificate.cert,
      requestCert: true,
      // Else the address that was dialled would be said in clear, where no address belongs (RFC 6066, 3).
      serverName: "",
      rejectUnauthorized: false,
      ...TLS_1_3_ONLY,
      ...{ isServer },
    },
    socket: {
      ...createSocketHandler(() => undefined),
      // The streams are there already: they wait for the handshake.
      open: () => undefined,
      handshake: (secured, _isAuthorized, error) => {
        const isExpected = error === null || EXPECTED_COMPLAINTS.has(codeOf(error));
        const result = isExpected ? toSecured(secured, slot) : undefined;
        if (result === undefined) fail(error);
        else done.resolve(result);
      },
      close: (_socket, error) => {
        slot.streams?.onClosed(error);
        fail(error);
      },
    },
  });
  // Nobody reads those bytes: without a handler they are not even copied. One who called has its handlers to itself; one
  // who was called shares them with its listener, where SocketStreams lets go of each chunk.
  if (!isServer) ciphertext.reload({ socket: { drain: () => undefined } });
  const streams = new SocketStreams(socket);
  slot.streams = streams;
  const onAbort = () =>
    done.reject(new TransportError("timed_out", "Cannot encrypt the connection: it took too long"));
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await done.promise;
  } catch (cause) {
    // A remote that showed no certificate would be content to stay.
    streams.terminate();
    throw cause;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** As the runtime numbers the states of a socket. */
const ESTABLISHED = 1;
/** As the protocol numbers it. */
const TLS_1_3 = 0x0304;
const TLS_1_3_ONLY = { minVersion: TLS_1_3, maxVersion: TLS_1_3 };

function toSecured(socket: Socket<SocketSlot>, { streams }: SocketSlot): Secured | undefined {
  const own = parseFingerprint(socket.getCertificate());
  const remote = parseFingerprint(socket.getPeerCertificate());
  if (streams === undefined || own === undefined || remote === undefined) return undefined;
  if (socket.getTLSVersion() !== "TLSv1.3") return undefined;
  return { streams, fingerprints: { own, remote } };
}

/** @param certificate as the socket gives it
 * @returns 32 bytes, or undefined when the side showed no certificate */
function parseFingerprint(certificate: unknown): Uint8Array | undefined {
  if (typeof certificate !== "object" || certificate === null || !("fingerprint256" in certificate))
    return undefined;
  const { fingerprint256 } = certificate;
  if (
    typeof fingerprint256 !== "string" ||
    !/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/i.test(fingerprint256)
  )
    return undefined;
  return Uint8Array.fromHex(fingerprint256.replaceAll(":", ""));
}

function codeOf(error: Error): unknown {
  return "code" in error ? error.code : undefined;
}
