import type { Address } from "../../../protocol/address.ts";
import { libtorrentOwn } from "../clients/libtorrent.ts";
import { peerPlain, peerTls } from "../clients/peer.ts";
import { randomFile } from "../files.ts";
import { findInstalled, type Installed } from "../installed.ts";
import { startRelay } from "../load/start-relay.ts";
import { measure } from "../measure.ts";
import { type BenchOptions, KIB, MIB, roundsOf, sizesOf } from "../options.ts";
import { printTable, spread } from "../table.ts";
import { takeTurns } from "../turns.ts";

/** From a home to many: the seeder's line is slow, the downloaders are near each other. What is compared is how often each
 * program sends a part over that line before others have it to give on. */

const DELAY_MS = 10;
const PART_BYTES = 256 * KIB;
const CLIENTS = { ours: [peerPlain, peerTls], others: [libtorrentOwn] };

export async function benchUplink(options: BenchOptions): Promise<void> {
  const rounds = roundsOf(options, 3);
  const clients = await findInstalled(CLIENTS, options.clients);
  const bytesPerSecond = (options.isQuick ? 4 : 1) * MIB;
  for (const mib of sizesOf(options, { quick: [8], full: [24] })) {
    const scene = { file: await randomFile(mib), fileBytes: mib * MIB, partBytes: PART_BYTES };
    const lineSeconds = scene.fileBytes / bytesPerSecond;
    for (const leechers of options.leechers ?? (options.isQuick ? [4] : [3, 16])) {
      const results = await takeTurns<Installed, number>(clients, rounds, async (client, turn) => {
        const relays: { readonly stop: () => Promise<void> }[] = [];
        const layWay = async (seeder: Address): Promise<Address> => {
          const relay = await startRelay({ delayMs: DELAY_MS, bytesPerSecond }, seeder);
          relays.push(relay);
          return relay.address;
        };
        try {
          turn.add((await measure(client, { ...scene, layWay }, leechers)).seconds);
        } finally {
          await Promise.all(relays.map((relay) => relay.stop()));
        }
      });
      printTable(
        `${mib} MiB from a line of ${bytesPerSecond / MIB} MiB/s, 1 -> ${leechers}, medians of ${rounds} (least to most)`,
        ["client", "s from start to the last", "times what the line takes for one copy"],
        results.map(({ contender, figures }) => [
          contender.name,
          spread(figures, 1),
          spread(
            figures.map((seconds) => seconds / lineSeconds),
            2,
          ),
        ]),
      );
    }
  }
}
