/** A line of so many bytes a second that several share, in turns of SLICE_BYTES. Whoever's bytes it has enough of is told to
 * wait: what comes then stays in the kernels of those who send it. */
export class Line {
  readonly #bytesPerSecond: number;
  readonly #sharers: Sharer[] = [];
  #freeAtMs = 0;
  #timer: Timer | undefined;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** @param onOut gets the bytes when they are through */
  share(onOut: (bytes: Uint8Array) => void, onRoom: () => void): Share {
    const sharer: Sharer = { waiting: [], waitingBytes: 0, onOut, onRoom };
    return {
      put: (bytes) => {
        sharer.waiting.push(bytes);
        sharer.waitingBytes += bytes.length;
        if (!this.#sharers.includes(sharer)) this.#sharers.push(sharer);
        this.#wait();
      },
      isFull: () => sharer.waitingBytes >= WAITING_BYTES_MAX,
      isEmpty: () => sharer.waitingBytes === 0,
    };
  }

  #wait(): void {
    if (this.#timer !== undefined || this.#sharers.length === 0) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#carry();
        this.#wait();
      },
      Math.max(0, this.#freeAtMs - performance.now()),
    );
  }

  /** All that is due by now: timers come late. */
  #carry(): void {
    const nowMs = performance.now();
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs - LATE_MS_MAX);
    while (this.#freeAtMs <= nowMs) {
      const sharer = this.#sharers.shift();
      if (sharer === undefined) return;
      const [first = new Uint8Array(0), ...rest] = sharer.waiting;
      const slice = first.subarray(0, SLICE_BYTES);
      sharer.waiting = slice.length < first.length ? [first.subarray(SLICE_BYTES), ...rest] : rest;
      sharer.waitingBytes -= slice.length;
      this.#freeAtMs += (slice.length * 1000) / this.#bytesPerSecond;
      if (sharer.waiting.length > 0) this.#sharers.push(sharer);
      sharer.onOut(slice);
      if (sharer.waitingBytes < WAITING_BYTES_MAX) sharer.onRoom();
    }
  }
}

export interface Share {
  put(bytes: Uint8Array): void;
  /** Whether it should get no more before there is room. */
  isFull(): boolean;
  isEmpty(): boolean;
}

interface Sharer {
  waiting: Uint8Array[];
  waitingBytes: number;
  readonly onOut: (bytes: Uint8Array) => void;
  readonly onRoom: () => void;
}

const SLICE_BYTES = 16 * 1024;
const WAITING_BYTES_MAX = 64 * 1024;
/** What a late timer may make up for. */
const LATE_MS_MAX = 50;
