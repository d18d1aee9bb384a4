import type { PeerProcess } from "../../support/peer-process.ts";
import { World } from "../../support/world.ts";
import { type BenchOptions, KIB, MIB, roundsOf } from "../options.ts";
import { median, printTable } from "../table.ts";

/** How exact `--limit-up` and `--limit-down` are: what moved between the moment the two sides know each other and the last
 * proven byte, beside what the limit says. */

type Side = "up" | "down";

interface Case {
  readonly side: Side;
  readonly limit: string;
  /** Downloaders of one source, or sources of one downloader. */
  readonly connections: number;
}

const FULL = { limits: ["64K", "1M", "20M", "100M"], seconds: 5 };
const QUICK = { limits: ["20M"], seconds: 3 };
const NOWHERE = "http://127.0.0.1:1";

export async function benchLimits(options: BenchOptions): Promise<void> {
  const rounds = roundsOf(options, 3);
  const { limits, seconds } = options.isQuick ? QUICK : FULL;
  const rows: string[][] = [];
  for (const side of ["up", "down"] as const) {
    for (const limit of limits) {
      for (const connections of [1, 4]) {
        const rates: number[] = [];
        for (let round = 0; round < rounds; round++)
          rates.push(await rateOf({ side, limit, connections }, seconds));
        const wanted = bytesOf(limit);
        const off = rates.map((rate) => (100 * rate) / wanted - 100);
        const worst = off.reduce((most, one) => (Math.abs(one) > Math.abs(most) ? one : most), 0);
        rows.push([
          `--limit-${side} ${limit}`,
          `${connections}`,
          percent(median(off)),
          percent(worst),
        ]);
      }
    }
  }
  printTable(
    `What a limit lets through, off by so much, ${rounds} rounds of some ${seconds} s, tls`,
    ["limit", "connections", "median", "worst"],
    rows,
  );
}

function percent(value: number): string {
  return `${value >= 0 ? "+" : ""}${value.toFixed(1)} %`;
}

function bytesOf(limit: string): number {
  return Number(limit.slice(0, -1)) * (limit.endsWith("K") ? KIB : MIB);
}

/** @param seconds how long it takes if the limit is exact
 * @returns bytes a second through the limited side */
async function rateOf({ side, limit, connections }: Case, seconds: number): Promise<number> {
  await using world = await World.create();
  const rate = bytesOf(limit);
  const total = rate * seconds;
  const bytes = side === "up" ? Math.floor(total / connections) : total;
  // Small enough that many of them make the time, for the slow limits too.
  const partKib = rate >= 8 * MIB ? 256 : rate >= MIB ? 64 : 8;
  const flags = side === "up" ? ["--limit-up", limit] : [];
  const part = ["--part-size", `${partKib}K`];
  const { seeder, torrentPath } = await world.seed({ bytes, args: [...part, ...flags] });
  const ports = [await seeder.port()];
  for (let at = 1; side === "down" && at < connections; at++) {
    await world.copyTo(`source-${at}`, torrentPath);
    ports.push((await world.serve(`source-${at}`)).port);
  }
  const peers = ports.flatMap((port) => ["--peer", `127.0.0.1:${port}`]);
  const down = side === "down" ? ["--limit-down", limit] : [];
  const lone = await withoutTrackers(world, torrentPath);
  const leechers = Array.from({ length: side === "up" ? connections : 1 }, (_, at) =>
    world.download(`leecher-${at}`, lone, {
      // Nobody but the limited one: downloaders that find each other would carry the rest.
      args: [...peers, ...down, "--max-peers", `${ports.length}`],
      env: { PEER_TRACKER: NOWHERE },
    }),
  );
  const times = await Promise.all(leechers.map(timesOf));
  const beganMs = Math.min(...times.map(([began]) => began));
  const endedMs = Math.max(...times.map(([, ended]) => ended));
  return (total * 1000) / (endedMs - beganMs);
}

async function timesOf(leecher: PeerProcess): Promise<readonly [beganMs: number, endedMs: number]> {
  await leecher.event("peer", ({ event }) => event === "joined");
  const beganMs = performance.now();
  await leecher.event("downloaded");
  return [beganMs, performance.now()];
}

/** @returns the path of the same torrent with a tracker that is not there */
async function withoutTrackers(world: World, torrentPath: string): Promise<string> {
  const torrent = await Bun.file(torrentPath).json();
  const path = world.at("lone.torrent.json");
  await Bun.write(path, JSON.stringify({ ...torrent, Trackers: [NOWHERE] }));
  return path;
}
