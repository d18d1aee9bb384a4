import { assert } from "../../protocol/errors.ts";
import type { Geometry, PartIndex, PartRun } from "../../protocol/geometry.ts";
import type { PartAlgorithm } from "../../protocol/torrent.ts";
import { PartHasher } from "./hash.ts";

/** Cuts a flow of bytes back into the parts that they are, and hashes each. */
export class RunHasher {
  readonly #geometry: Geometry;
  readonly #hasher: PartHasher;
  readonly #parts: Iterator<PartIndex>;
  readonly #onPart: (part: PartIndex, hasher: PartHasher) => void;
  #part: PartIndex | undefined;
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
    this.#parts = partsOf(geometry, runs);
    this.#onPart = onPart;
    this.#advance();
  }

  /** @param bytes the next of them, any length; not kept */
  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      assert(this.#part !== undefined, "No bytes come after the last part");
      const taken = Math.min(this.#missingBytes, bytes.length - at);
      this.#hasher.update(bytes.subarray(at, at + taken));
      at += taken;
      this.#missingBytes -= taken;
      if (this.#missingBytes > 0) return;
      this.#onPart(this.#part, this.#hasher);
      this.#advance();
    }
  }

  #advance(): void {
    const next = this.#parts.next();
    this.#part = next.done ? undefined : next.value;
    this.#missingBytes = this.#part === undefined ? 0 : this.#geometry.partLength(this.#part);
  }
}

function* partsOf(geometry: Geometry, runs: Iterable<PartRun>): Generator<PartIndex> {
  for (const run of runs) yield* geometry.partsOf(run);
}
