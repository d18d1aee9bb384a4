import { Bitfield } from "../../protocol/bitfield.ts";
import { assert } from "../../protocol/errors.ts";
import type { ByteRange, Geometry, PartRun } from "../../protocol/geometry.ts";
import type { HeldRun } from "./receive.ts";

/** Verified bytes that come next. */
export interface OrderedBytes {
  readonly bytes: Uint8Array;
  /** They were written: gives their memory back. */
  done(): void;
}

/** Verified runs in any order to a range of the file's bytes in order: what a pipe has in place of a file.
 *
 * It keeps a run's memory from `take` until the reader is done with its bytes. It never holds back who gives it a run: how
 * much may come is decided before it is asked for (swarm/window.ts). */
export class OrderedRuns implements Disposable {
  /** The range's bytes, each once, run by run as they become the next; ends with the range. */
  readonly readable: ReadableStream<OrderedBytes>;
  readonly #geometry: Geometry;
  readonly #range: ByteRange;
  /** The first part that is not given out yet, and the first that is not wanted. */
  #next: number;
  readonly #end: number;
  /** Runs that wait, by their first part. */
  readonly #waiting: HeldRun[] = [];
  readonly #reading = new Set<HeldRun>();
  #onTaken: ((run: PartRun) => void) | undefined;
  #wake: (() => void) | undefined;
  #isOver = false;

  /** @param range lies within the file */
  constructor(geometry: Geometry, range: ByteRange) {
    const { offset, length } = range;
    assert(offset >= 0 && offset + length <= geometry.fileBytes, "A range lies within the file");
    this.#geometry = geometry;
    this.#range = range;
    this.#next = Math.floor(offset / geometry.partBytes);
    this.#end = length === 0 ? this.#next : Math.ceil((offset + length) / geometry.partBytes);
    this.readable = new ReadableStream<OrderedBytes>(
      { pull: (controller) => this.#pull(controller), cancel: () => this[Symbol.dispose]() },
      { highWaterMark: 0 },
    );
  }

  /** @returns the parts that are outside the range */
  unwanted(): Bitfield {
    const bits = Bitfield.full(this.#geometry.partCount);
    for (let part = this.#next; part < this.#end; part++) bits.clear(part);
    return bits;
  }

  /** Whether it is the reader that is waited for: what comes next is here. */
  get isReaderBehind(): boolean {
    return this.#reading.size > 0 || this.#isNextHere();
  }

  /** @param listener is told each run that was taken once its memory is free again */
  onTaken(listener: (run: PartRun) => void): void {
    this.#onTaken = listener;
  }

  /** Takes a verified run, and its memory. Parts of it may have come before. */
  take(held: HeldRun): void {
    if (this.#isOver) {
      held.release();
      return;
    }
    held.keep();
    let at = this.#waiting.length;
    while (at > 0 && (this.#waiting[at - 1]?.run.first ?? 0) > held.run.first) at--;
    this.#waiting.splice(at, 0, held);
    if (this.#isNextHere()) this.#wake?.();
  }

  /** Gives all memory back; whoever still reads it must be through. */
  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#wake?.();
    for (const held of [...this.#waiting.splice(0), ...this.#reading]) held.release();
    this.#reading.clear();
  }

  async #pull(controller: ReadableStreamDefaultController<OrderedBytes>): Promise<void> {
    while (!this.#isOver && this.#next < this.#end) {
      if (!this.#isNextHere()) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const held = this.#waiting.shift();
      assert(held !== undefined, "What is next is here");
      const bytes = this.#cut(held);
      this.#next = Math.max(this.#next, held.run.first + held.run.count);
      this.#reading.add(held);
      const done = () => this.#done(held);
      if (bytes.length > 0) {
        controller.enqueue({ bytes, done });
        return;
      }
      // All of it came another way meanwhile.
      done();
    }
    if (!this.#isOver) controller.close();
  }

  /** @returns of a run's bytes, those that are in the range and were not given out yet */
  #cut({ run, bytes }: HeldRun): Uint8Array {
    const { offset, length } = this.#geometry.runRange(run);
    const from = Math.max(offset, this.#next * this.#geometry.partBytes, this.#range.offset);
    const to = Math.min(offset + length, this.#range.offset + this.#range.length);
    return bytes.subarray(Math.min(from - offset, length), Math.max(from, to) - offset);
  }

  #done(held: HeldRun): void {
    if (!this.#reading.delete(held)) return;
    held.release();
    this.#onTaken?.(held.run);
  }

  #isNextHere(): boolean {
    const [first] = this.#waiting;
    return first !== undefined && first.run.first <= this.#next;
  }
}
