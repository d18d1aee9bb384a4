import { Bitfield } from "../../protocol/bitfield.ts";
import { assert } from "../../protocol/errors.ts";
import type { Geometry, PartRun } from "../../protocol/geometry.ts";
import { StorageError } from "../errors.ts";
import { createPartSink } from "./part-sink.ts";
import type { PartStore, VerifiedRun } from "./store.ts";

/** A PartStore whose file is memory: for tests and for files that are never kept. */
export class MemoryStore implements PartStore {
  readonly recovered: Bitfield;
  readonly #geometry: Geometry;
  readonly #content: Uint8Array;
  readonly #written: Bitfield;
  #state: "open" | "published" | "closed" = "open";

  constructor(geometry: Geometry) {
    this.recovered = new Bitfield(geometry.partCount);
    this.#geometry = geometry;
    this.#content = new Uint8Array(geometry.fileBytes);
    this.#written = new Bitfield(geometry.partCount);
  }

  /** @returns the whole file, undefined before it was published; a view, do not write to it */
  get published(): Uint8Array | undefined {
    return this.#state === "published" ? this.#content : undefined;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (offset + into.length > this.#content.length) {
      throw new StorageError(
        "short_read",
        `Cannot read memory: it ends at ${this.#content.length}, before ${offset + into.length}`,
      );
    }
    into.set(this.#content.subarray(offset, offset + into.length));
  }

  async write({ run, bytes }: VerifiedRun): Promise<void> {
    if (this.#state !== "open") {
      throw new StorageError("io", `Cannot write memory: it is ${this.#state}`);
    }
    const { offset, length } = this.#geometry.runRange(run);
    assert(bytes.length === length, "A run comes with exactly its bytes");
    this.#content.set(bytes, offset);
    this.#written.setRun(run.first, run.count);
  }

  sink(onWritten?: (run: PartRun) => void): WritableStream<VerifiedRun> {
    return createPartSink((verified) => this.write(verified), onWritten);
  }

  async commit(): Promise<void> {}

  async publish(): Promise<void> {
    assert(this.#written.isFull, "Only a complete file is published");
    this.#state = "published";
  }

  async close(): Promise<void> {
    if (this.#state === "open") this.#state = "closed";
  }
}
