import type { Client, Scene } from "../client.ts";
import { libtorrent } from "../clients/libtorrent.ts";
import { nginxCurl } from "../clients/nginx-curl.ts";
import { createPeerClient, PLAIN, TLS } from "../clients/peer.ts";
import { inDirectory, randomFile, workRoot } from "../files.ts";
import { within } from "../measure.ts";
import { type BenchOptions, MIB, sizesOf } from "../options.ts";
import { COMPILED, FROM_SOURCE } from "../programs.ts";
import { whileRunning } from "../spawn.ts";
import { printTable, quantile } from "../table.ts";
import { type Contender, type Turn, takeTurns } from "../turns.ts";

/** How long a small file takes, where starting and meeting is nearly all of it. */

interface Latency {
  /** From the downloader's start to its word that the file is complete. */
  readonly completeMs: number;
  /** To its end, where it ends by itself. */
  readonly endMs: number | undefined;
}

/** Ours end by themselves when they are complete. */
interface Installed extends Contender {
  readonly client: Client;
}

/** Taken in turns of so many, so that a busy minute hits all. */
const TURN = 5;
const DONE_MS_MAX = 30_000;

export async function benchSmall(options: BenchOptions): Promise<void> {
  const rounds = options.rounds ?? (options.isQuick ? TURN : 20);
  const contenders = await installed();
  for (const mib of sizesOf(options, { quick: [1], full: [1] })) {
    const file = { file: await randomFile(mib), fileBytes: mib * MIB, partBytes: 256 * 1024 };
    const turns = Math.ceil(rounds / TURN);
    const results = await takeTurns<Installed, Latency>(contenders, turns, (contender, turn) =>
      download(contender, { file, times: Math.min(TURN, rounds - TURN * (turn.round - 1)) }, turn),
    );
    printTable(
      `${mib} MiB, downloader's start to complete, ${rounds} times`,
      ["client", "median ms", "p90 ms", "least ms", "process over, median ms"],
      results.map(({ contender, figures }) => [contender.name, ...cells(figures)]),
    );
  }
}

function cells(latencies: readonly Latency[]): readonly string[] {
  const complete = latencies.map(({ completeMs }) => completeMs);
  const ends = latencies.flatMap(({ endMs }) => (endMs === undefined ? [] : [endMs]));
  return [
    ...[0.5, 0.9, 0].map((fraction) => quantile(complete, fraction).toFixed(0)),
    ends.length === 0 ? "-" : quantile(ends, 0.5).toFixed(0),
  ];
}

async function installed(): Promise<readonly Installed[]> {
  const ours = [FROM_SOURCE, ...(COMPILED === undefined ? [] : [COMPILED])].flatMap((programs) =>
    [TLS, PLAIN].map((flags) => {
      const name = `peer ${flags[1]}, ${programs.label}`;
      return createPeerClient(name, { flags, programs, serves: false });
    }),
  );
  const others: Client[] = [];
  for (const client of [nginxCurl, libtorrent]) {
    if ((await client.version()) !== undefined) others.push(client);
  }
  const toInstalled = (isOurs: boolean) => (client: Client) => ({
    client,
    name: client.name,
    isOurs,
  });
  return [...ours.map(toInstalled(true)), ...others.map(toInstalled(false))];
}

async function download(
  { client, isOurs: endsItself }: Installed,
  { file, times }: { readonly file: Omit<Scene, "directory">; readonly times: number },
  { add }: Turn<Latency>,
): Promise<void> {
  await inDirectory(workRoot(), async (directory) => {
    const swarm = await client.start({ ...file, directory });
    try {
      for (let n = 1; n <= times; n++) {
        const startedMs = performance.now();
        const leecher = swarm.startLeecher(n);
        try {
          await within(DONE_MS_MAX, whileRunning(["Its seeder", swarm.seeder], leecher.done));
          const completeMs = performance.now() - startedMs;
          if (endsItself) await within(DONE_MS_MAX, leecher.exited);
          const endMs = endsItself ? performance.now() - startedMs : undefined;
          add({ completeMs, endMs });
        } finally {
          await leecher.stop();
        }
      }
    } finally {
      await swarm.stop();
    }
  });
}
