/** The bytes of a run as they arrived: large chunks as they are, small ones copied together, so that a remote that sends
 * byte by byte cannot make us hold an object for each. */
export class ChunkList {
  #chunks: Uint8Array[] = [];
  /** Where small chunks are gathered again and again, and how much of it is used. */
  #gathered: Uint8Array | undefined;
  #gatheredBytes = 0;

  /** @param chunk kept when it is large, copied when it is small */
  add(chunk: Uint8Array): void {
    if (chunk.length >= SMALL_BYTES) {
      this.#flush();
      this.#chunks.push(chunk);
      return;
    }
    if (this.#gatheredBytes + chunk.length > GATHER_BYTES) this.#flush();
    this.#gathered ??= new Uint8Array(GATHER_BYTES);
    this.#gathered.set(chunk, this.#gatheredBytes);
    this.#gatheredBytes += chunk.length;
  }

  /** @returns all of it, in order; the list is empty afterwards */
  take(): readonly Uint8Array[] {
    this.#flush();
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }

  #flush(): void {
    if (this.#gathered === undefined || this.#gatheredBytes === 0) return;
    // A copy of exactly what is there: else a byte between two large chunks would hold a whole buffer.
    this.#chunks.push(new Uint8Array(this.#gathered.subarray(0, this.#gatheredBytes)));
    this.#gatheredBytes = 0;
  }
}

/** Below this a chunk costs more to keep than to copy. */
const SMALL_BYTES = 4096;
const GATHER_BYTES = 64 * 1024;
