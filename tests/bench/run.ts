import { mkdir, stat } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Client } from "./client.ts";
import { aria2 } from "./clients/aria2.ts";
import { createBareLoop } from "./clients/bare-loop.ts";
import { libtorrent } from "./clients/libtorrent.ts";
import { nginxCurl } from "./clients/nginx-curl.ts";
import { createPeerClient } from "./clients/peer.ts";
import { type Measured, measure, workRoot } from "./measure.ts";

/** `bun run bench`: whole processes over loopback, ours beside others, in turn; prints a Markdown table.
 *   --size MIB,…  --leechers N,…  --part KIB  --rounds N  --clients NAME,…  --quick */

const MIB = 1024 * 1024;
const { values } = parseArgs({
  options: {
    size: { type: "string", default: "1024" },
    leechers: { type: "string", default: "1,4" },
    part: { type: "string", default: "1024" },
    rounds: { type: "string", default: "5" },
    clients: { type: "string", default: "" },
    quick: { type: "boolean", default: false },
  },
});

const CLIENTS: readonly Client[] = [
  createPeerClient("peer", []),
  libtorrent,
  aria2,
  nginxCurl,
  createBareLoop("sha256"),
  createBareLoop("sha1"),
  createBareLoop("none"),
];

await main();

async function main(): Promise<void> {
  const clients = await installed(values.clients.split(",").filter((name) => name !== ""));
  const rounds = values.quick ? 1 : Number(values.rounds);
  print(await describeMachine());
  for (const client of clients)
    print(`- ${client.name}: ${await client.version()}; ${client.settings}`);
  for (const mib of numbers(values.quick ? "256" : values.size)) {
    for (const leechers of numbers(values.leechers)) {
      const partBytes = Number(values.part) * 1024;
      await compareAll(clients, { mib, leechers, partBytes, rounds });
    }
  }
}

async function compareAll(
  clients: readonly Client[],
  setup: {
    readonly mib: number;
    readonly leechers: number;
    readonly partBytes: number;
    readonly rounds: number;
  },
): Promise<void> {
  const { mib, leechers, partBytes, rounds } = setup;
  const file = { file: await randomFile(mib), fileBytes: mib * MIB, partBytes };
  const results = new Map<string, Measured[]>(clients.map((client) => [client.name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const client of clients) {
      results.get(client.name)?.push(await measure(client, file, leechers));
    }
  }
  print(
    `\n### ${mib} MiB, 1 -> ${leechers}, parts of ${partBytes / 1024} KiB, medians of ${rounds} (least to most)\n`,
  );
  print(
    "| client | s | MiB/s | CPU s/GiB | seeder CPU s | leechers CPU s | peak MiB seeder / leecher |",
  );
  print("|---|---|---|---|---|---|---|");
  for (const [name, measured] of results) print(row(name, measured));
}

function row(name: string, measured: readonly Measured[]): string {
  const cell = (pick: (one: Measured) => number, digits: number) => {
    const sorted = measured.map(pick).sort((left, right) => left - right);
    const at = (index: number) => (sorted[index] ?? 0).toFixed(digits);
    return `${at(Math.floor(sorted.length / 2))} (${at(0)}-${at(sorted.length - 1)})`;
  };
  const cells = [
    name,
    cell((one) => one.seconds, 2),
    cell((one) => one.mibPerSecond, 0),
    cell((one) => one.cpuSecondsPerGib, 2),
    cell((one) => one.seederCpuSeconds, 2),
    cell((one) => one.leechersCpuSeconds, 2),
    `${cell((one) => one.seederPeakMib, 0)} / ${cell((one) => one.leecherPeakMib, 0)}`,
  ];
  return `| ${cells.join(" | ")} |`;
}

async function installed(wanted: readonly string[]): Promise<readonly Client[]> {
  const found: Client[] = [];
  for (const client of CLIENTS) {
    if (wanted.length > 0 && !wanted.includes(client.name)) continue;
    if ((await client.version()) === undefined) print(`- ${client.name}: not installed, left out`);
    else found.push(client);
  }
  return found;
}

/** Random bytes, made once a size. */
async function randomFile(mib: number): Promise<string> {
  const directory = join(workRoot(), "peer-bench-data");
  await mkdir(directory, { recursive: true });
  const path = join(directory, `random-${mib}.bin`);
  const found = await stat(path).catch(() => undefined);
  if (found?.size !== mib * MIB) await Bun.$`head -c ${mib * MIB} /dev/urandom > ${path}`.quiet();
  return path;
}

async function describeMachine(): Promise<string> {
  const commit = (await Bun.$`git rev-parse --short HEAD`.nothrow().quiet().text()).trim();
  const cpu = cpus();
  return `commit ${commit}, Bun ${Bun.version}, ${cpu.length} x ${cpu[0]?.model.trim()}, files in ${workRoot()}`;
}

function numbers(list: string): readonly number[] {
  return list.split(",").map(Number);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
