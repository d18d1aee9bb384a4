import { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry, PartRun } from "../../protocol/geometry.ts";
import type { Clock } from "../clock.ts";
import { addAll, removeAll } from "./bits.ts";
import type { DiskFile } from "./disk.ts";
import { type Journal, toSavedFile } from "./resume.ts";

/** Turns parts that were written into parts that are had: first their bytes are synced, then the bitmap says so, never
 * the other way round. One commit at a time; on its own every COMMIT_BYTES and COMMIT_MS. */

const COMMIT_BYTES = 64 * 1024 * 1024;
const COMMIT_MS = 1000;

export class Committer {
  readonly #geometry: Geometry;
  readonly #file: DiskFile;
  readonly #journal: Journal;
  readonly #clock: Clock;
  #have: Bitfield;
  #written: PartRun[] = [];
  #writtenBytes = 0;
  #running: Promise<void> = Promise.resolve();
  #isDue = false;
  #timer: AbortController | undefined;
  #failure: unknown;

  constructor(geometry: Geometry, file: DiskFile, journal: Journal, clock: Clock, have: Bitfield) {
    this.#geometry = geometry;
    this.#file = file;
    this.#journal = journal;
    this.#clock = clock;
    this.#have = have;
  }

  /** Parts whose bytes are synced. */
  get have(): Bitfield {
    return this.#have;
  }

  /** @throws what made a commit fail: a sync that failed once may pass the next time without having synced anything, so
   * the download goes on only by being opened again */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Takes note of a finished write. */
  wrote(run: PartRun): void {
    this.#written.push(run);
    this.#writtenBytes += this.#geometry.runRange(run).length;
    if (this.#writtenBytes >= COMMIT_BYTES) this.#commitInBackground();
    else this.#startTimer();
  }

  #startTimer(): void {
    if (this.#timer !== undefined || this.#isDue) return;
    const timer = new AbortController();
    this.#timer = timer;
    this.#clock.sleep(COMMIT_MS, { signal: timer.signal, background: true }).then(
      () => this.#commitInBackground(),
      () => undefined,
    );
  }

  #commitInBackground(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    // A failure is kept: the next write, commit or close reports it.
    this.commit().catch(() => undefined);
  }

  /** Brings all that was written so far to the disk and records it.
   * @throws {StorageError} no_space, denied, io: what was written since the last commit counts as unsaved */
  commit(): Promise<void> {
    return this.#afterRunning(() => this.#commitOnce());
  }

  /** Only syncs: for a file that is published next and needs no record of it.
   * @throws {StorageError} as `commit` */
  sync(): Promise<void> {
    return this.#afterRunning(async () => {
      await this.#syncOnce();
    });
  }

  /** Takes parts back that turned out wrong, and records it. */
  retract(parts: Bitfield): Promise<void> {
    return this.#afterRunning(async () => {
      const have = this.#have.copy();
      removeAll(have, parts);
      this.#have = have;
      await this.#save({ isClean: false, last: new Bitfield(have.length) });
    });
  }

  /** The last commit: records that the work ended in order. */
  finish(): Promise<void> {
    return this.#afterRunning(async () => {
      await this.#commitOnce();
      await this.#save({ isClean: true, last: new Bitfield(this.#have.length) });
    });
  }

  /** No commit starts on its own any more. */
  stop(): void {
    this.#timer?.abort();
    this.#timer = undefined;
  }

  async #afterRunning(step: () => Promise<void>): Promise<void> {
    const before = this.#running;
    const done = before.then(async () => {
      this.throwIfFailed();
      try {
        await step();
      } catch (cause) {
        this.#failure ??= cause;
        throw cause;
      }
    });
    this.#running = done.catch(() => undefined);
    await done;
  }

  async #commitOnce(): Promise<void> {
    this.#isDue = false;
    const last = await this.#syncOnce();
    if (!last.isEmpty) await this.#save({ isClean: false, last });
  }

  /** @returns the parts that are had from now on */
  async #syncOnce(): Promise<Bitfield> {
    this.stop();
    const runs = this.#written;
    this.#written = [];
    this.#writtenBytes = 0;
    const last = new Bitfield(this.#have.length);
    if (runs.length === 0) return last;
    try {
      await this.#file.datasync();
    } catch (cause) {
      for (const run of runs) this.#journal.forget(run);
      throw cause;
    }
    for (const { first, count } of runs) last.setRun(first, count);
    const have = this.#have.copy();
    addAll(have, last);
    this.#have = have;
    return last;
  }

  async #save(state: { readonly isClean: boolean; readonly last: Bitfield }): Promise<void> {
    const { identity } = await this.#file.facts();
    await this.#journal.save({ ...state, have: this.#have, file: toSavedFile(identity) });
  }
}
