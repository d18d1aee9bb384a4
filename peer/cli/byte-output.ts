import { whenAborted } from "../deadline.ts";
import type { OrderedBytes } from "../transfer/ordered-runs.ts";
import { type TextStream, toOutputError } from "./output.ts";

/** Standard output as data: takes bytes as fast as their reader does, and not one ahead.
 * @param signal ends the waiting for a reader that takes nothing
 * @returns a stream that errors with {OutputClosedError} the reader went away; {StorageError} no_space, io */
export function createByteOutput(
  stream: TextStream,
  signal: AbortSignal,
): WritableStream<OrderedBytes> {
  const stopped = whenAborted(signal);
  return new WritableStream<OrderedBytes>({
    async write({ bytes, done }) {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        signal.throwIfAborted();
        const piece = bytes.subarray(at, at + PIECE_BYTES);
        await Promise.race([writePiece(stream, piece), stopped.promise]);
      }
      done();
    },
    close: () => stopped.release(),
  });
}

/** The callback comes when the system has taken all of it, also from a pipe that takes less at a time. */
function writePiece(stream: TextStream, piece: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(piece, (error) => (error ? reject(toOutputError(error)) : resolve()));
  });
}

/** Of what a pipe does not take at once the runtime makes a copy: of this at most. */
const PIECE_BYTES = 256 * 1024;
