/** What comes in from everybody together, and whether that is about what our line carries.
 *
 * Where it is, everybody looks slow who shares it, and what is taken from one to be asked of another comes no sooner: what
 * had come of it has only come for nothing. */
export class Intake {
  readonly #fullShare: number;
  /** Bytes of each BUCKET_MS of the last while, the newest last; that of now is not over. */
  readonly #buckets: number[] = [];
  #bucket: number | undefined;
  #bestBytes = 0;

  /** @param fullShare of the most that came lately: with so much the line is taken to be full; infinity is never */
  constructor(fullShare: number) {
    this.#fullShare = fullShare;
  }

  onArrived(bytes: number, nowMs: number): void {
    this.#forget(nowMs);
    const last = this.#buckets.length - 1;
    this.#buckets[last] = (this.#buckets[last] ?? 0) + bytes;
  }

  /** Whether as much comes just now, or nearly, as ever came lately over some seconds. */
  isFull(nowMs: number): boolean {
    if (this.#bucket === undefined) return false;
    this.#forget(nowMs);
    const end = this.#buckets.length - 1;
    if (end < SPAN) return false;
    const recent = this.#mean(end - RECENT, end);
    return recent > 0 && recent >= this.#bestBytes * this.#fullShare;
  }

  /** Whether anything comes just now. */
  isFlowing(nowMs: number): boolean {
    if (this.#bucket === undefined) return false;
    this.#forget(nowMs);
    return this.#buckets.slice(-RECENT - 1).some((bytes) => bytes > 0);
  }

  /** @returns the most that came over SPAN, of which each is over */
  #best(): number {
    let bytes = 0;
    let best = 0;
    for (let at = 0; at < this.#buckets.length - 1; at++) {
      bytes += (this.#buckets[at] ?? 0) - (this.#buckets[at - SPAN] ?? 0);
      best = Math.max(best, bytes / SPAN);
    }
    return best;
  }

  #mean(from: number, end: number): number {
    let bytes = 0;
    for (let at = Math.max(0, from); at < end; at++) bytes += this.#buckets[at] ?? 0;
    return bytes / (end - from);
  }

  #forget(nowMs: number): void {
    const bucket = Math.floor(nowMs / BUCKET_MS);
    if (bucket === this.#bucket) return;
    const first = Math.max((this.#bucket ?? bucket - 1) + 1, bucket - BUCKETS);
    for (let at = first; at <= bucket; at++) this.#buckets.push(0);
    this.#bucket = bucket;
    this.#buckets.splice(0, this.#buckets.length - BUCKETS);
    // What is over does not change any more, and this is asked for every peer at each tick.
    this.#bestBytes = this.#best();
  }
}

const BUCKET_MS = 250;
/** A minute. */
const BUCKETS = 240;
/** Over this long the most that came is looked for: what the buffers of a line let through at once is no rate. */
const SPAN = 16;
/** What comes just now: over less, a packet that was lost and comes again would show. */
const RECENT = 6;
