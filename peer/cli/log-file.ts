import { closeSync, openSync, writeSync } from "node:fs";
import { UsageError } from "../errors.ts";

/** A file that log lines are appended to, each written before the call returns, so that a crash loses none. */
export class LogFile implements Disposable {
  #file: number | undefined;
  readonly #onFailure: (line: string) => void;

  /** @param onFailure told once when the file can be written no more; from then on lines are dropped
   * @throws {UsageError} bad_flag: the file cannot be opened for appending */
  constructor(path: string, onFailure: (line: string) => void) {
    this.#onFailure = onFailure;
    this.#file = openForAppending(path);
  }

  writeLine(line: string): void {
    if (this.#file === undefined) return;
    try {
      writeSync(this.#file, `${line}\n`);
    } catch (cause) {
      // A full disk must not stop a transfer for its log's sake.
      this[Symbol.dispose]();
      this.#onFailure(`Cannot write the log file any more: ${String(cause)}`);
    }
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** Others on the machine need not read who talks to whom. */
const FILE_MODE = 0o600;

function openForAppending(path: string): number {
  try {
    return openSync(path, "a", FILE_MODE);
  } catch (cause) {
    throw cannotOpen(path, cause);
  }
}

function cannotOpen(path: string, cause: unknown): UsageError {
  const message = `Cannot use --log-file: ${path} cannot be opened for writing`;
  return new UsageError("bad_flag", message, { cause });
}
