import type { Address } from "../../../protocol/address.ts";
import type { Client } from "../client.ts";
import { aria2 } from "../clients/aria2.ts";
import { createBareLoop } from "../clients/bare-loop.ts";
import { libtorrent } from "../clients/libtorrent.ts";
import { peerPlain, peerTls } from "../clients/peer.ts";
import { rtorrent } from "../clients/rtorrent.ts";
import { webtorrent } from "../clients/webtorrent.ts";
import { randomFile } from "../files.ts";
import { findInstalled, type Installed } from "../installed.ts";
import { startRelay } from "../load/start-relay.ts";
import { measure } from "../measure.ts";
import { type BenchOptions, MIB, roundsOf, sizesOf } from "../options.ts";
import { printTable, spread } from "../table.ts";
import { takeTurns } from "../turns.ts";

/** One file over a long way. What is compared is how much each program asks for ahead: the way has no rate of its own, and
 * TCP's windows, which are the kernel's, never see it. */

/** One way, in milliseconds. */
const DELAYS = { quick: [25], full: [5, 25, 100] };

const CLIENTS = {
  ours: [peerPlain, peerTls],
  others: [libtorrent, rtorrent, aria2, webtorrent, createBareLoop("none")],
};

export async function benchDistance(options: BenchOptions): Promise<void> {
  const rounds = roundsOf(options, 3);
  const clients = await findInstalled(CLIENTS, options.clients);
  const delays = options.isQuick ? DELAYS.quick : DELAYS.full;
  for (const mib of sizesOf(options, { quick: [16], full: [512] })) {
    const file = { file: await randomFile(mib), fileBytes: mib * MIB, partBytes: MIB };
    const rows = new Map(clients.map(({ name }) => [name, [name]]));
    for (const delayMs of delays) {
      const results = await takeTurns<Installed, number>(
        clients,
        rounds,
        async (client, { add }) => {
          add(await rateOver(delayMs, client, file));
        },
      );
      const rates = new Map(results.map(({ contender, figures }) => [contender.name, figures]));
      for (const [name, row] of rows) row.push(cellOf(rates.get(name)));
    }
    printTable(
      `${mib} MiB over a long way, 1 -> 1, MiB/s from start to end, medians of ${rounds} (least to most)`,
      ["client", ...delays.map((ms) => `${2 * ms} ms there and back`)],
      [...rows.values()],
    );
  }
}

/** @returns MiB a second */
async function rateOver(
  delayMs: number,
  client: Client,
  file: Parameters<typeof measure>[1],
): Promise<number> {
  const relays: { readonly stop: () => Promise<void> }[] = [];
  const layWay = async (seeder: Address): Promise<Address> => {
    const relay = await startRelay({ delayMs }, seeder);
    relays.push(relay);
    return relay.address;
  };
  try {
    const { mibPerSecond } = await measure(client, { ...file, layWay }, 1);
    return mibPerSecond;
  } finally {
    await Promise.all(relays.map((relay) => relay.stop()));
  }
}

function cellOf(rates: readonly number[] | undefined): string {
  return rates === undefined ? "—" : spread(rates, 0);
}
