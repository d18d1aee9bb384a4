import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Random, systemClock } from "../../../peer/clock.ts";
import { createCrypto } from "../../../peer/storage/hash.ts";
import { type DownloadOptions, openDownload } from "../../../peer/storage/open-download.ts";
import type { SparseFile } from "../../../peer/storage/sparse-file.ts";
import type { VerifiedRun } from "../../../peer/storage/store.ts";
import { systemDisk } from "../../../peer/storage/system-disk.ts";
import { Geometry, type PartRun } from "../../../protocol/geometry.ts";
import { parseSwarmHash } from "../../../protocol/ids.ts";
import { PART_DIGEST_BYTES, type PartAlgorithm } from "../../../protocol/part-algorithm.ts";
import { createTorrent, type Torrent } from "../../../protocol/torrent.ts";
import { partDigest } from "../../support/crypto.ts";

export const crypto = createCrypto();

/** A torrent and the bytes it describes. */
export interface Sample {
  readonly torrent: Torrent;
  readonly content: Uint8Array<ArrayBuffer>;
}

export interface SampleOptions {
  readonly fileBytes?: number;
  readonly partBytes?: number;
  readonly algorithm?: PartAlgorithm;
  readonly seed?: number;
  readonly uuid?: string;
}

/** Bytes that look random and are the same for a seed, with the torrent that describes them. */
export function sample(options: SampleOptions = {}): Sample {
  const { fileBytes = 10_000, partBytes = 256, algorithm = "sha256", seed = 1 } = options;
  const random = seededRandom(seed);
  const content = new Uint8Array(random.bytes(fileBytes));
  const geometry = new Geometry({ fileBytes, partBytes });
  const digestBytes = PART_DIGEST_BYTES[algorithm];
  const partDigests = new Uint8Array(geometry.partCount * digestBytes);
  for (const part of geometry.parts()) {
    const { offset, length } = geometry.partRange(part);
    const digest = partDigest(algorithm, content.subarray(offset, offset + length));
    partDigests.set(digest, part * digestBytes);
  }
  const hash = parseSwarmHash(options.uuid ?? "11111111-2222-4333-8444-555555555555");
  if (hash === undefined) throw new Error("No uuid in a fixture");
  const fields = { hash, algorithm, geometry, partDigests };
  const extra = { name: undefined, trackers: [], created: undefined };
  return { torrent: createTorrent(crypto, { ...fields, ...extra }), content };
}

/** The same numbers for the same seed: xorshift32. */
export function seededRandom(seed: number): Random {
  let state = seed | 0 || 1;
  function next(): number {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  }
  return {
    below: (limit) => next() % limit,
    bytes(count) {
      const result = new Uint8Array(count);
      for (let at = 0; at < count; at++) result[at] = next() >>> 24;
      return result;
    },
  };
}

/** A directory that is gone when the test is over. */
export async function tempDir(
  parent: string = tmpdir(),
): Promise<AsyncDisposable & { path: string }> {
  const path = await realpath(await mkdtemp(join(parent, "peer-storage-")));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** @returns the run of parts with its bytes */
export function runOf(from: Sample, first: number, count = 1): VerifiedRun {
  const run = toRun(from.torrent, first, count);
  const { offset, length } = from.torrent.geometry.runRange(run);
  return { run, bytes: from.content.subarray(offset, offset + length) };
}

export function toRun(torrent: Torrent, first: number, count: number): PartRun {
  const run = torrent.geometry.run(first, count);
  if (run === undefined) throw new Error(`No run ${first}+${count} in a fixture`);
  return run;
}

/** Opens a download of the sample to `DIR/target`, journals in `DIR/state`. */
export function open(
  dir: string,
  from: Sample,
  options: Partial<DownloadOptions> = {},
): Promise<SparseFile> {
  return openDownload({
    disk: systemDisk,
    crypto,
    clock: systemClock,
    random: seededRandom(7),
    torrent: from.torrent,
    target: join(dir, "target"),
    journalDir: join(dir, "state"),
    overwrite: false,
    ...options,
  });
}

/** Writes the sample's content to a file and returns its path. */
export async function writeSample(dir: string, from: Sample, name = "source"): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, from.content);
  return path;
}

/** @returns the promise's failure, or undefined when there is none */
export async function failureOf(done: Promise<unknown>): Promise<unknown> {
  try {
    await done;
    return undefined;
  } catch (cause) {
    return cause;
  }
}

/** @returns the code of the promise's failure, or how it ended otherwise */
export async function codeOf(done: Promise<unknown>): Promise<string> {
  const failure = await failureOf(done);
  if (failure === undefined) return "no failure";
  if (failure instanceof Error && "code" in failure) return String(failure.code);
  return String(failure);
}
