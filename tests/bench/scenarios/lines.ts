import { libtorrentOwn } from "../clients/libtorrent.ts";
import { peerPlain, peerTls } from "../clients/peer.ts";
import { randomFile } from "../files.ts";
import { findInstalled, type Installed } from "../installed.ts";
import { type HomeLine, HomeLines } from "../load/home-lines.ts";
import { measure } from "../measure.ts";
import { type BenchOptions, KIB, MIB, roundsOf } from "../options.ts";
import { print, printTable, spread } from "../table.ts";
import { takeTurns } from "../turns.ts";

/** From a source without a limit to homes, each behind a line of its own. What is compared is how far the lines are used,
 * and how much comes over them in vain. */

const CLIENTS = { ours: [peerPlain, peerTls], others: [libtorrentOwn] };
/** What `upload` takes by itself for files of these sizes. */
const PART_BYTES = 256 * KIB;

interface Case extends HomeLine {
  readonly mib: number;
}

const FULL: readonly Case[] = [
  { downMbit: 40, upMbit: 10, mib: 96 },
  { downMbit: 25, upMbit: 25, mib: 64 },
  { downMbit: 8, upMbit: 8, mib: 48 },
  { downMbit: 1.6, upMbit: 1.6, mib: 8 },
];
const QUICK: readonly Case[] = [{ downMbit: 20, upMbit: 5, mib: 8 }];

export async function benchLines(options: BenchOptions): Promise<void> {
  const missing = await HomeLines.missing();
  if (missing !== undefined) {
    print(`- left out: ${missing}`);
    return;
  }
  const rounds = roundsOf(options, 3);
  const clients = await findInstalled(CLIENTS, options.clients);
  for (const one of options.isQuick ? QUICK : FULL) {
    for (const homes of options.leechers ?? (options.isQuick ? [4] : [10])) {
      const results = await takeTurns<Installed, Figure>(clients, rounds, async (client, turn) =>
        turn.add(
          await measureOne(client, one, { homes, partBytes: options.partBytes ?? PART_BYTES }),
        ),
      );
      const { mib, downMbit, upMbit } = one;
      const lineSeconds = (mib * MIB * 8) / (downMbit * 1e6);
      printTable(
        `${mib} MiB to ${homes} behind ${downMbit} Mbit/s in and ${upMbit} out each (alone ${lineSeconds.toFixed(1)} s), medians of ${rounds} (least to most)`,
        ["client", "s from start to the last", "copies each received"],
        results.map(({ contender, figures }) => [
          contender.name,
          spread(
            figures.map(({ seconds }) => seconds),
            1,
          ),
          spread(
            figures.map(({ copies }) => copies),
            2,
          ),
        ]),
      );
    }
  }
}

interface Figure {
  readonly seconds: number;
  readonly copies: number;
}

async function measureOne(
  client: Installed,
  line: Case,
  { homes, partBytes }: { readonly homes: number; readonly partBytes: number },
): Promise<Figure> {
  const fileBytes = line.mib * MIB;
  await using net = await HomeLines.lay(homes, line);
  const scene = { file: await randomFile(line.mib), fileBytes, partBytes, net };
  const { seconds } = await measure(client, scene, homes);
  return { seconds, copies: (await net.receivedBytes()) / homes / fileBytes };
}
