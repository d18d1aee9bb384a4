import { open } from "node:fs/promises";
import type { Announcer } from "./crowd.ts";

/** Announces as HTTP requests: ours, and those of BitTorrent; and the file that `load.c` reads them from. */

export type Protocol = "ours" | "bittorrent";
export type Connections = "keep" | "close";

/** @returns the whole request, in ASCII */
export function formatRequest(
  announcer: Announcer,
  { protocol, connections }: { readonly protocol: Protocol; readonly connections: Connections },
): string {
  const close = connections === "close" ? "Connection: close\r\n" : "";
  if (protocol === "bittorrent")
    return `GET ${announcePath(announcer)} HTTP/1.1\r\nHost: 127.0.0.1\r\n${close}\r\n`;
  const body = announceBody(announcer);
  const type = "Content-Type: application/json\r\n";
  return `POST /peers HTTP/1.1\r\nHost: 127.0.0.1\r\n${type}${close}Content-Length: ${body.length}\r\n\r\n${body}`;
}

function announceBody({ swarm, peer, isComplete }: Announcer): string {
  return JSON.stringify({
    hash: swarmHash(swarm),
    listening_host: `10.${(peer >> 16) & 0xff}.${(peer >> 8) & 0xff}.${peer & 0xff}`,
    listening_port: PORT_FIRST + (peer % PORTS),
    peer: peerId(peer),
    left: isComplete ? 0 : 1,
  });
}

/** A BitTorrent tracker takes the address of the socket, so only the port tells a swarm's peers apart. */
function announcePath({ swarm, peer, place, isComplete }: Announcer): string {
  const hash = infoHash(swarm).replace(/../g, "%$&");
  const port = PORT_FIRST + (place % PORTS);
  const id = `-XX0000-${String(peer).padStart(12, "0")}`;
  const rest = `uploaded=0&downloaded=0&left=${isComplete ? 0 : 1}&compact=1&numwant=50`;
  return `/announce?info_hash=${hash}&peer_id=${id}&port=${port}&${rest}`;
}

const PORT_FIRST = 1024;
const PORTS = 60_000;

function swarmHash(swarm: number): string {
  return `${hex8(spread(swarm))}-0000-4000-8000-${swarm.toString(16).padStart(12, "0")}`;
}

/** @returns 40 hexadecimal digits */
export function infoHash(swarm: number): string {
  return `${hex8(spread(swarm))}${swarm.toString(16).padStart(32, "0")}`;
}

function peerId(peer: number): string {
  return `${hex8(spread(peer))}${peer.toString(16).padStart(24, "0")}`;
}

/** Real identifiers are random, and an index of consecutive ones would be filled at its end only: this one-to-one map
 * scatters them, the same way every time. */
function spread(number: number): number {
  return Math.imul(number, 0x9e3779b1) >>> 0;
}

function hex8(number: number): string {
  return number.toString(16).padStart(8, "0");
}

const CHUNK_BYTES = 1 << 20;
/** More than any request and its length. */
const ROOM_BYTES = 4096;

/** Writes requests in the form of `load.c`: the length of each (u32, little-endian) before it.
 * @param requests ASCII, each below ROOM_BYTES */
export async function writeRequests(path: string, requests: Iterable<string>): Promise<void> {
  const file = await open(path, "w");
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let filled = 0;
  try {
    for (const request of requests) {
      chunk.writeUInt32LE(request.length, filled);
      filled += 4 + chunk.write(request, filled + 4, "latin1");
      if (filled < CHUNK_BYTES - ROOM_BYTES) continue;
      await file.writeFile(chunk.subarray(0, filled));
      filled = 0;
    }
    await file.writeFile(chunk.subarray(0, filled));
  } finally {
    await file.close();
  }
}
