import { dial } from "../../peer/net/dial.ts";
import type { SocketStreams } from "../../peer/net/socket.ts";
import type { Address } from "../../protocol/address.ts";
import { encodeMessage, type FrameDecoder } from "../../protocol/frame.ts";
import type { PartRun } from "../../protocol/geometry.ts";
import type { ControlMessage, Message } from "../../protocol/messages.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { greetAsDialler } from "./greeting.ts";
import { readAll } from "./sockets.ts";

/** One that holds the torrent, greets as one should, in mode plain, and then does only what the test has it do: it reads
 * nothing unless it is told to. */
export class RawClient implements Disposable {
  readonly #socket: SocketStreams;
  readonly #decoder: FrameDecoder;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(socket: SocketStreams, decoder: FrameDecoder) {
    this.#socket = socket;
    this.#decoder = decoder;
    this.#writer = socket.writable.getWriter();
  }

  /** @param seed of its peer id: no two clients of one peer may have the same */
  static async connect(address: Address, torrent: Torrent, seed: number): Promise<RawClient> {
    const socket = await dial(address, AbortSignal.timeout(10_000));
    const signal = AbortSignal.timeout(10_000);
    const greeted = await greetAsDialler(socket, { torrent, seed, listenPort: 0, signal });
    const client = new RawClient(greeted.socket, greeted.decoder);
    await client.say({ type: "bitmap", parts: "none", bits: new Uint8Array(0) });
    return client;
  }

  /** Settles when the peer ended the connection, or we did. */
  get closed(): Promise<void> {
    return this.#socket.closed;
  }

  say(...messages: readonly ControlMessage[]): Promise<void> {
    return this.#writer.write(Buffer.concat(messages.map(encodeMessage)));
  }

  request(...runs: readonly PartRun[]): Promise<void> {
    return this.say(...runs.map((run) => ({ type: "request" as const, ...run })));
  }

  /** Reads to the end of the connection. */
  async readAll(): Promise<Uint8Array> {
    return await readAll(this.#socket.readable);
  }

  /** Reads frames; answers come in any order.
   * @param onRunBytes is told of which run how many came, each time
   * @param onRefused is told which run was refused */
  async readRuns(
    onRunBytes: (first: number, bytes: number) => void,
    onRefused: (first: number) => void = () => undefined,
  ): Promise<void> {
    let first = -1;
    for await (const chunk of this.#socket.readable) {
      for (const item of this.#decoder.push(chunk)) {
        if (item.type === "data") first = item.data.first;
        else if (item.type === "payload") onRunBytes(first, item.chunk.length);
        else this.#hear(item.message, onRefused);
      }
    }
  }

  /** @param onBytes is told how many came, each time */
  async read(onBytes: (bytes: number) => void): Promise<void> {
    await this.readRuns((_first, bytes) => onBytes(bytes));
  }

  #hear(message: Message, onRefused: (first: number) => void): void {
    if (message.type === "refuse") onRefused(message.first);
    if (message.type === "ping")
      void this.say({ type: "pong", id: message.id, readAtMs: 0 }).catch(() => 0);
  }

  [Symbol.dispose](): void {
    this.#socket.terminate();
  }
}
