import { join } from "node:path";
import { type Client, createClient } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { parseSwarmHash, type SwarmHash } from "../../../protocol/ids.ts";
import { systemClock, systemRandom } from "../../../tracker/clock.ts";
import { migrate } from "../../../tracker/migrate.ts";
import { SHARED_OPTIONS, SharedSwarmStore } from "../../../tracker/swarm-store/shared.ts";
import type { Announce } from "../../../tracker/swarm-store/store.ts";
import { type HranaProcess, startHranaProcess } from "../../support/hrana-process.ts";
import { inDirectory, workRoot } from "../files.ts";
import type { BenchOptions } from "../options.ts";
import { printTable, quantile } from "../table.ts";

/** What a database that trackers share costs, a round trip away: announces a second, what they wait, and what is read and
 * written for each. The database is a server for tests in a process of its own; every peer announces once in
 * INTERVAL_MS of a time that is played, as fast as the answers come. */

const ROUND_TRIPS_MS = [0, 10, 30];
/** The last is one swarm, just below its limit. */
const SWARM_PEERS = [20, 1000, 95_000];
const PEERS = 95_000;
const PEERS_QUICK = 2000;
const CALLERS = 256;
const INTERVAL_MS = 30_000;
const TTL_MS = 120_000;
/** As on a public tracker. */
const LIMITS = { ...SHARED_OPTIONS.limits, peersPerNetworkMax: 8 };
/** Of so many announces one says that its peer is complete now. */
const COMPLETES = 50;

/** Peers numbered through all swarms. */
interface Crowd {
  readonly peers: number;
  readonly swarmPeers: number;
  readonly startedAt: number;
}

interface Outcome {
  readonly perSecond: number;
  readonly perRequest: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly readEach: number;
  readonly writtenEach: number;
}

export async function benchShared({ isQuick, peers }: BenchOptions): Promise<void> {
  const count = peers?.[0] ?? (isQuick ? PEERS_QUICK : PEERS);
  const seconds = isQuick ? 0.3 : 8;
  const sizes = [...new Set(SWARM_PEERS.map((size) => Math.min(size, count)))];
  const rows: (readonly string[])[] = [];
  for (const swarmPeers of sizes) {
    for (const roundTripMs of isQuick ? [0] : ROUND_TRIPS_MS) {
      const crowd = { peers: count, swarmPeers, startedAt: Date.now() };
      const outcome = await inDirectory(workRoot(), async (directory) => {
        await using server = await startHranaProcess(join(directory, "shared.db"));
        await fill(server, crowd);
        await server.set({ latencyMs: roundTripMs });
        return await measure(server, crowd, seconds);
      });
      rows.push([`${roundTripMs}`, `${swarmPeers}`, ...toCells(outcome)]);
    }
  }
  printTable(
    `${count} peers, ${CALLERS} callers, one tracker, ${seconds} s each`,
    [
      ...["round trip ms", "peers a swarm", "announces/s", "announces a request"],
      ...["p50 ms", "p99 ms", "rows read each", "written each"],
    ],
    rows,
  );
}

async function measure(server: HranaProcess, crowd: Crowd, seconds: number): Promise<Outcome> {
  const client = openClient(server);
  const options = { ...SHARED_OPTIONS, limits: LIMITS };
  const databases = { client, database: drizzle(client) };
  await using store = new SharedSwarmStore(systemClock, systemRandom, databases, options);
  await server.set({ reset: true });
  const waitedMs: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  let next = 0;
  const call = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const askedMs = performance.now();
      await store.announce(announceOf(crowd, next++));
      waitedMs.push(performance.now() - askedMs);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, call));
  const tookSeconds = (performance.now() - startMs) / 1000;
  const { requests, rowsRead, rowsWritten } = await server.set({});
  const announces = waitedMs.length;
  return {
    perSecond: announces / tookSeconds,
    perRequest: announces / requests,
    medianMs: quantile(waitedMs, 0.5),
    p99Ms: quantile(waitedMs, 0.99),
    readEach: rowsRead / announces,
    writtenEach: rowsWritten / announces,
  };
}

/** The peers take turns, in swarm after swarm, so that those of one do not come together. */
function announceOf({ peers, swarmPeers, startedAt }: Crowd, turn: number): Announce {
  const swarms = Math.ceil(peers / swarmPeers);
  const place = turn % peers;
  const number = (place % swarms) * swarmPeers + Math.floor(place / swarms);
  const now = startedAt + Math.floor((turn / peers) * INTERVAL_MS);
  return {
    swarm: hashOf(Math.floor(number / swarmPeers)),
    host: hostOf(number),
    port: 6000,
    zone: "public",
    peer: undefined,
    action: "add",
    complete: turn % COMPLETES === 0 ? true : undefined,
    create: false,
    reached: [],
    want: 50,
    only: "all",
    now,
    expires: now + TTL_MS,
  };
}

/** Writes a crowd down as if it had announced itself for hours: half of it was written at its last announce, half at the one
 * before, and has to be written again. */
async function fill(server: HranaProcess, { peers, swarmPeers, startedAt }: Crowd): Promise<void> {
  const client = openClient(server);
  await migrate(client);
  const swarms = Math.ceil(peers / swarmPeers);
  const hashes = Array.from({ length: swarms }, (_, number) => hashOf(number));
  for (let at = 0; at < swarms; at += 1000) {
    const some = hashes.slice(at, at + 1000).map((hash, index) => ({
      sql: "INSERT INTO swarms (id, hash, expires) VALUES (?, ?, ?)",
      args: [at + index + 1, hash, startedAt + 1.25 * TTL_MS],
    }));
    await client.batch(some, "write");
  }
  const turn = `(i % ${swarmPeers}) * ${swarms} + i / ${swarmPeers}`;
  const lastTime = `${startedAt + TTL_MS} + (${turn}) * ${INTERVAL_MS} / ${peers} - (i % 2) * ${INTERVAL_MS}`;
  const host = "'10.' || (i / 65536) || '.' || (i / 256 % 256) || '.' || (i % 256)";
  await client.execute(`INSERT INTO peers (swarm, random, network, host, port, complete, expires)
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${peers - 1})
    SELECT 1 + i / ${swarmPeers}, abs(random()) % 4294967296, ${host}, ${host}, 6000, i % 5 = 0, ${lastTime} FROM n`);
  client.close();
}

function hostOf(number: number): string {
  return `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
}

function hashOf(number: number): SwarmHash {
  const hash = parseSwarmHash(`00000000-0000-4000-8000-${String(number).padStart(12, "0")}`);
  if (hash === undefined) throw new Error("A bench's swarm hash is wrong");
  return hash;
}

function openClient({ url, token }: HranaProcess): Client {
  return createClient({ url, authToken: token });
}

function toCells(outcome: Outcome): readonly string[] {
  return [
    outcome.perSecond.toFixed(0),
    outcome.perRequest.toFixed(0),
    outcome.medianMs.toFixed(1),
    outcome.p99Ms.toFixed(1),
    outcome.readEach.toFixed(1),
    outcome.writtenEach.toFixed(2),
  ];
}
