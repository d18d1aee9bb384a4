import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { waitUntil } from "../../support/wait.ts";
import { peerPlain, peerTls } from "../clients/peer.ts";
import { startCountingTracker } from "../counting-tracker.ts";
import { inDirectory, randomFile, workRoot } from "../files.ts";
import { MEASURED_HEAD, type Measured, measure, toCells } from "../measure.ts";
import { type BenchOptions, MIB, roundsOf, sizesOf } from "../options.ts";
import { ProcessMeter } from "../process-meter.ts";
import { PROGRAMS, spawnPeer } from "../programs.ts";
import { print, printTable } from "../table.ts";

/** How cost grows with the number of peers, and of torrents that one process serves. */

const FILE_BYTES = 1024;
const ANNOUNCED_MS_MAX = 300_000;

export async function benchGrowth(options: BenchOptions): Promise<void> {
  await growPeers(options);
  await growTorrents(options);
}

async function growPeers(options: BenchOptions): Promise<void> {
  const rounds = roundsOf(options, 3);
  const [mib = 256] = sizesOf(options, { quick: [32], full: [256] });
  const counts = options.leechers ?? (options.isQuick ? [1, 2, 4] : [1, 2, 4, 8, 16]);
  const file = { file: await randomFile(mib), fileBytes: mib * MIB, partBytes: MIB };
  const rows: (readonly string[])[] = [];
  for (const client of [peerPlain, peerTls]) {
    for (const count of counts) {
      const measured: Measured[] = [];
      for (let round = 0; round < rounds; round++)
        measured.push(await measure(client, file, count));
      rows.push([client.name, String(count), ...toCells(measured)]);
    }
  }
  printTable(
    `${mib} MiB to ever more peers, all on this machine, medians of ${rounds}`,
    ["client", "downloaders", ...MEASURED_HEAD],
    rows,
  );
}

async function growTorrents({ isQuick, torrents }: BenchOptions): Promise<void> {
  const idleSeconds = isQuick ? 3 : 30;
  const counts = torrents ?? (isQuick ? [1, 100] : [1, 100, 1000, 10_000]);
  const rows: (readonly string[])[] = [];
  for (const count of counts) {
    try {
      rows.push(...(await serveMany(count, idleSeconds)));
    } catch (error) {
      // A size that does not work is a result too, and the smaller ones are not to be lost with it.
      print(`\n${count} torrents: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  printTable(
    `Torrents of 1 KiB served by one process, ${PROGRAMS.label}, announced every ${idleSeconds} s`,
    [
      "torrents",
      "start",
      "until all announced, s",
      "announces/s meanwhile",
      "start CPU s",
      "peak MiB",
      "MiB idle",
      "CPU % idle",
      "announces/s idle",
    ],
    rows,
  );
}

/** Served twice: the first start hashes every file, the second one knows them. */
async function serveMany(
  count: number,
  idleSeconds: number,
): Promise<readonly (readonly string[])[]> {
  return await inDirectory(workRoot(), async (dataDir) => {
    await fill(dataDir, count);
    const rows: (readonly string[])[] = [];
    for (const start of ["first", "second"])
      rows.push([String(count), start, ...(await serve(dataDir, count, idleSeconds))]);
    return rows;
  });
}

async function serve(
  dataDir: string,
  count: number,
  idleSeconds: number,
): Promise<readonly string[]> {
  await using tracker = startCountingTracker(idleSeconds);
  const startedMs = performance.now();
  const peer = spawnPeer([
    ...["serve", "--tracker", tracker.url, "--data-dir", dataDir],
    ...["--listen", "127.0.0.1:0"],
  ]);
  try {
    let hasEnded = false;
    void peer.exited.then(() => {
      hasEnded = true;
    });
    const isAnnounced = () => {
      if (hasEnded) throw new Error(`peer serve ended with ${tracker.swarms()} announced`);
      return tracker.swarms() === count;
    };
    await waitUntil(isAnnounced, `announce of ${count} torrents`, {
      timeoutMs: ANNOUNCED_MS_MAX,
      state: () => `${tracker.swarms()} were announced`,
    });
    const announcedSeconds = (performance.now() - startedMs) / 1000;
    const meter = new ProcessMeter(peer.pid);
    meter.sample();
    const { cpuSeconds: startCpuSeconds } = meter.usage;
    const announcesBefore = tracker.announces();
    meter.reset();
    await Bun.sleep(idleSeconds * 1000);
    meter.sample();
    const { cpuSeconds, peakMib, residentMib } = meter.usage;
    return [
      announcedSeconds.toFixed(2),
      (announcesBefore / announcedSeconds).toFixed(0),
      startCpuSeconds.toFixed(2),
      peakMib.toFixed(0),
      residentMib.toFixed(0),
      ((cpuSeconds / idleSeconds) * 100).toFixed(1),
      ((tracker.announces() - announcesBefore) / idleSeconds).toFixed(1),
    ];
  } finally {
    await peer.stop();
  }
}

/** Lays torrents and their files where a data directory has them. */
async function fill(dataDir: string, count: number): Promise<void> {
  const [torrents, files] = [join(dataDir, "torrents"), join(dataDir, "files")];
  await Promise.all([torrents, files].map((path) => mkdir(path)));
  for (let at = 0; at < count; at++) {
    const hash = crypto.randomUUID();
    const content = crypto.getRandomValues(new Uint8Array(FILE_BYTES));
    const digest = new Bun.CryptoHasher("sha256").update(content).digest("hex");
    const torrent = {
      FileInfo: { Size: FILE_BYTES, PartSize: FILE_BYTES, Parts: [digest], Hash: hash },
    };
    await writeFile(join(files, `${hash}.bin`), content);
    await writeFile(join(torrents, `${hash}.json`), JSON.stringify(torrent));
  }
}
