import type { Socket, SocketHandler } from "bun";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { SOCKET_READ_BUFFER_BYTES } from "../../protocol/limits.ts";
import { TransportError } from "../errors.ts";
import { letGo } from "../let-go.ts";

/** A Bun TCP socket as a pair of Web Streams, with backpressure both ways.
 *
 * Reading: above SOCKET_READ_BUFFER_BYTES unread the socket is paused, so the remote's kernel waits.
 * Writing: a write settles when the kernel has taken all of it, so whoever writes waits for a slow remote and may then
 * use the chunk's memory again. Nothing else is buffered. */
export class SocketStreams {
  /** Chunks as the kernel gave them, at most SOCKET_CHUNK_BYTES_MAX each; ends when the remote ends. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Takes one chunk at a time; the chunk belongs to its writer again when the write settles. */
  readonly writable: WritableStream<Uint8Array>;
  /** Settles when the connection is gone, however that came. */
  readonly closed: Promise<void>;
  /** Address and port of the other end. */
  readonly remote: Address;
  readonly #socket: Socket<SocketSlot>;
  #reader: ReadableStreamDefaultController<Uint8Array> | undefined;
  #isPaused = false;
  #isClosed = false;
  #bytesTaken = 0;
  #sending:
    | { chunk: Uint8Array; sent: number; readonly done: PromiseWithResolvers<void> }
    | undefined;
  readonly #whenClosed = Promise.withResolvers<void>();

  constructor(socket: Socket<SocketSlot>) {
    this.#socket = socket;
    // A remote that is gone already has no address: then these streams end at once, and say so.
    const { remoteAddress = "", remotePort = 0 }: MaybeGone = socket;
    this.remote = { host: withoutMapping(remoteAddress), port: remotePort };
    this.closed = this.#whenClosed.promise;
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#reader = controller;
        },
        pull: () => this.#resume(),
        cancel: () => {
          // The stream is over already: to close it again would be an error.
          this.#reader = undefined;
          this.terminate();
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: SOCKET_READ_BUFFER_BYTES }),
    );
    this.writable = new WritableStream<Uint8Array>(
      {
        write: (chunk) => this.#send(chunk),
        close: () => this.#end(),
        abort: () => this.terminate(),
      },
      new CountQueuingStrategy({ highWaterMark: 1 }),
    );
  }

  /** Whether bytes are being written that the kernel has no room for: the remote does not take them now. */
  get isWaiting(): boolean {
    return this.#sending !== undefined;
  }

  /** Bytes that the kernel has taken in all. */
  get bytesTaken(): number {
    return this.#bytesTaken;
  }

  /** Ends the connection now; what is unsent is lost. */
  terminate(): void {
    if (!this.#isClosed) this.#socket.terminate();
    this.onClosed(undefined);
  }

  /** Lets the socket go without closing it, for TLS to take over; these streams are over.
   * @returns the socket, which must not be used as it is while something else uses it */
  detach(): Socket<SocketSlot> {
    this.#isClosed = true;
    this.#reader = undefined;
    return this.#socket;
  }

  /** From the socket's handlers: bytes came. */
  onData(chunk: Uint8Array): void {
    if (this.#reader === undefined) {
      letGo(chunk);
      return;
    }
    this.#reader.enqueue(chunk);
    if ((this.#reader.desiredSize ?? 0) > 0 || this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  /** From the socket's handlers: the kernel takes more. */
  onDrain(): void {
    const sending = this.#sending;
    if (sending === undefined) return;
    const left = sending.chunk.length - sending.sent;
    const taken = this.#socket.write(sending.chunk, sending.sent, left);
    if (taken < 0) {
      this.onClosed(undefined);
      return;
    }
    sending.sent += taken;
    this.#bytesTaken += taken;
    if (taken < left) return;
    this.#sending = undefined;
    sending.done.resolve();
  }

  /** From the socket's handlers: the connection is gone. */
  onClosed(cause: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const error = new TransportError("reset", `Lost connection to ${formatAddress(this.remote)}`, {
      cause,
    });
    const reader = this.#reader;
    this.#reader = undefined;
    if (cause === undefined) reader?.close();
    else reader?.error(error);
    this.#sending?.done.reject(error);
    this.#sending = undefined;
    this.#whenClosed.resolve();
  }

  #resume(): void {
    if (!this.#isPaused || this.#isClosed) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  #send(chunk: Uint8Array): Promise<void> {
    if (this.#isClosed) {
      return Promise.reject(
        new TransportError("reset", `Lost connection to ${formatAddress(this.remote)}`),
      );
    }
    const done = Promise.withResolvers<void>();
    this.#sending = { chunk, sent: 0, done };
    this.onDrain();
    return done.promise;
  }

  /** Only our half: closing both would reset the connection while something of the remote is unread, and a reset
   * takes with it what we said last. The remote closes when it has read our end. */
  #end(): void {
    if (!this.#isClosed) this.#socket.shutdown();
  }
}

/** What a socket has to say of its other end: nothing when that has gone by then. */
interface MaybeGone {
  readonly remoteAddress?: string;
  readonly remotePort?: number;
}

/** What a socket carries: its streams, once it is open. */
export interface SocketSlot {
  streams?: SocketStreams;
}

/** Handlers that feed the streams; `onOpen` gets them when the connection stands. */
export function createSocketHandler(
  onOpen: (streams: SocketStreams) => void,
): SocketHandler<SocketSlot> {
  return {
    binaryType: "uint8array",
    open(socket) {
      // A remote whose machine is gone says nothing any more, not even that.
      socket.setKeepAlive(true, KEEPALIVE_MS);
      const streams = new SocketStreams(socket);
      socket.data = { streams };
      onOpen(streams);
    },
    data: (socket, chunk) => socket.data.streams?.onData(chunk),
    drain: (socket) => socket.data.streams?.onDrain(),
    close: (socket, error) => socket.data?.streams?.onClosed(error),
    error: (socket, error) => socket.data?.streams?.onClosed(error),
  };
}

/** Silence after which the kernel asks whether the remote is still there. */
const KEEPALIVE_MS = 30_000;

/** `::ffff:1.2.3.4` is 1.2.3.4 as a dual-stack listener shows it. */
function withoutMapping(host: string): string {
  return host.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
}
