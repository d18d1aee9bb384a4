import type { Client } from "../client.ts";
import { libtorrent } from "../clients/libtorrent.ts";
import { nginxCurl } from "../clients/nginx-curl.ts";
import { createPeerClient, PLAIN, TLS } from "../clients/peer.ts";
import { inDirectory, randomFile, workRoot } from "../files.ts";
import { within } from "../measure.ts";
import { type BenchOptions, MIB, sizesOf } from "../options.ts";
import { COMPILED, FROM_SOURCE } from "../programs.ts";
import { printTable, quantile } from "../table.ts";

/** How long a small file takes, where starting and meeting is nearly all of it. */

interface Latency {
  /** From the downloader's start to its word that the file is complete. */
  readonly completeMs: number;
  /** To its end, where it ends by itself. */
  readonly endMs: number | undefined;
}

interface Contender {
  readonly client: Client;
  readonly endsItself: boolean;
}

/** Taken in turns of so many, so that a busy minute hits all. */
const TURN = 5;
const DONE_MS_MAX = 30_000;

export async function benchSmall(options: BenchOptions): Promise<void> {
  const rounds = options.rounds ?? (options.isQuick ? TURN : 20);
  const contenders = await installed();
  for (const mib of sizesOf(options, { quick: [1], full: [1] })) {
    const file = { file: await randomFile(mib), fileBytes: mib * MIB, partBytes: 256 * 1024 };
    const results = new Map<string, Latency[]>();
    for (let done = 0; done < rounds; done += TURN) {
      for (const contender of contenders) {
        const { name } = contender.client;
        const turn = await takeTurn(contender, file, Math.min(TURN, rounds - done));
        results.set(name, [...(results.get(name) ?? []), ...turn]);
      }
    }
    printTable(
      `${mib} MiB, downloader's start to complete, ${rounds} times`,
      ["client", "median ms", "p90 ms", "least ms", "process over, median ms"],
      [...results].map(([name, latencies]) => [name, ...cells(latencies)]),
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

async function installed(): Promise<readonly Contender[]> {
  const ours = [FROM_SOURCE, ...(COMPILED === undefined ? [] : [COMPILED])].flatMap((programs) =>
    [TLS, PLAIN].map((flags) => ({
      client: createPeerClient(`peer ${flags[1]}, ${programs.label}`, {
        flags,
        programs,
        serves: false,
      }),
      endsItself: true,
    })),
  );
  const others: Contender[] = [];
  for (const client of [nginxCurl, libtorrent]) {
    if ((await client.version()) !== undefined) others.push({ client, endsItself: false });
  }
  return [...ours, ...others];
}

async function takeTurn(
  { client, endsItself }: Contender,
  file: { readonly file: string; readonly fileBytes: number; readonly partBytes: number },
  count: number,
): Promise<readonly Latency[]> {
  return await inDirectory(workRoot(), async (directory) => {
    const swarm = await client.start({ ...file, directory });
    const latencies: Latency[] = [];
    try {
      for (let n = 1; n <= count; n++) {
        const startedMs = performance.now();
        const leecher = swarm.startLeecher(n);
        try {
          await within(DONE_MS_MAX, leecher.done);
          const completeMs = performance.now() - startedMs;
          if (endsItself) await within(DONE_MS_MAX, leecher.exited);
          const endMs = endsItself ? performance.now() - startedMs : undefined;
          latencies.push({ completeMs, endMs });
        } finally {
          await leecher.stop();
        }
      }
    } finally {
      await swarm.stop();
    }
    return latencies;
  });
}
