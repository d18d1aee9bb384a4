import { stat } from "node:fs/promises";
import { join } from "node:path";
import { waitUntil } from "../../support/wait.ts";
import { addressOf } from "../bittorrent.ts";
import { PLAIN } from "../clients/peer.ts";
import { inDirectory, rootFor, sameBytes, writeSparse } from "../files.ts";
import { within } from "../measure.ts";
import { type BenchOptions, KIB, MIB, roundsOf, sizesOf } from "../options.ts";
import { PROGRAMS, spawnPeer, startTracker } from "../programs.ts";
import { startRequestTap } from "../request-tap.ts";
import { printTable, spread } from "../table.ts";

/** A large download killed with -9 halfway: how soon the same command goes on, and what it fetches twice. */

interface Resumed {
  /** Right bytes in the work file when it was killed. */
  readonly standingBytes: number;
  /** From the second start to its first request for a part, as it comes by on the wire. */
  readonly firstRequestMs: number;
  /** Received in the second run beyond what was missing. */
  readonly fetchedTwiceBytes: number;
  readonly secondRunSeconds: number;
}

const PART_BYTES = 4 * MIB;
const HALF_MS_MAX = 300_000;
const REQUEST_MS_MAX = 120_000;
const BLOCK_BYTES = 512;

export async function benchResume(options: BenchOptions): Promise<void> {
  const rounds = roundsOf(options, 3);
  for (const mib of sizesOf(options, { quick: [512], full: [10_240] })) {
    const results: Resumed[] = [];
    for (let round = 0; round < rounds; round++) results.push(await resume(mib));
    const cell = (pick: (one: Resumed) => number, digits: number) =>
      spread(results.map(pick), digits);
    printTable(
      `${mib} MiB killed with -9 halfway, ${PROGRAMS.label}, plain, medians of ${rounds}`,
      [
        "stood, MiB",
        "second start to first part asked for, ms",
        "fetched twice, bytes",
        "second run, s",
      ],
      [
        [
          cell((one) => one.standingBytes / MIB, 0),
          cell((one) => one.firstRequestMs, 0),
          cell((one) => one.fetchedTwiceBytes, 0),
          cell((one) => one.secondRunSeconds, 1),
        ],
      ],
    );
  }
}

async function resume(mib: number): Promise<Resumed> {
  const root = await rootFor(1.1 * mib * MIB);
  return await inDirectory(root, async (directory) => {
    await using stack = new AsyncDisposableStack();
    const file = join(directory, "file");
    await writeSparse(file, { mib, partBytes: PART_BYTES, headBytes: 4 * KIB });
    const tracker = await startTracker(directory);
    stack.defer(() => tracker.stop());
    const seederAt = addressOf(0);
    const tap = stack.use(await startRequestTap(seederAt));
    const torrent = join(directory, "torrent.json");
    const common = (who: string) => [
      ...["--tracker", tracker.url, "--data-dir", join(directory, who)],
      ...PLAIN,
    ];
    const seeder = spawnPeer([
      ...["upload", file, torrent, "--part-size", String(PART_BYTES)],
      // It takes others' connections at one place and says another: theirs lead through the tap.
      ...["--listen", `${seederAt.host}:${seederAt.port}`, "--announce", `${tap.host}:${tap.port}`],
      ...common("seeder"),
    ]);
    stack.defer(() => seeder.stop());
    await seeder.match(/SUCCESSFUL UPLOAD/);
    const target = join(directory, "target");
    const start = () => {
      const leecher = spawnPeer(["download", torrent, target, "--json", ...common("leecher")]);
      stack.defer(() => leecher.stop());
      return leecher;
    };

    const first = start();
    await untilWritten(`${target}.part`, (mib * MIB) / 2);
    process.kill(first.pid, "SIGKILL");
    await first.exited;
    const standingBytes = await sameBytes(file, `${target}.part`, PART_BYTES);

    const asked = tap.next();
    const startedMs = performance.now();
    const second = start();
    const firstRequestMs = (await within(REQUEST_MS_MAX, asked)) - startedMs;
    const summary: Summary = JSON.parse(await second.match(/^\{"type":"summary".*$/m));
    const secondRunSeconds = (performance.now() - startedMs) / 1000;
    if (summary.result !== "ok") throw new Error(`The second run ended: ${summary.result}`);
    if ((await sameBytes(file, target, PART_BYTES)) !== mib * MIB)
      throw new Error(`${target} differs from ${file}`);
    const missingBytes = mib * MIB - standingBytes;
    const fetchedTwiceBytes = summary.bytes + summary.duplicateBytes - missingBytes;
    return { standingBytes, firstRequestMs, fetchedTwiceBytes, secondRunSeconds };
  });
}

interface Summary {
  readonly result: string;
  readonly bytes: number;
  readonly duplicateBytes: number;
}

async function untilWritten(path: string, bytes: number): Promise<void> {
  const isThere = async () => {
    const facts = await stat(path).catch(() => undefined);
    return facts !== undefined && facts.blocks * BLOCK_BYTES >= bytes;
  };
  await waitUntil(isThere, `${bytes} bytes in ${path}`, { timeoutMs: HALF_MS_MAX });
}
