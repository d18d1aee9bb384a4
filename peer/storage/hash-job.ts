import { readSync } from "node:fs";
import { Geometry, type PartRun } from "../../protocol/geometry.ts";
import { PART_DIGEST_BYTES, type PartAlgorithm } from "../../protocol/torrent.ts";
import { RunHasher } from "./run-hasher.ts";

/** What a hashing thread is asked: to hash some parts of a file that is open. */
export interface HashJob {
  /** Descriptor of the whole process; it stays open until the answer. */
  readonly fd: number;
  readonly algorithm: PartAlgorithm;
  readonly fileBytes: number;
  readonly partBytes: number;
  readonly run: PartRun;
}

/** What it answers. */
export type HashAnswer =
  /** One digest a part, one after the other; fewer than asked for where the file ends early. */
  | { readonly type: "digests"; readonly digests: Uint8Array }
  | { readonly type: "failure"; readonly code: string | undefined; readonly message: string };

const READ_BYTES = 1024 * 1024;

/** Reads and hashes, in the thread that calls it.
 * @returns the digests, fewer than parts where the file ends early
 * @throws what reading throws */
export function doHashJob({ fd, algorithm, fileBytes, partBytes, run }: HashJob): Uint8Array {
  const geometry = new Geometry({ fileBytes, partBytes });
  const digestBytes = PART_DIGEST_BYTES[algorithm];
  const digests = new Uint8Array(run.count * digestBytes);
  let filled = 0;
  const hasher = new RunHasher(geometry, algorithm, [run], (_part, ended) => {
    digests.set(ended.digest(), filled);
    filled += digestBytes;
  });
  const { offset, length } = geometry.runRange(run);
  const buffer = new Uint8Array(Math.min(READ_BYTES, length));
  for (let at = 0; at < length; ) {
    const bytes = readSync(fd, buffer, 0, Math.min(buffer.length, length - at), offset + at);
    if (bytes === 0) break;
    hasher.update(buffer.subarray(0, bytes));
    at += bytes;
  }
  return digests.subarray(0, filled);
}
