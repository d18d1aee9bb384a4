import { assert } from "../../protocol/errors.ts";
import type { Geometry, PartIndex, PartRun } from "../../protocol/geometry.ts";
import type { PartAlgorithm } from "../../protocol/part-algorithm.ts";
import { PartHasher } from "./hash.ts";

/** Cuts a flow of bytes back into the parts that they are, and hashes each. */
export class RunHasher {
  readonly #geometry: Geometry;
  readonly #hasher: PartHasher;
  readonly #runs: Iterator<PartRun>;
  readonly #onPart: (part: PartIndex, hasher: PartHasher) => void;
  #run: PartRun | undefined;
  /** The current part's place in the run. */
  #at = 0;
  #missingBytes = 0;

  /** @param runs whose bytes follow one another, in order
   * @param onPart is called at every part's end and ends it by `digest` or `endsAs` */
  constructor(
    geometry: Geometry,
    algorithm: PartAlgorithm,
    runs: Iterable<PartRun>,
    onPart: (part: PartIndex, hasher: PartHasher) => void,
  ) {
    this.#geometry = geometry;
    this.#hasher = new PartHasher(algorithm);
    this.#runs = runs[Symbol.iterator]();
    this.#onPart = onPart;
    this.#begin(this.#nextRun(), 0);
  }

  /** @param bytes the next of them, any length; not kept */
  update(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      const run = this.#run;
      const at = this.#at;
      assert(run !== undefined, "No bytes come after the last part");
      const taken = Math.min(this.#missingBytes, bytes.length - from);
      this.#hasher.update(bytes.subarray(from, from + taken));
      from += taken;
      this.#missingBytes -= taken;
      if (this.#missingBytes > 0) return;
      this.#onPart(this.#geometry.partAt(run, at), this.#hasher);
      if (at + 1 < run.count) this.#begin(run, at + 1);
      else this.#begin(this.#nextRun(), 0);
    }
  }

  #nextRun(): PartRun | undefined {
    const next = this.#runs.next();
    return next.done ? undefined : next.value;
  }

  #begin(run: PartRun | undefined, at: number): void {
    this.#run = run;
    this.#at = at;
    this.#missingBytes =
      run === undefined ? 0 : this.#geometry.partLength(this.#geometry.partAt(run, at));
  }
}
