import { Bitfield } from "../../protocol/bitfield.ts";
import { Geometry } from "../../protocol/geometry.ts";
import type { SwarmHash } from "../../protocol/ids.ts";
import { PART_BYTES_MAX, PARTS_MAX, TORRENT_BYTES_MAX } from "../../protocol/limits.ts";
import { PART_DIGEST_BYTES, type PartAlgorithm } from "../../protocol/part-algorithm.ts";
import { createTorrent, type Torrent } from "../../protocol/torrent.ts";
import { StorageError, UsageError } from "../errors.ts";
import { type HashedFile, hashFile } from "../storage/hash-file.ts";
import { type VerifiedFile, verifySeed } from "../storage/seed-file.ts";
import type { TrackerClient } from "../tracker-client.ts";
import type { LocalPeer } from "./local-peer.ts";

export interface MakeRequest {
  /** A path as the user typed it. */
  readonly file: string;
  readonly partSize: "auto" | number;
  readonly algorithm: PartAlgorithm;
  /** The name in the torrent. */
  readonly name: string;
  /** Copy the file into the data directory instead of serving it where it lies. */
  readonly copy: boolean;
  readonly signal: AbortSignal;
}

/** A torrent that its tracker knows, and the file that it is of. */
export interface Made {
  readonly torrent: Torrent;
  /** Absolute, links resolved. */
  readonly path: string;
  readonly verified: VerifiedFile;
}

/** Makes a file's torrent: hashes it, registers it at the tracker, records it in the library; serves nothing yet.
 * @throws {StorageError} missing, not_a_file, denied, io, changed (while it was hashed), no_space (for the copy);
 * {TrackerError} no tracker registers it; {UsageError} the part size does not fit the file; the signal's reason */
export async function makeTorrent(peer: LocalPeer, request: MakeRequest): Promise<Made> {
  const { crypto, disk, clock } = peer.dependencies;
  const path = await disk.realPath(request.file);
  const trackers = peer.trackersOf({ trackers: [] });
  // Said now, and not after an hour of hashing.
  await Promise.any(trackers.map((tracker) => tracker.ping(request.signal))).catch(throwFirst);
  const { hashed, geometry } = await hash(peer, request, path);
  const swarm = await register(peer, trackers, request.signal);
  const torrent = createTorrent(crypto, {
    hash: swarm,
    algorithm: request.algorithm,
    geometry,
    partDigests: hashed.partDigests,
    name: request.name,
    trackers: trackers.map((tracker) => tracker.url),
    created: new Date(clock.now()).toISOString(),
  });
  const made = request.copy
    ? await copy(peer, torrent, path, request.signal)
    : {
        torrent,
        path,
        verified: { identity: hashed.identity, parts: Bitfield.full(geometry.partCount) },
      };
  await peer.library.add(torrent, made);
  return made;
}

/** Tells the trackers that nobody serves the file yet; a later serving registers it again where that is needed. */
export async function leaveUnserved(
  peer: LocalPeer,
  torrent: Torrent,
  signal: AbortSignal,
): Promise<void> {
  const { hash } = torrent;
  const request = { hash, ...peer.node.announced(), event: "stopped" as const, want: 0 };
  for (const tracker of peer.trackersOf(torrent)) {
    await tracker.announce(request, signal).catch((error: unknown) => {
      peer.dependencies.log.warn("The tracker still hands us out", { tracker: tracker.url, error });
    });
  }
}

/** @returns a power of two from 256 KiB to 16 MiB, the smallest that makes at most 4,000 parts */
export function choosePartBytes(fileBytes: number): number {
  let partBytes = PART_BYTES_AUTO_MIN;
  while (partBytes < PART_BYTES_MAX && fileBytes / partBytes > PARTS_AUTO_MAX) partBytes *= 2;
  return partBytes;
}

async function hash(
  peer: LocalPeer,
  request: MakeRequest,
  path: string,
): Promise<{ readonly hashed: HashedFile; readonly geometry: Geometry }> {
  const { disk, clock, emit } = peer.dependencies;
  const facts = await disk.facts(path);
  if (facts?.kind !== "file")
    throw new StorageError("not_a_file", `Cannot share ${path}: it is no regular file`);
  const fileBytes = Number(facts.identity.size);
  const geometry = chooseGeometry(fileBytes, request);
  const { algorithm, signal } = request;
  const hashed = await hashFile(disk, clock, path, {
    algorithm,
    signal,
    partBytes: geometry.partBytes,
    onProgress: (bytesDone) => emit({ type: "hashing", bytesDone, bytesTotal: fileBytes }),
  });
  if (hashed.fileBytes !== fileBytes)
    throw new StorageError("changed", `Cannot share ${path}: it is being changed`);
  return { hashed, geometry };
}

function chooseGeometry(fileBytes: number, { partSize, algorithm }: MakeRequest): Geometry {
  const partBytes = partSize === "auto" ? choosePartBytes(fileBytes) : partSize;
  const geometry = new Geometry({ fileBytes, partBytes });
  const digestsBytes = geometry.partCount * (PART_DIGEST_BYTES[algorithm] * 2 + 3);
  const isWritable = digestsBytes + TORRENT_REST_BYTES_MAX <= TORRENT_BYTES_MAX;
  if (geometry.partCount <= PARTS_MAX && isWritable) return geometry;
  const state = `${geometry.partCount} parts of ${partBytes} bytes, too many for a torrent: choose larger parts`;
  throw new UsageError("bad_argument", `Cannot make the torrent: ${state}`);
}

/** Of several failures the first one's reason is enough. */
function throwFirst(cause: unknown): never {
  throw cause instanceof AggregateError ? cause.errors[0] : cause;
}

/** @returns the hash that the first tracker to answer gave; the others learn it when the file is announced to them */
async function register(
  peer: LocalPeer,
  trackers: readonly TrackerClient[],
  signal: AbortSignal,
): Promise<SwarmHash> {
  let failure: unknown;
  for (const tracker of trackers) {
    try {
      return await tracker.register(peer.node.announced(), signal);
    } catch (cause) {
      signal.throwIfAborted();
      failure = cause;
    }
  }
  throw failure;
}

async function copy(
  peer: LocalPeer,
  torrent: Torrent,
  source: string,
  signal: AbortSignal,
): Promise<Made> {
  const { disk, clock } = peer.dependencies;
  const path = await peer.library.copyIn(torrent, source);
  const verified = await verifySeed(disk, clock, torrent, path, { signal });
  if (!verified.parts.isFull)
    throw new StorageError("changed", `Cannot copy ${source}: it changed meanwhile`);
  return { torrent, path, verified };
}

const PART_BYTES_AUTO_MIN = 256 * 1024;
const PARTS_AUTO_MAX = 4000;
/** All of a torrent file but its digests: names and URLs at their longest. */
const TORRENT_REST_BYTES_MAX = 64 * 1024;
