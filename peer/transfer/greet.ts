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
import type { SocketStreams } from "../net/socket.ts";

/** A connection whose remote has proved that it holds the torrent. */
export interface Greeted {
  readonly established: Established;
  /** Goes on with the bytes that come now. */
  readonly decoder: FrameDecoder;
  /** What came together with the proof. */
  readonly firstItems: readonly FrameItem[];
}

/** Preface, hello and proof over a fresh connection, from either side; the streams are free again afterwards.
 * @param create the side's handshake
 * @param signal the deadline: whatever is unfinished then ends the connection
 * @throws {ProtocolError} what the remote did wrong; {TransportError} it went away or was too slow */
export async function greet(
  socket: SocketStreams,
  create: (options: Pick<HandshakeOptions, "mode" | "binding">) => Handshake,
  options: {
    readonly mode: TransportMode;
    readonly isDialler: boolean;
    readonly signal: AbortSignal;
  },
): Promise<Greeted> {
  const reader = socket.readable.getReader();
  const writer = socket.writable.getWriter();
  const onAbort = () => socket.terminate();
  options.signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (options.signal.aborted)
      throw new TransportError("timed_out", "Cannot greet remote: no time left");
    return await exchange(reader, writer, create, options);
  } catch (cause) {
    socket.terminate();
    throw options.signal.aborted ? tooSlow(cause) : cause;
  } finally {
    options.signal.removeEventListener("abort", onAbort);
    reader.releaseLock();
    writer.releaseLock();
  }
}

/** Of the reader, what is used: its full type differs between Bun's and Node's. */
interface Reader {
  read(): Promise<{ readonly value?: Uint8Array | undefined; readonly done: boolean }>;
}

async function exchange(
  reader: Reader,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  create: (options: Pick<HandshakeOptions, "mode" | "binding">) => Handshake,
  { mode, isDialler }: { readonly mode: TransportMode; readonly isDialler: boolean },
): Promise<Greeted> {
  if (isDialler) await writer.write(encodePreface(mode));
  let { chunk, rest } = await readPreface(reader);
  checkPreface(chunk, mode);
  if (!isDialler) await writer.write(encodePreface(mode));
  const binding = { dialler: new Uint8Array(0), listener: new Uint8Array(0) };
  const handshake = create({ mode, binding });
  for (const frame of handshake.start()) await writer.write(frame);
  for (;;) {
    const step = handshake.receive(rest);
    for (const frame of step.send) await writer.write(frame);
    if (step.established !== undefined) {
      return {
        established: step.established,
        decoder: handshake.decoder,
        firstItems: step.items ?? [],
      };
    }
    rest = await readSome(reader);
  }
}

function tooSlow(cause: unknown): TransportError {
  return new TransportError("timed_out", "Cannot greet remote: it was too slow", { cause });
}

async function readPreface(reader: Reader) {
  let seen: Uint8Array = new Uint8Array(0);
  while (seen.length < PREFACE_BYTES) {
    const more = await readSome(reader);
    const joined = new Uint8Array(seen.length + more.length);
    joined.set(seen);
    joined.set(more, seen.length);
    seen = joined;
  }
  return { chunk: seen.subarray(0, PREFACE_BYTES), rest: seen.subarray(PREFACE_BYTES) };
}

async function readSome(reader: Reader): Promise<Uint8Array> {
  const { value } = await reader.read();
  if (value === undefined) throw new TransportError("reset", "Cannot greet remote: it hung up");
  return value;
}
