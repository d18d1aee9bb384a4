import { dial } from "../../peer/net/dial.ts";
import { type Listener, listen } from "../../peer/net/listen.ts";
import type { SocketStreams } from "../../peer/net/socket.ts";

/** Two ends of one real connection over loopback. */
export interface SocketPair extends AsyncDisposable {
  /** The end that dialled. */
  readonly near: SocketStreams;
  readonly far: SocketStreams;
}

/** @returns a connection of this process with itself; both ends are gone when it is disposed */
export async function connectPair(): Promise<SocketPair> {
  const accepted = Promise.withResolvers<SocketStreams>();
  const listener: Listener = listen({ host: "127.0.0.1", port: 0 }, accepted.resolve);
  try {
    const address = { host: "127.0.0.1", port: listener.port };
    const near = await dial(address, AbortSignal.timeout(5000));
    const far = await accepted.promise;
    return {
      near,
      far,
      [Symbol.asyncDispose]: async () => {
        near.terminate();
        far.terminate();
        await Promise.all([near.closed, far.closed]);
      },
    };
  } finally {
    listener.stop();
  }
}

/** Reads to the end.
 * @returns all bytes that came */
export async function readAll(readable: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readable) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}
