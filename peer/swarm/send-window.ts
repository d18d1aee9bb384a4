import type { PongMessage } from "../../protocol/messages.ts";
import { QueueDelay } from "./queue-delay.ts";
import type { SendPace } from "./send-pace.ts";

/** How much of what was sent to one remote is still under way, and how much may be.
 *
 * What a socket has taken is not there yet: kernels keep megabytes of each connection, which is seconds of a slow line. So
 * every now and then a ping goes out behind the data, a mark, and its pong says that all before it has arrived. As much
 * may be under way as the remote gets in the time of the way there and back and a little more: beyond that it only waits,
 * and makes others wait who could give it on. */
export class SendWindow {
  readonly #pace: PaceOfAll;
  readonly #random: (below: number) => number;
  /** Those that are not answered, the oldest first. */
  readonly #marks: Mark[] = [];
  #sentBytes = 0;
  #markedBytes = 0;
  #arrivedBytes = 0;
  #windowBytes: number;
  readonly #queue = new QueueDelay();
  #answeredAtMs = 0;
  #probedAtMs = Number.NEGATIVE_INFINITY;
  #leastMs = Number.POSITIVE_INFINITY;
  #bytesPerSecond: number | undefined;

  /** @param random a whole number from 0 to below the given one: nobody can answer a mark that he did not get */
  constructor(pace: PaceOfAll, random: (below: number) => number) {
    this.#pace = pace;
    const { windowMs } = pace;
    this.#windowBytes = Number.isFinite(windowMs) ? WINDOW_BYTES_FIRST : windowMs;
    this.#random = random;
  }

  /** Whether as much is under way as may be. What no mark stands behind yet does not count: nobody would say that it arrived. */
  get isFull(): boolean {
    return this.#markedBytes - this.#arrivedBytes >= this.#windowBytes;
  }

  /** What the remote took lately; undefined before anything has arrived. */
  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond;
  }

  /** Whether anything is known to have arrived, ever. */
  get isProven(): boolean {
    return this.#arrivedBytes > 0;
  }

  /** The shortest time from a mark to its answer, in milliseconds: the way there and back. 0 before the first. */
  get roundTripMs(): number {
    return Number.isFinite(this.#leastMs) ? this.#leastMs : 0;
  }

  /** Behind how many bytes a mark is due: no frame has to be larger. */
  get markBytes(): number {
    const wanted = Math.max(Math.floor(this.#windowBytes / MARKS_PER_WINDOW), this.#markBytesMin);
    return Math.min(wanted, MARK_BYTES_MAX);
  }

  get #markBytesMin(): number {
    return this.#pace.markBytesMin(this.#bytesPerSecond ?? 0);
  }

  /** A run is about to go out.
   * @returns the id of a ping that has to go before it, now and then, when nothing is under way that would hold it up: it
   * shows how long the way is */
  onServe(nowMs: number): number | undefined {
    if (this.#marks.length > 0 || nowMs - this.#probedAtMs < PROBE_MS) return undefined;
    this.#probedAtMs = nowMs;
    return this.#mark(nowMs);
  }

  /** Some bytes go out.
   * @returns the id of a ping that has to follow them, when it is time for one */
  onSent(bytes: number, nowMs: number): number | undefined {
    this.#sentBytes += bytes;
    return this.#sentBytes - this.#markedBytes < this.markBytes ? undefined : this.#mark(nowMs);
  }

  #mark(nowMs: number): number {
    this.#markedBytes = this.#sentBytes;
    const id = MARK_ID_MIN + this.#random(MARK_IDS);
    const [sentBytes, arrivedBytes] = [this.#sentBytes, this.#arrivedBytes];
    this.#marks.push({ id, sentBytes, arrivedBytes, atMs: nowMs });
    return id;
  }

  /** @returns bytes that have arrived, as is known since this pong; none when it answers no mark */
  onPong({ id, readAtMs }: PongMessage, nowMs: number): number {
    const at = this.#marks.findIndex((mark) => mark.id === id);
    const mark = this.#marks[at];
    if (mark === undefined) return 0;
    this.#marks.splice(0, at + 1);
    const bytes = mark.sentBytes - this.#arrivedBytes;
    this.#arrivedBytes = mark.sentBytes;
    this.#answeredAtMs = nowMs;
    const waitedMs = this.#queue.onAnswer(mark.atMs, readAtMs, nowMs);
    const tookMs = Math.max(nowMs - mark.atMs, TOOK_MS_MIN);
    this.#measure({ arrived: mark.sentBytes - mark.arrivedBytes, tookMs, waitedMs });
    return bytes;
  }

  /** @param seen.arrived all that came while a mark was under way: what the line carries, however long it is
   * @param seen.waitedMs of the time that it took, in queues on the way there */
  #measure(seen: {
    readonly arrived: number;
    readonly tookMs: number;
    readonly waitedMs: number;
  }): void {
    const { arrived, tookMs, waitedMs } = seen;
    this.#leastMs = Math.min(this.#leastMs, tookMs);
    if (arrived === 0) return;
    const rate = (arrived * 1000) / tookMs;
    const before = this.#bytesPerSecond ?? rate;
    this.#bytesPerSecond = before + (rate - before) * RATE_GAIN;
    const { windowMs } = this.#pace;
    const fitting = (arrived / tookMs) * (tookMs - waitedMs + windowMs);
    // Nothing waited on the way: the line may carry more, which only trying shows.
    const isFree = waitedMs < windowMs / 2;
    const windowBytes = Math.floor(isFree ? Math.max(fitting, 2 * arrived) : fitting);
    this.#windowBytes = Math.max(windowBytes, MARKS_PER_WINDOW_MIN * this.#markBytesMin);
  }

  /** For how long, in milliseconds, nothing is known to have arrived of what is under way; 0 when nothing is. */
  stuckMs(nowMs: number): number {
    const [oldest] = this.#marks;
    return oldest === undefined ? 0 : nowMs - Math.max(oldest.atMs, this.#answeredAtMs);
  }

  /** Bytes that have to arrive before the next answer is due; none behind a ping that went before a run. */
  get awaitedBytes(): number {
    const [oldest] = this.#marks;
    return oldest === undefined ? 0 : oldest.sentBytes - this.#arrivedBytes;
  }
}

/** What is the same for all. */
export type PaceOfAll = Pick<SendPace, "windowMs" | "markBytesMin">;

interface Mark {
  readonly id: number;
  /** Bytes that had been sent before it, and of those the ones that were known to have arrived then. */
  readonly sentBytes: number;
  readonly arrivedBytes: number;
  readonly atMs: number;
}

/** Before anything is known of the line: what a long one takes in its first round trips. */
const WINDOW_BYTES_FIRST = 128 * 1024;
/** With fewer the window opens in leaps, and what is measured is its own pauses. */
const MARKS_PER_WINDOW = 8;
/** Where marks are due that seldom. */
const MARKS_PER_WINDOW_MIN = 2;
const MARK_BYTES_MAX = 4 * 1024 * 1024;
const PROBE_MS = 1000;
const TOOK_MS_MIN = 1;
/** How much the last answer says of what the remote takes. */
const RATE_GAIN = 0.25;
/** Other pings have smaller ones. */
const MARK_ID_MIN = 2 ** 31;
const MARK_IDS = 2 ** 31;
