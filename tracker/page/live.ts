import type { Logger } from "@logtape/logtape";
import type { Clock } from "../clock.ts";

/** So many may listen at a time: each holds a connection. */
export const LISTENERS_MAX = 200;
/** Everybody hears something so often, and much more often than the server closes silent connections. */
const TICK_MS = 1000;
/** How long a browser waits before it connects again. */
const RETRY_MS = 3000;
/** What may wait for a listener's socket before the listener is dropped: about a minute of ticks. */
const UNREAD_BYTES_MAX = 64 * 1024;

interface Listener {
  /** @returns false when it reads too slowly */
  readonly send: (frame: Uint8Array) => boolean;
  readonly close: () => void;
}

/** Tells all listeners the same, once a second, as server-sent events. While nobody listens, nothing runs. */
export class Live {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #read: () => Promise<unknown>;
  readonly #signal: AbortSignal;
  readonly #listeners = new Set<Listener>();
  #ticking: AbortController | undefined;

  /** @param read what to tell, made JSON
   * @param options.signal ends all streams, and lets nobody listen any more */
  constructor(
    clock: Clock,
    log: Logger,
    read: () => Promise<unknown>,
    { signal }: { readonly signal: AbortSignal },
  ) {
    this.#clock = clock;
    this.#log = log;
    this.#read = read;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#close(), { once: true });
  }

  /** How many listen. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Lets one more listen: it hears at once how things stand, then every second, until it goes.
   * @param gone aborts when the listener is not there any more
   * @returns undefined when there are too many, or no more are wanted */
  async listen(gone: AbortSignal): Promise<ReadableStream<Uint8Array> | undefined> {
    if (this.#listeners.size >= LISTENERS_MAX || this.#signal.aborted) return undefined;
    const { listener, stream } = this.#open();
    gone.addEventListener("abort", () => this.#drop(listener), { once: true });
    this.#add(listener);
    if (gone.aborted) this.#drop(listener);
    const frame = await this.#frame(`retry: ${RETRY_MS}\n`);
    if (this.#listeners.has(listener)) listener.send(frame);
    return stream;
  }

  #open(): { readonly listener: Listener; readonly stream: ReadableStream<Uint8Array> } {
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    const listener: Listener = {
      send: (frame) => {
        if (controller === undefined || (controller.desiredSize ?? 0) < frame.length) return false;
        controller.enqueue(frame);
        return true;
      },
      close: () => controller?.close(),
    };
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (given) => {
          controller = given;
        },
        cancel: () => {
          controller = undefined;
          this.#drop(listener);
        },
      },
      { highWaterMark: UNREAD_BYTES_MAX, size: (chunk) => chunk?.length ?? 0 },
    );
    return { listener, stream };
  }

  #add(listener: Listener): void {
    this.#listeners.add(listener);
    if (this.#ticking !== undefined) return;
    this.#ticking = new AbortController();
    void this.#tick(this.#ticking.signal);
  }

  #drop(listener: Listener): void {
    if (!this.#listeners.delete(listener)) return;
    listener.close();
    if (this.#listeners.size > 0) return;
    this.#ticking?.abort();
    this.#ticking = undefined;
  }

  #close(): void {
    for (const listener of [...this.#listeners]) this.#drop(listener);
  }

  async #tick(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#clock.sleep(TICK_MS, { signal });
      const frame = signal.aborted ? undefined : await this.#frame();
      if (frame === undefined || signal.aborted) return;
      for (const listener of [...this.#listeners]) {
        // Its connection goes when it has read the rest; when it never does, the server's own patience ends.
        if (!listener.send(frame)) this.#drop(listener);
      }
    }
  }

  /** Figures that cannot be had are no reason to hang up: a comment keeps the connection. */
  async #frame(head = ""): Promise<Uint8Array> {
    try {
      return ENCODER.encode(`${head}data: ${JSON.stringify(await this.#read())}\n\n`);
    } catch (error) {
      this.#log.debug("Cannot tell listeners the figures: {error}", { error });
      return ENCODER.encode(`${head}: no figures\n\n`);
    }
  }
}

const ENCODER = new TextEncoder();
