/** A slot for each of so many values, at least. */
const SLOTS_PER_VALUE = 2;

/** How often each of a few values came, in memory that is used again and again: clearing it costs nothing. */
export class Tally {
  readonly #values: Int32Array;
  readonly #counts: Int32Array;
  /** In which round a slot was taken last. */
  readonly #rounds: Int32Array;
  readonly #shift: number;
  #round = 1;

  /** @param valuesMax how many different ones come between two calls of `clear`, at most */
  constructor(valuesMax: number) {
    const bits = Math.ceil(Math.log2(valuesMax * SLOTS_PER_VALUE));
    this.#shift = 32 - bits;
    this.#values = new Int32Array(2 ** bits);
    this.#counts = new Int32Array(2 ** bits);
    this.#rounds = new Int32Array(2 ** bits);
  }

  clear(): void {
    this.#round = (this.#round + 1) | 0;
  }

  /** @param value 32 bits with a sign
   * @returns how often it came, this time included */
  add(value: number): number {
    const mask = this.#values.length - 1;
    let slot = Math.imul(value, GOLDEN) >>> this.#shift;
    while (this.#rounds[slot] === this.#round) {
      if (this.#values[slot] === value) {
        const count = (this.#counts[slot] ?? 0) + 1;
        this.#counts[slot] = count;
        return count;
      }
      slot = (slot + 1) & mask;
    }
    this.#rounds[slot] = this.#round;
    this.#values[slot] = value;
    this.#counts[slot] = 1;
    return 1;
  }
}

/** 2^32 divided by the golden ratio: spreads values that differ in few bits (Knuth, The Art of Computer Programming 6.4). */
const GOLDEN = 0x9e3779b1;
