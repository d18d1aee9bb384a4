import { RateMeter } from "./rate-meter.ts";
import type { Rules } from "./rules.ts";

/** How much of what is sent may wait on its way, and how often it is asked what has arrived: the same for everybody that we
 * send to.
 *
 * Each mark, and the frame that it stands behind, takes time of both ends, of which one that moves much has none to spare; on a
 * slow line they stand closer than this asks for anyway. And who moves much and is late himself measures his machine, not lines. */
export class SendPace {
  readonly #rules: Rules;
  readonly #sent = new RateMeter(0);
  #windowMs: number;
  #markBytesMin = 0;

  constructor(rules: Rules) {
    this.#rules = rules;
    this.#windowMs = rules.sendWindowMs;
  }

  /** How long what is sent may wait on its way, in milliseconds; with infinity any amount may be under way. */
  get windowMs(): number {
    return this.#windowMs;
  }

  /** Behind fewer bytes than this no mark is due, to who takes so many in a moment. */
  get markBytesMin(): number {
    return this.#markBytesMin;
  }

  /** Some bytes go out, to whomever. */
  onSent(bytes: number, nowMs: number): void {
    this.#sent.add(bytes, nowMs);
  }

  /** Time passed. */
  review({ isReceiving, isLate }: OwnState, nowMs: number): void {
    const { duplexWindowMs, sendWindowMs } = this.#rules;
    const bytesPerSecond = this.#sent.bytesPerSecond(nowMs);
    const isBusy = isLate && bytesPerSecond >= BUSY_BYTES_PER_SECOND;
    this.#windowMs = isReceiving && !isBusy ? duplexWindowMs : sendWindowMs;
    this.#markBytesMin = bytesPerSecond / MARKS_PER_SECOND;
  }
}

/** What matters of ourselves for how others are served. */
export interface OwnState {
  /** Whether something comes to us. */
  readonly isReceiving: boolean;
  /** Whether our machine keeps us waiting. */
  readonly isLate: boolean;
}

/** Behind all that goes out. */
const MARKS_PER_SECOND = 128;
/** With less it may well be a line that is slow. */
const BUSY_BYTES_PER_SECOND = 4 * 1024 * 1024;
