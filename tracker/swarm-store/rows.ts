/** Rows of numbers: where there may be a million of a thing, an object for each would cost several times as much memory, and
 * the garbage collector would go through all of them. */

/** Memory grows by so many rows at once, and nothing is ever copied: 4096, as bits of a row's number. */
const CHUNK_BITS = 12;
const CHUNK_ROWS = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_ROWS - 1;

/** Rows have numbers from 1 on; 0 is none. A row that was given back is taken again by the next that asks. */
export class Rows {
  readonly #columns: number;
  readonly #chunks: Float64Array[] = [];
  readonly #free: number[] = [];
  #last = 0;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** The highest number that was ever taken. */
  get last(): number {
    return this.#last;
  }

  /** @returns a row; what stands in it is undefined */
  take(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const row = ++this.#last;
    if (row >> CHUNK_BITS >= this.#chunks.length) {
      this.#chunks.push(new Float64Array(CHUNK_ROWS * this.#columns));
    }
    return row;
  }

  /** @param row that nobody uses any more */
  give(row: number): void {
    this.#free.push(row);
  }

  get(row: number, column: number): number {
    return this.#chunks[row >> CHUNK_BITS]?.[(row & CHUNK_MASK) * this.#columns + column] ?? 0;
  }

  set(row: number, column: number, value: number): void {
    const chunk = this.#chunks[row >> CHUNK_BITS];
    if (chunk !== undefined) chunk[(row & CHUNK_MASK) * this.#columns + column] = value;
  }
}
