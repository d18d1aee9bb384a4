import { assert } from "./errors.ts";

/** A set of part numbers of fixed size: one bit a part, the highest bit of a byte first, spare bits always zero. */
export class Bitfield {
  readonly length: number;
  readonly #bytes: Uint8Array;
  #count = 0;

  /** @param length how many bits, all unset */
  constructor(length: number) {
    assert(Number.isSafeInteger(length) && length >= 0, "A bitfield has a whole number of bits");
    this.length = length;
    this.#bytes = new Uint8Array(Math.ceil(length / 8));
  }

  /** @returns a bitfield with every bit set */
  static full(length: number): Bitfield {
    const field = new Bitfield(length);
    field.#bytes.fill(0xff);
    const spare = field.#bytes.length * 8 - length;
    if (spare > 0) field.#bytes[field.#bytes.length - 1] = (0xff << spare) & 0xff;
    field.#count = length;
    return field;
  }

  /** @param bytes copied; must have exactly the length's bytes and zero spare bits
   * @returns undefined when it has not */
  static parse(length: number, bytes: Uint8Array): Bitfield | undefined {
    const field = new Bitfield(length);
    if (bytes.length !== field.#bytes.length) return undefined;
    const spare = bytes.length * 8 - length;
    const last = bytes[bytes.length - 1] ?? 0;
    if ((last & ((1 << spare) - 1)) !== 0) return undefined;
    field.#bytes.set(bytes);
    field.#count = countBits(bytes);
    return field;
  }

  /** How many bits are set. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.length;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  has(index: number): boolean {
    assert(index >= 0 && index < this.length, "A bit lies within its bitfield");
    return (((this.#bytes[index >> 3] ?? 0) >> (7 - (index & 7))) & 1) === 1;
  }

  /** @returns whether the bit was unset before */
  set(index: number): boolean {
    if (this.has(index)) return false;
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) | (0x80 >> (index & 7));
    this.#count++;
    return true;
  }

  /** @returns whether the bit was set before */
  clear(index: number): boolean {
    if (!this.has(index)) return false;
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) & ~(0x80 >> (index & 7));
    this.#count--;
    return true;
  }

  /** Sets `count` bits from `first` on; a byte at a time, for runs of small parts.
   * @returns how many of them were unset before */
  setRun(first: number, count: number): number {
    const end = first + count;
    assert(count >= 0 && end <= this.length, "A run of bits lies within its bitfield");
    let added = 0;
    for (let index = first; index < end; ) {
      if ((index & 7) === 0 && end - index >= 8) {
        const missing = 8 - bitsOf(this.#bytes[index >> 3] ?? 0);
        this.#bytes[index >> 3] = 0xff;
        this.#count += missing;
        added += missing;
        index += 8;
      } else {
        if (this.set(index)) added++;
        index++;
      }
    }
    return added;
  }

  /** @returns the first index >= from whose bit is `value`, or undefined when there is none */
  next(value: boolean, from: number): number | undefined {
    const skip = value ? 0x00 : 0xff;
    for (let index = Math.max(0, from); index < this.length; ) {
      if ((index & 7) === 0 && this.#bytes[index >> 3] === skip) {
        index += 8;
        continue;
      }
      if (this.has(index) === value) return index;
      index++;
    }
    return undefined;
  }

  /** The runs of bits that are `value`, in order, as `[first, count]`. */
  *runs(value: boolean): Generator<readonly [first: number, count: number]> {
    let first = this.next(value, 0);
    while (first !== undefined) {
      const end: number = this.next(!value, first) ?? this.length;
      yield [first, end - first];
      first = this.next(value, end);
    }
  }

  copy(): Bitfield {
    const field = new Bitfield(this.length);
    field.#bytes.set(this.#bytes);
    field.#count = this.#count;
    return field;
  }

  /** @returns a copy of the bytes, spare bits zero */
  toBytes(): Uint8Array {
    return this.#bytes.slice();
  }
}

/** How many bits each byte has set: its last one, and those of its half. */
const BITS_OF_BYTE = new Uint8Array(256);
for (let byte = 1; byte < 256; byte++) {
  BITS_OF_BYTE[byte] = (BITS_OF_BYTE[byte >> 1] ?? 0) + (byte & 1);
}

function countBits(bytes: Uint8Array): number {
  return bytes.reduce((count, byte) => count + bitsOf(byte), 0);
}

function bitsOf(byte: number): number {
  return BITS_OF_BYTE[byte] ?? 0;
}
