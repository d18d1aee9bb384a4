import { assert } from "../../protocol/errors.ts";

/** Where a run's bytes are put together. */
export interface PartBuffer {
  /** Exactly as long as was asked for; what stands in it at first is left over from others. */
  readonly bytes: Uint8Array;
  /** False from `release` on: what stands in it then is another's. */
  readonly isHeld: boolean;
  /** Gives it back; from then on it is another's. Calling it twice does nothing. */
  release(): void;
}

/** Who gives buffers. */
export interface BufferSource {
  /** @param bytes at least 1
   * @returns undefined when there is no room now, or others wait for some */
  tryTake(bytes: number): PartBuffer | undefined;

  /** @param bytes at least 1
   * @returns a buffer, as soon as those who came before have theirs and there is room
   * @throws the signal's reason */
  take(bytes: number, signal: AbortSignal): Promise<PartBuffer>;
}

/** Memory that runs are put together in while they arrive, the same again and again.
 *
 * It makes no garbage, and never grows beyond its limit: whoever finds no room waits, which holds the remotes back. It is
 * shared, so that another thread can hash in it without a copy. The lowest free bytes are given first, and it grows only as
 * far as was ever in use at once: the collector waits until there is as much garbage as there is of what lives, and what was
 * never grown is no part of that. */
export class PartBuffers implements BufferSource {
  readonly memory: SharedArrayBuffer;
  /** So many bytes can be given out at once. */
  readonly bytesMax: number;
  /** Ascending, never touching each other. */
  readonly #free: FreeRange[];
  readonly #waiting: Waiter[] = [];

  /** @param bytesMax no buffer can be larger */
  constructor(bytesMax: number) {
    this.bytesMax = aligned(bytesMax);
    this.memory = new SharedArrayBuffer(0, { maxByteLength: this.bytesMax });
    this.#free = [{ offset: 0, length: this.bytesMax }];
  }

  /** Bytes given out now. */
  get usedBytes(): number {
    return this.#free.reduce((used, { length }) => used - length, this.bytesMax);
  }

  tryTake(bytes: number): PartBuffer | undefined {
    return this.#waiting.length > 0 ? undefined : this.#take(bytes);
  }

  async take(bytes: number, signal: AbortSignal): Promise<PartBuffer> {
    assert(bytes <= this.bytesMax, "A buffer fits the memory");
    signal.throwIfAborted();
    const given = Promise.withResolvers<PartBuffer>();
    const waiter = { bytes, give: given.resolve };
    const onAbort = () => {
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      given.reject(signal.reason);
      this.#serveWaiting();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiting.push(waiter);
    this.#serveWaiting();
    try {
      return await given.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #take(bytes: number): PartBuffer | undefined {
    const length = aligned(bytes);
    const at = this.#free.findIndex((range) => range.length >= length);
    const range = this.#free[at];
    if (range === undefined) return undefined;
    const { offset } = range;
    if (range.length === length) this.#free.splice(at, 1);
    else this.#free[at] = { offset: offset + length, length: range.length - length };
    this.#growTo(offset + length);
    let isHeld = true;
    return {
      bytes: new Uint8Array(this.memory, offset, bytes),
      get isHeld() {
        return isHeld;
      },
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#giveBack({ offset, length });
        this.#serveWaiting();
      },
    };
  }

  #growTo(end: number): void {
    if (end <= this.memory.byteLength) return;
    this.memory.grow(Math.min(this.bytesMax, Math.ceil(end / GROWTH_BYTES) * GROWTH_BYTES));
  }

  #giveBack(range: FreeRange): void {
    let at = this.#free.findIndex(({ offset }) => offset > range.offset);
    if (at < 0) at = this.#free.length;
    const [before, after] = [this.#free[at - 1], this.#free[at]];
    const joinsBefore = before !== undefined && endOf(before) === range.offset;
    const joinsAfter = after !== undefined && endOf(range) === after.offset;
    const joined = {
      offset: joinsBefore ? before.offset : range.offset,
      length: range.length + (joinsBefore ? before.length : 0) + (joinsAfter ? after.length : 0),
    };
    const start = joinsBefore ? at - 1 : at;
    this.#free.splice(start, (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), joined);
  }

  #serveWaiting(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const buffer = this.#take(next.bytes);
      if (buffer === undefined) return;
      this.#waiting.shift();
      next.give(buffer);
    }
  }
}

/** Buffers that take the same memory each, whatever is asked: a place that is free fits whatever comes next. That holds
 * while nobody else takes from the same memory. */
export class EqualBuffers implements BufferSource {
  /** How many there can be at once. */
  readonly count: number;
  readonly #buffers: PartBuffers;
  readonly #bytes: number;

  /** @param bytes the most that will be asked for */
  constructor(buffers: PartBuffers, bytes: number) {
    this.#buffers = buffers;
    this.#bytes = bytes;
    this.count = Math.floor(buffers.bytesMax / aligned(bytes));
  }

  tryTake(bytes: number): PartBuffer | undefined {
    const buffer = this.#buffers.tryTake(this.#bytes);
    return buffer === undefined ? undefined : beginningOf(buffer, bytes);
  }

  async take(bytes: number, signal: AbortSignal): Promise<PartBuffer> {
    return beginningOf(await this.#buffers.take(this.#bytes, signal), bytes);
  }
}

function beginningOf(buffer: PartBuffer, bytes: number): PartBuffer {
  return {
    bytes: buffer.bytes.subarray(0, bytes),
    get isHeld() {
      return buffer.isHeld;
    },
    release: () => buffer.release(),
  };
}

/** A buffer of a connection. */
export interface HeldBuffer extends PartBuffer {
  /** From now on it is not given back with the connection's others, but by `release` alone. */
  keep(): void;
}

/** The buffers of one connection: given back together when it is over, wherever in its pipeline a run was by then. */
export class HeldBuffers implements Disposable {
  readonly #buffers: BufferSource;
  readonly #held = new Set<HeldBuffer>();
  #isOver = false;

  constructor(buffers: BufferSource) {
    this.#buffers = buffers;
  }

  /** @returns as BufferSource.tryTake */
  tryTake(bytes: number): HeldBuffer | undefined {
    const buffer = this.#buffers.tryTake(bytes);
    return buffer === undefined ? undefined : this.#hold(buffer);
  }

  /** @returns as BufferSource.take */
  async take(bytes: number, signal: AbortSignal): Promise<HeldBuffer> {
    return this.#hold(await this.#buffers.take(bytes, signal));
  }

  #hold(buffer: PartBuffer): HeldBuffer {
    const held: HeldBuffer = {
      bytes: buffer.bytes,
      get isHeld() {
        return buffer.isHeld;
      },
      release: () => {
        this.#held.delete(held);
        buffer.release();
      },
      keep: () => {
        this.#held.delete(held);
      },
    };
    this.#held.add(held);
    if (this.#isOver) held.release();
    return held;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const buffer of [...this.#held]) buffer.release();
  }
}

interface FreeRange {
  readonly offset: number;
  readonly length: number;
}

interface Waiter {
  readonly bytes: number;
  readonly give: (buffer: PartBuffer) => void;
}

/** It grows by so much at least: a call to the system for each. */
const GROWTH_BYTES = 1024 * 1024;
/** No two buffers share a line of the processor's cache. */
const ALIGN_BYTES = 64;

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES;
}

function endOf(range: FreeRange): number {
  return range.offset + range.length;
}
