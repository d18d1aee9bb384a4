import type { Crypto } from "../../protocol/crypto.ts";
import { assert } from "../../protocol/errors.ts";
import { Geometry } from "../../protocol/geometry.ts";
import { parseSwarmHash, type SwarmHash } from "../../protocol/ids.ts";
import type { PartAlgorithm } from "../../protocol/part-algorithm.ts";
import { createTorrent, type Torrent } from "../../protocol/torrent.ts";
import { partDigest, testCrypto } from "./crypto.ts";

/** The swarm of every fixture that does not say otherwise. */
export const FIXTURE_HASH = "6f1e3a52-9c4b-4d7e-8a10-2b3c4d5e6f70";

/** What a test may set of a torrent; the rest has a default. */
export interface TorrentOptions {
  /** The file; 1,000 random bytes if absent. */
  readonly content?: Uint8Array;
  readonly partBytes?: number;
  readonly algorithm?: PartAlgorithm;
  readonly hash?: string;
  readonly name?: string | undefined;
  readonly trackers?: readonly string[];
  readonly created?: string | undefined;
  readonly crypto?: Crypto;
}

/** @returns the torrent of real content, its parts really hashed */
export function makeTorrent(options: TorrentOptions = {}): Torrent {
  const content = options.content ?? randomBytes(1, 1000);
  const algorithm = options.algorithm ?? "sha256";
  const geometry = new Geometry({
    fileBytes: content.length,
    partBytes: options.partBytes ?? 256,
  });
  const digests: Uint8Array[] = [];
  for (const part of geometry.parts()) {
    const { offset, length } = geometry.partRange(part);
    digests.push(partDigest(algorithm, content.subarray(offset, offset + length)));
  }
  return createTorrent(options.crypto ?? testCrypto, {
    hash: swarmHash(options.hash ?? FIXTURE_HASH),
    algorithm,
    geometry,
    partDigests: concat(digests),
    name: "name" in options ? options.name : "fixture.bin",
    trackers: options.trackers ?? ["http://tracker.example:5000"],
    created: "created" in options ? options.created : "2026-01-01T00:00:00Z",
  });
}

/** @returns the parsed hash of a uuid that a test wrote down */
export function swarmHash(text: string): SwarmHash {
  const hash = parseSwarmHash(text);
  assert(hash !== undefined, `A fixture's hash is a uuid: ${text}`);
  return hash;
}

/** The same bytes for the same seed, for ever.
 * @param seed any integer
 * @returns `length` bytes that look random */
export function randomBytes(seed: number, length: number): Uint8Array {
  const random = new Random(seed);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = random.below(256);
  return bytes;
}

/** A small generator of repeatable numbers (xorshift32). */
export class Random {
  #state: number;

  /** @param seed any integer; two seeds give two sequences */
  constructor(seed: number) {
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) >>> 0 || 1;
  }

  /** @returns a whole number from 0 to limit - 1 */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }

  /** @returns one of the items, of which there must be one */
  pick<Item>(items: readonly Item[]): Item {
    const index = this.below(items.length);
    assert(index < items.length, "There is something to pick from");
    return items[index] as Item;
  }
}

/** @returns all chunks one after the other, in one buffer */
export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** @returns the UTF-8 bytes of a text */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
