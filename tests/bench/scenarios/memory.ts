import { join } from "node:path";
import type { Leecher, Scene } from "../client.ts";
import { createPeerClient, peerPlain, peerTls, TLS } from "../clients/peer.ts";
import { inDirectory, randomFile, rootFor, workRoot, writeSparse } from "../files.ts";
import { sampling } from "../measure.ts";
import { type BenchOptions, KIB, MIB, sizesOf } from "../options.ts";
import { ProcessMeter } from "../process-meter.ts";
import { PROGRAMS } from "../programs.ts";
import { printTable } from "../table.ts";

/** How much memory a peer takes: whatever the file's size, the part's size and the number of peers, the same. */

interface Case {
  readonly name: string;
  readonly client: ReturnType<typeof createPeerClient>;
  readonly file: Omit<Scene, "directory">;
  readonly leechers: number;
  /** Where the copies go. */
  readonly root: string;
  readonly secondsMax: number;
}

const SECONDS_MAX = 180;
/** A file too large to wait for is looked at for so long. */
const SPARSE_SECONDS = 15;
const SPARSE_PART_BYTES = 16 * MIB;

export async function benchMemory(options: BenchOptions): Promise<void> {
  const { isQuick } = options;
  const rows: (readonly string[])[] = [];
  const [mib = 1024] = sizesOf(options, { quick: [128], full: [1024] });
  for (const one of await ordinaryCases(mib, isQuick)) rows.push(await rowOrFailure(one));
  rows.push(await sparseRow(isQuick));
  printTable(
    `Peak memory, ${PROGRAMS.label}: resident (own, without mapped files), MiB`,
    ["what", "seeder", "largest downloader", "ran", "complete"],
    rows,
  );
}

async function ordinaryCases(mib: number, isQuick: boolean): Promise<readonly Case[]> {
  const of = async (fileMib: number, partBytes: number) => ({
    file: await randomFile(fileMib),
    fileBytes: fileMib * MIB,
    partBytes,
  });
  const place = { leechers: 1, root: workRoot(), secondsMax: SECONDS_MAX };
  const many = isQuick ? 8 : 50;
  const crowdMib = isQuick ? 16 : 64;
  // Slow enough that they meet while they still want something of each other.
  const crowd = createPeerClient("peer", { flags: [...TLS, "--limit-up", "16M"] });
  const sha1 = createPeerClient("peer", { flags: TLS, uploadFlags: ["--hash", "sha1"] });
  const tiny = isQuick ? 16 : 1;
  return [
    { ...place, name: `${mib} MiB, tls`, client: peerTls, file: await of(mib, MIB) },
    { ...place, name: `${mib} MiB, plain`, client: peerPlain, file: await of(mib, MIB) },
    {
      ...place,
      name: `${mib} MiB in parts of 16 MiB, tls`,
      client: peerTls,
      file: await of(mib, 16 * MIB),
    },
    {
      ...place,
      name: `1 MiB in parts of ${tiny} bytes, SHA-1, tls`,
      client: sha1,
      file: await of(1, tiny),
    },
    {
      ...place,
      name: `${crowdMib} MiB, ${many} downloaders in one swarm, 16 MiB/s each, tls`,
      client: crowd,
      leechers: many,
      file: await of(crowdMib, 256 * KIB),
    },
  ];
}

async function sparseRow(isQuick: boolean): Promise<readonly string[]> {
  const gib = isQuick ? 2 : 64;
  const secondsMax = isQuick ? 2 : SPARSE_SECONDS;
  const size = { mib: gib * 1024, partBytes: SPARSE_PART_BYTES, headBytes: 4 * KIB };
  // Room for all of it, though little is written: a download that would not fit is refused.
  const root = await rootFor(size.mib * MIB);
  return await inDirectory(root, async (directory) => {
    const path = join(directory, "sparse");
    await writeSparse(path, size);
    const file = { file: path, fileBytes: size.mib * MIB, partBytes: SPARSE_PART_BYTES };
    const name = `${gib} GiB sparse in parts of 16 MiB, tls, ended after ${secondsMax} s`;
    return await rowOrFailure({ name, client: peerTls, file, leechers: 1, root, secondsMax });
  });
}

/** One that fails is a result too, and the others are not to be lost with it. */
async function rowOrFailure(one: Case): Promise<readonly string[]> {
  try {
    return await row(one);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [one.name, `failed: ${message.replaceAll("\n", " ")}`, "-", "-", "no"];
  }
}

async function row({
  name,
  client,
  file,
  leechers,
  root,
  secondsMax,
}: Case): Promise<readonly string[]> {
  return await inDirectory(root, async (directory) => {
    const swarm = await client.start({ ...file, directory });
    const started: Leecher[] = [];
    try {
      const startedMs = performance.now();
      for (let n = 1; n <= leechers; n++) started.push(swarm.startLeecher(n));
      const seeder = new ProcessMeter(swarm.seeder.pid);
      const meters = started.map((leecher) => new ProcessMeter(leecher.pid));
      const done = Promise.all(started.map((leecher) => leecher.done)).then(() => true);
      const isComplete = await sampling([seeder, ...meters], () => orTimeout(done, secondsMax));
      const seconds = (performance.now() - startedMs) / 1000;
      return [
        name,
        cell([seeder]),
        cell(meters),
        `${seconds.toFixed(1)} s`,
        isComplete ? "yes" : "no",
      ];
    } finally {
      await Promise.all(started.map((leecher) => leecher.stop()));
      await swarm.stop();
    }
  });
}

function cell(meters: readonly ProcessMeter[]): string {
  const most = (pick: "peakMib" | "ownPeakMib") =>
    Math.max(...meters.map((meter) => meter.usage[pick])).toFixed(0);
  return `${most("peakMib")} (${most("ownPeakMib")})`;
}

/** @returns false when the time was over first */
async function orTimeout(done: Promise<boolean>, seconds: number): Promise<boolean> {
  const timeout = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => timeout.resolve(false), seconds * 1000);
  try {
    return await Promise.race([done, timeout.promise]);
  } finally {
    clearTimeout(timer);
    // Those that are stopped before they are complete say so to nobody.
    done.catch(() => undefined);
  }
}
