import { Bitfield } from "../../protocol/bitfield.ts";
import { assert } from "../../protocol/errors.ts";
import type { PartRun } from "../../protocol/geometry.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import type { Clock } from "../clock.ts";
import { IntegrityError, StorageError } from "../errors.ts";
import { Slots } from "../slots.ts";
import { removeAll } from "./bits.ts";
import type { Committer } from "./committer.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { isSameFile } from "./identity.ts";
import type { Lock } from "./lock.ts";
import { createPartSink } from "./part-sink.ts";
import { readFully } from "./read-ahead.ts";
import type { Recovery } from "./recover.ts";
import type { Journal } from "./resume.ts";
import type { VerifiedFile } from "./seed-file.ts";
import { settledIdentity } from "./settled-identity.ts";
import { writeFully } from "./small-file.ts";
import type { PartStore, PublishOptions, VerifiedRun } from "./store.ts";
import { publishWork, type Target } from "./target.ts";
import { verifyFile } from "./verify-file.ts";

/** Writes under way at once, over all connections. */
const WRITES_IN_FLIGHT_MAX = 8;
const PUBLISHED_MODE = 0o666;
/** While it is made, a file is its owner's alone. */
export const WORK_MODE = 0o600;

/** What a SparseFile is made of, all of it opened already and released by it. */
export interface SparseFileParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly torrent: Torrent;
  readonly target: Target;
  readonly overwrite: boolean;
  readonly file: DiskFile;
  readonly journal: Journal;
  readonly committer: Committer;
  readonly lock: Lock;
  readonly recovery: Recovery;
}

/** A download's file while it is made: sparse, its parts written wherever they belong, in any order. */
export class SparseFile implements PartStore, AsyncDisposable {
  readonly recovered: Bitfield;
  /** What opening it cost, and why. */
  readonly recheck: Pick<Recovery, "bytesHashed" | "reason">;
  readonly #parts: SparseFileParts;
  /** Parts whose bytes this process has seen to be right, on their way to the file or in it. */
  readonly #proven: Bitfield;
  readonly #slots = new Slots(WRITES_IN_FLIGHT_MAX);
  readonly #inFlight = new Set<Promise<void>>();
  #publishing: Promise<void> | undefined;
  #state: "open" | "published" | "closed" = "open";

  constructor(parts: SparseFileParts) {
    const { have, proven, bytesHashed, reason } = parts.recovery;
    this.#parts = parts;
    this.recovered = have.copy();
    this.recheck = { bytesHashed, reason };
    this.#proven = proven.copy();
  }

  /** Where the file stands once it is published; absolute, links resolved. */
  get path(): string {
    return this.#parts.target.path;
  }

  /** @returns the published file, all its parts verified, for serving it without hashing it again
   * @throws {StorageError} io */
  async verified(): Promise<VerifiedFile> {
    assert(this.#state === "published", "Only a published file is final");
    const { file, clock, torrent } = this.#parts;
    const identity = await settledIdentity(clock, file, undefined);
    return { identity, parts: Bitfield.full(torrent.geometry.partCount) };
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    const { file, target } = this.#parts;
    const bytes = await readFully(file, into, offset);
    if (bytes < into.length) {
      throw new StorageError(
        "short_read",
        `Cannot read ${target.workPath}: it ends at ${offset + bytes}, before ${offset + into.length}`,
      );
    }
  }

  async write(verified: VerifiedRun): Promise<void> {
    const done = this.#slots.run(() => this.#write(verified));
    this.#inFlight.add(done);
    try {
      await done;
    } finally {
      this.#inFlight.delete(done);
    }
  }

  async #write({ run, bytes }: VerifiedRun): Promise<void> {
    const { torrent, file, journal, committer, target } = this.#parts;
    if (this.#state !== "open") {
      throw new StorageError("io", `Cannot write ${target.workPath}: it is ${this.#state}`);
    }
    committer.throwIfFailed();
    const { offset, length } = torrent.geometry.runRange(run);
    assert(bytes.length === length, "A run comes with exactly its bytes");
    journal.intend(run);
    await writeFully(file, bytes, offset);
    this.#proven.setRun(run.first, run.count);
    committer.wrote(run);
  }

  sink(onWritten?: (run: PartRun) => void): WritableStream<VerifiedRun> {
    return createPartSink((verified) => this.write(verified), onWritten);
  }

  async commit(): Promise<void> {
    await this.#parts.committer.commit();
  }

  async publish(options: PublishOptions = {}): Promise<void> {
    this.#publishing ??= this.#publish(options);
    try {
      await this.#publishing;
    } finally {
      this.#publishing = undefined;
    }
  }

  async #publish(options: PublishOptions): Promise<void> {
    if (this.#state === "published") return;
    const { disk, file, journal, committer, target, overwrite } = this.#parts;
    await this.#settle();
    await committer.sync();
    assert(committer.have.isFull, "Only a complete file is published");
    await this.#prove(options);
    const onDisk = await disk.facts(target.workPath);
    const { identity } = await file.facts();
    if (onDisk === undefined || !isSameFile(onDisk.identity, identity)) {
      throw new StorageError(
        "changed",
        `Cannot publish ${target.workPath}: another file stands there by now`,
      );
    }
    await file.chmod(PUBLISHED_MODE & ~process.umask());
    try {
      await file.datasync();
      await publishWork(disk, target, { overwrite });
    } catch (cause) {
      await file.chmod(WORK_MODE);
      throw cause;
    }
    this.#state = "published";
    committer.stop();
    await journal.remove();
    await disk.syncDirectory(target.directory);
  }

  /** Hashes what was only believed: bytes that another run wrote may have changed since. */
  async #prove(options: PublishOptions): Promise<void> {
    const { torrent, file, committer, target } = this.#parts;
    const { partCount, fileBytes } = torrent.geometry;
    const { size } = (await file.facts()).identity;
    if (size !== BigInt(fileBytes)) {
      throw new StorageError(
        "changed",
        `Cannot publish ${target.workPath}: it has ${size} bytes, expected ${fileBytes}`,
      );
    }
    const believed = Bitfield.full(partCount);
    removeAll(believed, this.#proven);
    const wrong = believed.copy();
    removeAll(wrong, await verifyFile(torrent, file, { ...options, parts: believed }));
    if (wrong.isEmpty) return;
    await committer.retract(wrong);
    throw new IntegrityError(
      "file_mismatch",
      `Cannot publish ${target.workPath}: ${wrong.count} parts on disk are not what was written; they will be fetched again`,
    );
  }

  async #settle(): Promise<void> {
    await Promise.allSettled(this.#inFlight);
  }

  /** Saves the progress and lets everything go, after the writes and the publishing under way. Calling it twice does nothing.
   * @throws {StorageError} when the progress could not be saved; everything is let go even then */
  async close(): Promise<void> {
    await Promise.allSettled([this.#publishing]);
    const before = this.#state;
    if (before === "closed") return;
    this.#state = "closed";
    const { file, journal, committer, lock } = this.#parts;
    try {
      await this.#settle();
      if (before === "open") await committer.finish();
    } finally {
      committer.stop();
      // Their bytes are synced or given up by now: nothing that closing might report matters more than the lock.
      await Promise.allSettled([journal.close(), file.close()]);
      await lock.release();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
