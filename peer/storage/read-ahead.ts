import type { ByteRange } from "../../protocol/geometry.ts";
import type { DiskFile } from "./disk.ts";

/** Large enough that a read costs little beside hashing what it brought. */
const READ_BYTES = 4 * 1024 * 1024;
/** While one buffer is being used, the other is being filled. */
const READS_IN_FLIGHT = 2;

/** Reads the ranges one after the other, always ahead of their use.
 * @param ranges in ascending order, none longer than `bytesMax`
 * @param use is given every range's bytes in pieces, in order; a piece is valid during the call
 * @returns bytes given to `use`: fewer than all where the file ends early, and nothing is read beyond that
 * @throws {StorageError} denied, io; the signal's reason */
export async function readAhead(
  file: DiskFile,
  ranges: Iterable<ByteRange>,
  use: (piece: Uint8Array) => void,
  options: { readonly bytesMax: number; readonly signal?: AbortSignal | undefined },
): Promise<number> {
  const bufferBytes = Math.min(READ_BYTES, options.bytesMax);
  const pieces = cut(ranges, bufferBytes);
  const reads: Promise<Filled>[] = [];
  const start = (buffer: Uint8Array): void => {
    const piece = pieces.next();
    if (piece.done) return;
    const read = fill(file, buffer, piece.value);
    // It may fail while the one before it is still awaited: not unheard, only heard later.
    read.catch(() => undefined);
    reads.push(read);
  };
  let total = 0;
  try {
    for (let count = 0; count < READS_IN_FLIGHT; count++) start(new Uint8Array(bufferBytes));
    for (let read = reads.shift(); read !== undefined; read = reads.shift()) {
      const { buffer, bytes, isWhole } = await read;
      options.signal?.throwIfAborted();
      use(buffer.subarray(0, bytes));
      total += bytes;
      if (!isWhole) break;
      start(buffer);
    }
  } finally {
    // The file is closed and the buffers are let go next: no read may still be using them.
    await Promise.allSettled(reads);
  }
  return total;
}

interface Filled {
  readonly buffer: Uint8Array;
  readonly bytes: number;
  readonly isWhole: boolean;
}

async function fill(file: DiskFile, buffer: Uint8Array, range: ByteRange): Promise<Filled> {
  const bytes = await readFully(file, buffer.subarray(0, range.length), range.offset);
  return { buffer, bytes, isWhole: bytes === range.length };
}

/** @returns bytes read: fewer than `into` holds only where the file ends */
export async function readFully(file: DiskFile, into: Uint8Array, offset: number): Promise<number> {
  let filled = 0;
  while (filled < into.length) {
    const read = await file.read(into.subarray(filled), offset + filled);
    if (read === 0) break;
    filled += read;
  }
  return filled;
}

function* cut(ranges: Iterable<ByteRange>, bytesMax: number): Generator<ByteRange, undefined> {
  for (const { offset, length } of ranges) {
    for (let at = 0; at < length; at += bytesMax) {
      yield { offset: offset + at, length: Math.min(bytesMax, length - at) };
    }
  }
}
