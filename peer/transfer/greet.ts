import { ProtocolError } from "../../protocol/errors.ts";
import type { FrameDecoder, FrameItem } from "../../protocol/frame.ts";
import { PREFACE_BYTES } from "../../protocol/limits.ts";
import {
  checkPreface,
  type Established,
  encodePreface,
  type Handshake,
  type HandshakeOptions,
  type TransportMode,
} from "../../protocol/session.ts";
import { TransportError } from "../errors.ts";
import type { Certificate } from "../net/certificate.ts";
import type { SocketStreams } from "../net/socket.ts";
import { secure } from "../net/tls.ts";

/** A connection whose remote has proved that it holds the torrent. */
export interface Greeted {
  /** What goes on from here: the encrypted streams in tls mode. */
  readonly socket: SocketStreams;
  readonly established: Established;
  /** Goes on with the bytes that come now. */
  readonly decoder: FrameDecoder;
  /** What came together with the proof. */
  readonly firstItems: readonly FrameItem[];
}

export interface GreetOptions {
  readonly mode: TransportMode;
  readonly isDialler: boolean;
  /** Asked for in tls mode only. */
  readonly certificate: () => Promise<Certificate>;
  /** The deadline: whatever is unfinished then ends the connection. */
  readonly signal: AbortSignal;
}

/** Makes the side's handshake, bound to the transport. */
type CreateHandshake = (options: Pick<HandshakeOptions, "mode" | "binding">) => Handshake;

/** Preface, TLS, hello and proof over a fresh connection, from either side; the streams are free again afterwards.
 * @throws {ProtocolError} what the remote did wrong; {TransportError} it went away or was too slow */
export async function greet(
  socket: SocketStreams,
  create: CreateHandshake,
  options: GreetOptions,
): Promise<Greeted> {
  const { signal } = options;
  let current = socket;
  const onAbort = () => current.terminate();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    // Made before the remote waits for it.
    const certificate = options.mode === "tls" ? await options.certificate() : undefined;
    if (signal.aborted) throw tooSlow();
    await withWire(current, (wire) => exchangePrefaces(wire, options));
    let binding: HandshakeOptions["binding"] = UNBOUND;
    if (certificate !== undefined) {
      const secured = await secure(current, certificate, { isServer: !options.isDialler, signal });
      current = secured.streams;
      binding = toBinding(secured.fingerprints, options.isDialler);
    }
    const handshake = create({ mode: options.mode, binding });
    const rest = await withWire(current, (wire) => exchangeProofs(wire, handshake));
    return { socket: current, ...rest };
  } catch (cause) {
    current.terminate();
    throw signal.aborted ? tooSlow(cause) : cause;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** A connection's two ends while the greeting has them. */
interface Wire {
  /** @throws {TransportError} reset: the remote hung up */
  read(): Promise<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  /** Nothing more will be written. */
  end(): Promise<void>;
}

const UNBOUND = { dialler: new Uint8Array(0), listener: new Uint8Array(0) };

async function withWire<Result>(
  socket: SocketStreams,
  exchange: (wire: Wire) => Promise<Result>,
): Promise<Result> {
  const reader = socket.readable.getReader();
  const writer = socket.writable.getWriter();
  const read = async () => {
    const { value } = await reader.read();
    if (value === undefined) throw new TransportError("reset", "Cannot greet remote: it hung up");
    return value;
  };
  try {
    return await exchange({
      read,
      write: (bytes) => writer.write(bytes),
      end: () => writer.close(),
    });
  } finally {
    reader.releaseLock();
    writer.releaseLock();
  }
}

/** The dialler speaks first, and nothing more before it was answered: what it says to a stranger stays this short. */
async function exchangePrefaces(wire: Wire, { mode, isDialler }: GreetOptions): Promise<void> {
  if (isDialler) await wire.write(encodePreface(mode));
  let seen = await wire.read();
  while (seen.length < PREFACE_BYTES) seen = Buffer.concat([seen, await wire.read()]);
  try {
    checkPreface(seen.subarray(0, PREFACE_BYTES), mode);
  } catch (cause) {
    if (!isDialler && isOfOurProtocol(cause)) await sayLast(wire, encodePreface(mode));
    throw cause;
  }
  if (seen.length > PREFACE_BYTES)
    throw new ProtocolError("bad_order", "Cannot greet remote: it did not wait for our preface");
  if (!isDialler) await wire.write(encodePreface(mode));
}

/** Another version or mode: such a caller may be told what we speak, so that its user learns why it is not let in. */
function isOfOurProtocol(refusal: unknown): boolean {
  return refusal instanceof ProtocolError && refusal.code !== "bad_preface";
}

/** Says a last word and waits until the remote has hung up: to cut the connection might take the word with it. */
async function sayLast(wire: Wire, word: Uint8Array): Promise<void> {
  try {
    await wire.write(word);
    await wire.end();
    await wire.read();
  } catch (cause) {
    // That it is gone is what we wait for.
    if (!(cause instanceof TransportError)) throw cause;
  }
}

async function exchangeProofs(wire: Wire, handshake: Handshake): Promise<Omit<Greeted, "socket">> {
  for (const frame of handshake.start()) await wire.write(frame);
  for (;;) {
    const step = handshake.receive(await wire.read());
    for (const frame of step.send) await wire.write(frame);
    if (step.established === undefined) continue;
    return {
      established: step.established,
      decoder: handshake.decoder,
      firstItems: step.items ?? [],
    };
  }
}

function toBinding(
  { own, remote }: { readonly own: Uint8Array; readonly remote: Uint8Array },
  isDialler: boolean,
): HandshakeOptions["binding"] {
  return isDialler ? { dialler: own, listener: remote } : { dialler: remote, listener: own };
}

function tooSlow(cause?: unknown): TransportError {
  return new TransportError("timed_out", "Cannot greet remote: it was too slow", { cause });
}
