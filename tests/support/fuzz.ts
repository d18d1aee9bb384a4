import { Random } from "./fixtures.ts";

/** Inputs of one fuzz test: the gate's number, times FUZZ_SCALE for a long run.
 * @returns a whole number, 1 at least */
export function fuzzRuns(gateRuns: number): number {
  const scale = Number(process.env.FUZZ_SCALE ?? 1);
  if (!(scale > 0)) throw new Error(`FUZZ_SCALE must be a number above 0: ${scale}`);
  return Math.max(1, Math.round(gateRuns * scale));
}

/** Where a run begins: FUZZ_SEED, or the same as ever. A failure is repeated by the seed it names. */
export const FUZZ_SEED = Number(process.env.FUZZ_SEED ?? 1);

/** Makes inputs out of a corpus by the changes that have broken parsers: bytes set, bits flipped, pieces cut out, doubled,
 * swapped or taken from another input, lengths overwritten by numbers at the edges. */
export class Mutator {
  readonly random: Random;
  readonly #corpus: readonly Uint8Array[];
  readonly #tokens: readonly Uint8Array[];

  /** @param tokens pieces worth putting in anywhere */
  constructor(seed: number, corpus: readonly Uint8Array[], tokens: readonly Uint8Array[]) {
    this.random = new Random(seed);
    this.#corpus = corpus;
    this.#tokens = tokens;
  }

  /** @returns the next input; every sixteenth is pure noise, some are unchanged */
  next(): Uint8Array {
    const { random } = this;
    if (random.below(16) === 0) return this.#noise();
    // A Buffer's slice would be a view, and the corpus would rot.
    let bytes = new Uint8Array(random.pick(this.#corpus));
    for (let left = random.below(4); left > 0; left--) bytes = this.#mutate(bytes);
    return bytes;
  }

  #mutate(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const { random } = this;
    const at = random.below(bytes.length + 1);
    const end = Math.min(bytes.length, at + random.below(9));
    switch (random.below(7)) {
      case 0:
        bytes[at] = random.below(256);
        return bytes;
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        return bytes;
      case 2:
        return splice(bytes, at, end, new Uint8Array(0));
      case 3:
        return splice(bytes, end, end, bytes.slice(at, end));
      case 4:
        return splice(bytes, at, at, random.pick(this.#tokens));
      case 5:
        return splice(bytes, at, Math.min(bytes.length, at + 4), random.pick(this.#tokens));
      default:
        return splice(bytes, at, bytes.length, random.pick(this.#corpus).subarray(0, 40));
    }
  }

  #noise(): Uint8Array {
    return Uint8Array.from({ length: this.random.below(40) }, () => this.random.below(256));
  }
}

function splice(
  bytes: Uint8Array,
  start: number,
  end: number,
  middle: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const spliced = new Uint8Array(start + middle.length + bytes.length - end);
  spliced.set(bytes.subarray(0, start));
  spliced.set(middle, start);
  spliced.set(bytes.subarray(end), start + middle.length);
  return spliced;
}
