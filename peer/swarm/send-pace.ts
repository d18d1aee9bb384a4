import { RateMeter } from "./rate-meter.ts";
import type { Rules } from "./rules.ts";

/** How much of what is sent may wait on its way, and how often it is asked what has arrived: the same for everybody that we
 * send to.
 *
 * Each mark, and the frame that it stands behind, takes time of both ends, of which one that moves much has none to spare; on a
 * slow line they stand closer than this asks for anyway. And who is late himself measures his machine, not lines. */
export class SendPace {
  readonly #rules: Rules;
  readonly #sent = new RateMeter(0);
  #windowMs: number;
  /** Of all that goes out, what stands behind one mark. */
  #shareBytes = 0;
  #leastBytes = MARK_BYTES_MIN;

  constructor(rules: Rules) {
    this.#rules = rules;
    this.#windowMs = rules.sendWindowMs;
  }

  /** How long what is sent may wait on its way, in milliseconds; with infinity any amount may be under way. */
  get windowMs(): number {
    return this.#windowMs;
  }

  /** Behind how many bytes a mark is due at the earliest: of one who is slow beside fast ones it has to be known in a moment,
   * too.
   * @param bytesPerSecond what the remote takes */
  markBytesMin(bytesPerSecond: number): number {
    const momentBytes = (bytesPerSecond * MARK_MS_MAX) / 1000;
    return Math.floor(Math.max(Math.min(this.#shareBytes, momentBytes), this.#leastBytes));
  }

  /** Some bytes go out, to whomever. */
  onSent(bytes: number, nowMs: number): void {
    this.#sent.add(bytes, nowMs);
  }

  /** Time passed. */
  review({ isReceiving, lateMs }: OwnState, nowMs: number): void {
    const { duplexWindowMs, sendWindowMs } = this.#rules;
    const bytesPerSecond = this.#sent.bytesPerSecond(nowMs);
    const movesMuch = bytesPerSecond >= MUCH_BYTES_PER_SECOND;
    const overdueMs = lateMs - (movesMuch ? LATE_MS_BUSY : LATE_MS);
    this.#windowMs = isReceiving && !(movesMuch && overdueMs >= 0) ? duplexWindowMs : sendWindowMs;
    this.#shareBytes = bytesPerSecond / MARKS_PER_SECOND;
    const leastBytes = MARK_BYTES_MIN + Math.max(overdueMs, 0) * MARK_BYTES_PER_MS;
    this.#leastBytes = Math.min(leastBytes, MARK_BYTES_LATE_MAX);
  }
}

/** What matters of ourselves for how others are served. */
export interface OwnState {
  /** Whether something comes to us. */
  readonly isReceiving: boolean;
  /** For how long our machine keeps us waiting, in milliseconds. */
  readonly lateMs: number;
}

/** Behind all that goes out. */
const MARKS_PER_SECOND = 128;
const MARK_MS_MAX = 125;
/** Two of them may be under way: more than a slow line takes in its time, and it would be seconds of one that many share. */
const MARK_BYTES_MIN = 16 * 1024;
/** With less it may well be a line that is slow. */
const MUCH_BYTES_PER_SECOND = 4 * 1024 * 1024;
const LATE_MS_BUSY = 10;
/** Later than this only a machine with far too much to do is: its processor is shared out, not its line. */
const LATE_MS = 30;
/** The later, the fewer marks. */
const MARK_BYTES_PER_MS = 16 * 1024;
const MARK_BYTES_LATE_MAX = 1024 * 1024;
