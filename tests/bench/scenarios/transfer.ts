import type { Client } from "../client.ts";
import { aria2 } from "../clients/aria2.ts";
import { createBareLoop } from "../clients/bare-loop.ts";
import { libtorrent } from "../clients/libtorrent.ts";
import { nginxCurl } from "../clients/nginx-curl.ts";
import { peerPlain, peerPlainBlake3, peerTls, peerTlsBlake3 } from "../clients/peer.ts";
import { rtorrent } from "../clients/rtorrent.ts";
import { webtorrent } from "../clients/webtorrent.ts";
import { randomFile } from "../files.ts";
import { findInstalled, type Installed } from "../installed.ts";
import { MEASURED_HEAD, type Measured, measure, toCells } from "../measure.ts";
import { type BenchOptions, KIB, MIB, roundsOf } from "../options.ts";
import { printTable } from "../table.ts";
import { takeTurns } from "../turns.ts";

/** One large file from one to one and from one to several, ours beside the others in turn. */

const OURS: readonly Client[] = [peerPlain, peerTls, peerPlainBlake3, peerTlsBlake3];
const OTHERS: readonly Client[] = [
  libtorrent,
  rtorrent,
  aria2,
  webtorrent,
  nginxCurl,
  createBareLoop("sha256"),
  createBareLoop("sha1"),
  createBareLoop("none"),
];

interface Setup {
  readonly mib: number;
  readonly leechers: number;
}

/** The largest goes to one only: five of it would not fit into memory. */
const SETUPS: readonly Setup[] = [
  { mib: 1024, leechers: 1 },
  { mib: 1024, leechers: 4 },
  { mib: 4096, leechers: 1 },
];
const SETUPS_QUICK: readonly Setup[] = [
  { mib: 128, leechers: 1 },
  { mib: 128, leechers: 4 },
];

export async function benchTransfer(options: BenchOptions): Promise<void> {
  const clients = await findInstalled({ ours: OURS, others: OTHERS }, options.clients);
  for (const setup of setupsOf(options)) await compareAll(clients, setup, options);
}

function setupsOf({ isQuick, sizesMib, leechers }: BenchOptions): readonly Setup[] {
  if (sizesMib === undefined && leechers === undefined) return isQuick ? SETUPS_QUICK : SETUPS;
  const sizes = sizesMib ?? [isQuick ? 128 : 1024];
  return sizes.flatMap((mib) => (leechers ?? [1, 4]).map((count) => ({ mib, leechers: count })));
}

async function compareAll(
  clients: readonly Installed[],
  { mib, leechers }: Setup,
  options: BenchOptions,
): Promise<void> {
  const rounds = roundsOf(options, 5);
  const { partBytes = MIB } = options;
  const file = { file: await randomFile(mib), fileBytes: mib * MIB, partBytes };
  const results = await takeTurns<Installed, Measured>(clients, rounds, async (client, { add }) => {
    add(await measure(client, file, leechers));
  });
  printTable(
    `${mib} MiB, 1 -> ${leechers}, parts of ${partBytes / KIB} KiB, medians of ${rounds} (least to most)`,
    ["client", ...MEASURED_HEAD],
    results.map(({ contender, figures }) => [contender.name, ...toCells(figures)]),
  );
  await options.record(
    results.map(({ contender: { name, found, settings }, figures }) => ({
      client: name,
      version: found,
      settings,
      ...{ mib, leechers, partBytes },
      rounds: [...figures],
    })),
  );
}
