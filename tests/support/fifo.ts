import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** The reader of a real pipe, who takes as much as the test says and when it says so: what he leaves stays in the pipe, which
 * holds 64 KiB, and with whoever writes into it. */
export class FifoReader implements AsyncDisposable {
  /** What he took so far. */
  bytesRead = 0;
  readonly #file: FileHandle;
  readonly #buffer = Buffer.alloc(1024 * 1024);

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @param bytes at most, in one read
   * @returns what came, valid until the next; empty at the end */
  async read(bytes: number): Promise<Uint8Array> {
    const wanted = Math.min(bytes, this.#buffer.length);
    const { bytesRead } = await this.#file.read(this.#buffer, 0, wanted, null);
    this.bytesRead += bytesRead;
    return this.#buffer.subarray(0, bytesRead);
  }

  /** Takes so many bytes, fewer when the pipe ends.
   * @param onBytes is given them as they come */
  async take(bytes: number, onBytes: (chunk: Uint8Array) => void): Promise<void> {
    for (let left = bytes; left > 0; ) {
      const chunk = await this.read(left);
      if (chunk.length === 0) return;
      onBytes(chunk);
      left -= chunk.length;
    }
  }

  /** Goes away: who writes now gets EPIPE. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/** Makes a pipe.
 * @param path where nothing stands
 * @param use is given the descriptor to write to, ours until it returns: a process that was started with it has its own */
export async function withFifo<Result>(
  path: string,
  use: (descriptor: number) => Result,
): Promise<{ readonly reader: FifoReader; readonly result: Result }> {
  if ((await Bun.spawn(["mkfifo", path]).exited) !== 0) throw new Error(`No pipe at ${path}`);
  // Opening either end waits for the other.
  const [readEnd, writeEnd] = await Promise.all([
    open(path, constants.O_RDONLY),
    open(path, constants.O_WRONLY),
  ]);
  try {
    return { reader: new FifoReader(readEnd), result: use(writeEnd.fd) };
  } finally {
    await writeEnd.close();
  }
}
