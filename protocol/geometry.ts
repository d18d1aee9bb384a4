import type { Bitfield } from "./bitfield.ts";
import { assert } from "./errors.ts";
import {
  PART_BYTES_MAX,
  PAYLOAD_BYTES_MAX,
  SPAN_BYTES_LARGE,
  SPAN_BYTES_SMALL,
  SPANS_WANTED,
} from "./limits.ts";

/** The only place where part numbers become offsets and lengths.
 *
 * A file is cut into parts, the unit of hashing. Consecutive parts form spans, the unit of asking: a span is one large
 * part, or as many small ones as make some 256 KiB to 1 MiB, so that asking costs the same whatever the part's size. */

declare const brand: unique symbol;

/** The number of a part that exists in its torrent: made by Geometry only. */
export type PartIndex = number & { readonly [brand]: "PartIndex" };
/** The number of a span that exists in its torrent: made by Geometry only. */
export type SpanIndex = number & { readonly [brand]: "SpanIndex" };

/** A run of consecutive parts that exist, at least one. */
export interface PartRun {
  readonly first: PartIndex;
  readonly count: number;
}

/** A range of bytes of the file. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export class Geometry {
  /** Bytes in the file. */
  readonly fileBytes: number;
  /** Bytes in every part but the last, which may have fewer. */
  readonly partBytes: number;
  readonly partCount: number;
  /** Parts in every span but the last. */
  readonly partsPerSpan: number;
  readonly spanCount: number;

  /** @param options.fileBytes a safe integer >= 0
   * @param options.partBytes 1 to PART_BYTES_MAX */
  constructor(options: { readonly fileBytes: number; readonly partBytes: number }) {
    const { fileBytes, partBytes } = options;
    assert(Number.isSafeInteger(fileBytes) && fileBytes >= 0, "A file's size is a whole number");
    assert(Number.isInteger(partBytes) && partBytes >= 1, "A part has at least one byte");
    assert(partBytes <= PART_BYTES_MAX, "A part has at most PART_BYTES_MAX bytes");
    this.fileBytes = fileBytes;
    this.partBytes = partBytes;
    this.partCount = Math.ceil(fileBytes / partBytes);
    this.partsPerSpan = Math.max(1, Math.floor(spanBytes(fileBytes) / partBytes));
    this.spanCount = Math.ceil(this.partCount / this.partsPerSpan);
  }

  /** Bytes in the longest run that is asked for at once: a span's. */
  get runBytesMax(): number {
    return Math.min(this.partsPerSpan * this.partBytes, this.fileBytes);
  }

  /** @returns the part's number, or undefined when there is no such part (a fraction, negative, -0, too large, no number) */
  part(index: unknown): PartIndex | undefined {
    const exists = Number.isInteger(index) && !Object.is(index, -0);
    if (!exists || Number(index) < 0 || Number(index) >= this.partCount) return undefined;
    return Number(index) as PartIndex;
  }

  /** @returns the run, or undefined when any part of it does not exist or count is no integer >= 1 */
  run(first: unknown, count: unknown): PartRun | undefined {
    const start = this.part(first);
    if (start === undefined || !Number.isSafeInteger(count) || Number(count) < 1) return undefined;
    return start + Number(count) <= this.partCount
      ? { first: start, count: Number(count) }
      : undefined;
  }

  /** All parts of the file in order. */
  *parts(): Generator<PartIndex> {
    for (let index = 0; index < this.partCount; index++) yield index as PartIndex;
  }

  /** All parts of a run in order. */
  *partsOf(run: PartRun): Generator<PartIndex> {
    for (let at = 0; at < run.count; at++) yield this.partAt(run, at);
  }

  /** @param at 0 to run.count - 1 */
  partAt(run: PartRun, at: number): PartIndex {
    assert(at >= 0 && at < run.count, "A run's part lies within it");
    return (run.first + at) as PartIndex;
  }

  /** @returns bytes in the part */
  partLength(part: PartIndex): number {
    return Math.min(this.partBytes, this.fileBytes - part * this.partBytes);
  }

  /** @returns where the part stands in the file */
  partRange(part: PartIndex): ByteRange {
    return { offset: part * this.partBytes, length: this.partLength(part) };
  }

  /** @returns where the run stands in the file */
  runRange(run: PartRun): ByteRange {
    const offset = run.first * this.partBytes;
    return { offset, length: Math.min(run.count * this.partBytes, this.fileBytes - offset) };
  }

  /** @returns bytes in the parts of the set */
  bytesIn(parts: Bitfield): number {
    const hasLast = this.partCount > 0 && parts.has(this.partCount - 1);
    const missing = hasLast ? this.partCount * this.partBytes - this.fileBytes : 0;
    return parts.count * this.partBytes - missing;
  }

  /** @returns whether a request may name the run: one part, or a run that fits one frame */
  isAskable(run: PartRun): boolean {
    return run.count === 1 || this.runRange(run).length <= PAYLOAD_BYTES_MAX;
  }

  /** @returns the span that holds the part */
  spanOf(part: PartIndex): SpanIndex {
    return Math.floor(part / this.partsPerSpan) as SpanIndex;
  }

  /** @returns the span's number, or undefined when there is none such */
  span(index: number): SpanIndex | undefined {
    return Number.isInteger(index) && index >= 0 && index < this.spanCount
      ? (index as SpanIndex)
      : undefined;
  }

  /** @returns all parts of the span */
  spanRun(span: SpanIndex): PartRun {
    const first = (span * this.partsPerSpan) as PartIndex;
    return { first, count: Math.min(this.partsPerSpan, this.partCount - first) };
  }

  /** @returns the spans that hold parts of the run, in order */
  *spansOf(run: PartRun): Generator<SpanIndex> {
    const last = this.spanOf(this.partAt(run, run.count - 1));
    for (let span: number = this.spanOf(run.first); span <= last; span++) yield span as SpanIndex;
  }

  /** All spans in order. */
  *spans(): Generator<SpanIndex> {
    for (let index = 0; index < this.spanCount; index++) yield index as SpanIndex;
  }
}

/** @returns bytes that a span of small parts has at most */
function spanBytes(fileBytes: number): number {
  const wanted = Math.floor(fileBytes / SPANS_WANTED);
  return Math.min(Math.max(wanted, SPAN_BYTES_SMALL), SPAN_BYTES_LARGE);
}
