import type { Bitfield } from "../../protocol/bitfield.ts";
import type { PartRun } from "../../protocol/geometry.ts";

/** Bytes and offsets, nothing of the network: what a transfer asks of the disk. */

/** A file that parts are read from. */
export interface PartSource {
  /** Fills `into` from `offset` on.
   * @param into belongs to the caller again when the promise settles; its length is what is read
   * @throws {StorageError} changed (not the file that was verified any more), short_read, missing, denied, io */
  read(offset: number, into: Uint8Array): Promise<void>;

  /** Ends the use of the file; calling it twice does nothing. */
  close(): Promise<void>;
}

/** Parts in order, whose hashes were found right; the bytes belong to the store until its `write` settles. */
export interface VerifiedRun {
  readonly run: PartRun;
  /** Exactly the run's. */
  readonly bytes: Uint8Array;
}

export interface PublishOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** A download's file while it is made: what is written once is found again after any kill. */
export interface PartStore extends PartSource {
  /** Parts that stood verified in the file when it was opened. A copy; it does not follow later writes. */
  readonly recovered: Bitfield;

  /** Puts the bytes at their place. When the promise resolves, the parts survive the death of the process
   * (not yet of the machine: that is `commit`) and can be read.
   * @throws {StorageError} no_space, denied, io: nothing of the run counts as written */
  write(verified: VerifiedRun): Promise<void>;

  /** One connection's end of the pipeline: a stream that writes what it is given, a few runs at a time, and pends while
   * the disk is behind. A failed write errors the stream.
   * @param onWritten called after each run whose `write` resolved, in the order of finishing */
  sink(onWritten?: (run: PartRun) => void): WritableStream<VerifiedRun>;

  /** Brings all that was written to the disk and records it as had; also done on its own every 64 MiB and every second.
   * @throws {StorageError} as `write`: the parts since the last commit count as unsaved */
  commit(): Promise<void>;

  /** Proves and publishes the complete file under its name, then removes every trace of the work on it. It can be read
   * from until it is closed. Calling it again after a failure tries again.
   * @param options.signal ends the proving; once the file is being published nothing stops it
   * @param options.onProgress is told the bytes proved so far: those that another run wrote
   * @throws {StorageError} exists (the target appeared meanwhile), not_a_file, changed, no_space, denied, io
   * @throws {IntegrityError} file_mismatch (a part on disk is not what it was: opened again, it is not had any more) */
  publish(options?: PublishOptions): Promise<void>;
}
