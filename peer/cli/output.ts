import { StorageError } from "../errors.ts";
import { OutputClosedError } from "./exit-codes.ts";

/** The part of a stream of the process that is used here. */
export interface TextStream {
  write(text: string | Uint8Array, done: (error?: Error | null) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** Where lines go. */
export interface LineOutput {
  /** Characters that the reader has not taken yet; lines that can be done without are left out when they are many. */
  readonly pendingChars: number;
  /** Writes one line.
   * @param line without its line end */
  line(line: string): void;
}

/** Standard output. Writes keep their order and are only sure after `flush`, which must be awaited before the process
 * exits: an exit right after a write would cut what a pipe has not taken yet. */
export class Output implements LineOutput {
  readonly #stream: TextStream;
  readonly #onFailure: (error: Error) => void;
  #pendingChars = 0;
  #failure: Error | undefined;
  #idle: PromiseWithResolvers<void> | undefined;

  /** @param onFailure called once, with what `flush` throws from then on */
  constructor(stream: TextStream, onFailure: (error: Error) => void) {
    this.#stream = stream;
    this.#onFailure = onFailure;
    // Without a listener a reader that goes away would end the process from inside the stream.
    stream.on("error", (error) => this.#fail(error));
  }

  get pendingChars(): number {
    return this.#pendingChars;
  }

  line(line: string): void {
    if (this.#failure !== undefined) return;
    const text = `${line}\n`;
    this.#pendingChars += text.length;
    this.#stream.write(text, (error) => {
      this.#pendingChars -= text.length;
      if (error) this.#fail(error);
      if (this.#pendingChars === 0) this.#settle();
    });
  }

  /** Resolves when everything written has been taken.
   * @throws {OutputClosedError} the reader went away
   * @throws {StorageError} no_space, io: standard output is a file that cannot be written */
  async flush(): Promise<void> {
    if (this.#pendingChars > 0 && this.#failure === undefined) {
      this.#idle ??= Promise.withResolvers();
      await this.#idle.promise;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(cause: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = toOutputError(cause);
    this.#settle();
    this.#onFailure(this.#failure);
  }

  #settle(): void {
    this.#idle?.resolve();
    this.#idle = undefined;
  }
}

/** @returns what a failed write to standard output means */
export function toOutputError(cause: Error): Error {
  const code = "code" in cause ? cause.code : undefined;
  const what = "Cannot write to standard output";
  if (code === "EPIPE" || code === "ERR_STREAM_DESTROYED") {
    return new OutputClosedError("closed", `${what}: its reader went away`, { cause });
  }
  return code === "ENOSPC"
    ? new StorageError("no_space", `${what}: the disk is full`, { cause })
    : new StorageError("io", `${what}: ${cause.message}`, { cause });
}
