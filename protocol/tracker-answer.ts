import type { HashResponse, PeersResponse, ToldPeer } from "./announce.ts";
import { ANSWER_PEERS_MAX, HOST_CHARS_MAX, SWARM_HASH_PATTERN } from "./announce-limits.ts";

/** Checks a tracker's answers as the schemas of `announce.ts` say, without them: to load what reads schemas would be a
 * quarter of a small download. The tests hold both to the same verdict. */

/** @param answer what `JSON.parse` gave */
export function isHashResponse(answer: unknown): answer is HashResponse {
  if (!isObject(answer)) return false;
  const { hash, interval } = answer;
  return typeof hash === "string" && SWARM_HASH.test(hash) && isOptional(interval, isAmount);
}

/** @param answer what `JSON.parse` gave */
export function isPeersResponse(answer: unknown): answer is PeersResponse {
  if (!isObject(answer)) return false;
  const { peers, interval, min_interval, complete, incomplete } = answer;
  return (
    Array.isArray(peers) &&
    peers.length <= ANSWER_PEERS_MAX &&
    peers.every(isToldPeer) &&
    isOptional(interval, isAmount) &&
    isOptional(min_interval, isAmount) &&
    isOptional(complete, isCount) &&
    isOptional(incomplete, isCount)
  );
}

function isToldPeer(peer: unknown): peer is ToldPeer {
  if (!isObject(peer)) return false;
  const { host, port, verified } = peer;
  if (typeof host !== "string" || host.length < 1 || host.length > HOST_CHARS_MAX) return false;
  return isCount(port) && port >= 1 && port <= 65_535 && isOptional(verified, isBoolean);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What JSON has not is not there; what it has is of its kind. */
function isOptional(value: unknown, is: (value: unknown) => boolean): boolean {
  return value === undefined || is(value);
}

function isAmount(value: unknown): boolean {
  return Number.isFinite(value) && Number(value) >= 0;
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0;
}

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean";
}

const SWARM_HASH = new RegExp(SWARM_HASH_PATTERN);
