import { assert } from "../../protocol/errors.ts";
import type { Geometry, PartRun } from "../../protocol/geometry.ts";
import { PART_DIGEST_BYTES, type PartAlgorithm } from "../../protocol/part-algorithm.ts";
import { PartHasher } from "./hash.ts";

/** @param run parts that follow one another
 * @param digests theirs, one after the other; valid during the call */
export type OnDigests = (run: PartRun, digests: Uint8Array) => void;

/** Cuts a flow of bytes back into the parts that they are, and hashes each. */
export class RunHasher {
  readonly #geometry: Geometry;
  readonly #hasher: PartHasher;
  readonly #runs: Iterator<PartRun>;
  readonly #onDigests: OnDigests;
  readonly #digestBytes: number;
  /** Of parts that nobody was told of yet. */
  #digests: Uint8Array = new Uint8Array(0);
  #run: PartRun | undefined;
  /** The current part's place in the run. */
  #at = 0;
  /** How many parts of the run before it nobody was told of yet. */
  #untold = 0;
  #missingBytes = 0;

  /** @param runs whose bytes follow one another, in order
   * @param onDigests is told of every part in order, of many at once where they are small */
  constructor(
    geometry: Geometry,
    algorithm: PartAlgorithm,
    runs: Iterable<PartRun>,
    onDigests: OnDigests,
  ) {
    this.#geometry = geometry;
    this.#hasher = new PartHasher(algorithm);
    this.#digestBytes = PART_DIGEST_BYTES[algorithm];
    this.#runs = runs[Symbol.iterator]();
    this.#onDigests = onDigests;
    this.#beginRun();
  }

  /** @param bytes the next of them, any length; not kept. All parts that end with them are told of when it returns */
  update(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      const run = this.#run;
      assert(run !== undefined, "No bytes come after the last part");
      const rest = bytes.subarray(from);
      from += this.#takeWhole(run, rest) || this.#takePiece(run, rest);
      if (this.#at < run.count) continue;
      this.#tell(run);
      this.#beginRun();
    }
    if (this.#run !== undefined) this.#tell(this.#run);
  }

  /** @returns bytes taken: of as many parts as are there as a whole, and at the most DIGESTS_MAX */
  #takeWhole(run: PartRun, bytes: Uint8Array): number {
    const { partBytes } = this.#geometry;
    if (this.#missingBytes < partBytes || bytes.length < partBytes) return 0;
    if (this.#untold === this.#capacity) this.#tell(run);
    const isLastShort = this.#lengthOf(run, run.count - 1) < partBytes;
    const count = Math.min(
      Math.floor(bytes.length / partBytes),
      run.count - this.#at - (isLastShort ? 1 : 0),
      this.#capacity - this.#untold,
    );
    const into = this.#digests.subarray(this.#untold * this.#digestBytes);
    this.#hasher.digestAll(bytes.subarray(0, count * partBytes), partBytes, into);
    this.#passParts(run, count);
    return count * partBytes;
  }

  /** @returns bytes taken: of the current part */
  #takePiece(run: PartRun, bytes: Uint8Array): number {
    const piece = bytes.subarray(0, this.#missingBytes);
    this.#hasher.update(piece);
    this.#missingBytes -= piece.length;
    if (this.#missingBytes > 0) return piece.length;
    if (this.#untold === this.#capacity) this.#tell(run);
    this.#digests.set(this.#hasher.digest(), this.#untold * this.#digestBytes);
    this.#passParts(run, 1);
    return piece.length;
  }

  get #capacity(): number {
    return this.#digests.length / this.#digestBytes;
  }

  #passParts(run: PartRun, count: number): void {
    this.#untold += count;
    this.#at += count;
    this.#missingBytes = this.#at < run.count ? this.#lengthOf(run, this.#at) : 0;
  }

  #tell(run: PartRun): void {
    if (this.#untold === 0) return;
    const first = this.#geometry.partAt(run, this.#at - this.#untold);
    const digests = this.#digests.subarray(0, this.#untold * this.#digestBytes);
    this.#onDigests({ first, count: this.#untold }, digests);
    this.#untold = 0;
  }

  #beginRun(): void {
    const next = this.#runs.next();
    this.#run = next.done ? undefined : next.value;
    this.#at = 0;
    if (this.#run === undefined) return;
    this.#missingBytes = this.#lengthOf(this.#run, 0);
    const roomBytes = Math.min(this.#run.count, DIGESTS_MAX) * this.#digestBytes;
    if (this.#digests.length < roomBytes) this.#digests = new Uint8Array(roomBytes);
  }

  #lengthOf(run: PartRun, at: number): number {
    return this.#geometry.partLength(this.#geometry.partAt(run, at));
  }
}

/** So many are told of at once. */
const DIGESTS_MAX = 4096;
