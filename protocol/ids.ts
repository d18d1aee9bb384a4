import { assert } from "./errors.ts";

declare const brand: unique symbol;
type Brand<Value, Name extends string> = Value & { readonly [brand]: Name };

/** A swarm's name at the tracker and in the torrent's `Hash`: a uuid in lower case, `8-4-4-4-12` hex digits. */
export type SwarmHash = Brand<string, "SwarmHash">;

/** SHA-256 over a torrent's canonical bytes as 64 lower-case hex digits: what a swarm really is (SPEC.md §1.2). */
export type TorrentDigest = Brand<string, "TorrentDigest">;

/** 16 random bytes as 32 lower-case hex digits, made at a process's start: who is at the other end of a connection. */
export type PeerId = Brand<string, "PeerId">;

export const PEER_ID_BYTES = 16;
export const DIGEST_BYTES = 32;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const DIGEST = /^[0-9a-f]{64}$/;

/** @returns the hash in lower case, or undefined when `text` is no uuid (no `urn:` prefix, no braces) */
export function parseSwarmHash(text: unknown): SwarmHash | undefined {
  if (typeof text !== "string") return undefined;
  const lower = text.toLowerCase();
  return UUID.test(lower) ? (lower as SwarmHash) : undefined;
}

/** @returns the digest in lower case, or undefined when `text` is not 64 hex digits */
export function parseTorrentDigest(text: unknown): TorrentDigest | undefined {
  if (typeof text !== "string") return undefined;
  const lower = text.toLowerCase();
  return DIGEST.test(lower) ? (lower as TorrentDigest) : undefined;
}

/** @param bytes exactly DIGEST_BYTES long */
export function toTorrentDigest(bytes: Uint8Array): TorrentDigest {
  assert(bytes.length === DIGEST_BYTES, "A torrent digest has 32 bytes");
  return bytes.toHex() as TorrentDigest;
}

/** @param bytes exactly PEER_ID_BYTES long */
export function toPeerId(bytes: Uint8Array): PeerId {
  assert(bytes.length === PEER_ID_BYTES, "A peer id has 16 bytes");
  return bytes.toHex() as PeerId;
}

/** @returns the 16 bytes of a swarm hash, in the order of its text */
export function toSwarmHashBytes(hash: SwarmHash): Uint8Array {
  return Uint8Array.fromHex(hash.replaceAll("-", ""));
}

/** @param bytes exactly 16 long */
export function fromSwarmHashBytes(bytes: Uint8Array): SwarmHash {
  assert(bytes.length === 16, "A swarm hash has 16 bytes");
  const hex = bytes.toHex();
  const groups = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ];
  return groups.join("-") as SwarmHash;
}
