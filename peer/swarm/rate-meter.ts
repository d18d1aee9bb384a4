/** How fast bytes came over the last seconds; forgets what is older, so a stall shows within the window. */
export class RateMeter {
  readonly #startedAtMs: number;
  readonly #buckets = new Float64Array(BUCKETS);
  #bucket: number;
  #bytes = 0;

  constructor(nowMs: number) {
    this.#startedAtMs = nowMs;
    this.#bucket = Math.floor(nowMs / BUCKET_MS);
  }

  /** Bytes in all. */
  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: number, nowMs: number): void {
    this.#forget(nowMs);
    this.#bytes += bytes;
    const at = this.#bucket % BUCKETS;
    this.#buckets[at] = (this.#buckets[at] ?? 0) + bytes;
  }

  /** @param sinceMs when it began to matter
   * @returns bytes a second over the window, or since then where that is shorter */
  bytesPerSecond(nowMs: number, sinceMs = this.#startedAtMs): number {
    this.#forget(nowMs);
    let bytes = 0;
    for (const bucket of this.#buckets) bytes += bucket;
    const ageMs = Math.max(nowMs - sinceMs, AGE_MS_MIN);
    const windowMs = (BUCKETS - 1) * BUCKET_MS + (nowMs % BUCKET_MS);
    return (bytes * 1000) / Math.min(ageMs, windowMs);
  }

  #forget(nowMs: number): void {
    const bucket = Math.floor(nowMs / BUCKET_MS);
    const passed = Math.min(bucket - this.#bucket, BUCKETS);
    for (let step = 1; step <= passed; step++) this.#buckets[(this.#bucket + step) % BUCKETS] = 0;
    this.#bucket = Math.max(bucket, this.#bucket);
  }
}

const BUCKET_MS = 250;
const BUCKETS = 16;
/** A younger meter divides by this, lest the first bytes look infinitely fast. */
const AGE_MS_MIN = 50;
