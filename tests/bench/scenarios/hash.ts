import { join } from "node:path";
import { inDirectory, randomFile, workRoot } from "../files.ts";
import { sampling } from "../measure.ts";
import { type BenchOptions, MIB, roundsOf, sizesOf } from "../options.ts";
import { ProcessMeter } from "../process-meter.ts";
import { PROGRAMS, startTracker } from "../programs.ts";
import { median, printTable, spread } from "../table.ts";

/** How fast an upload reads and hashes its file, beside what the machine has for that. */

interface Hashed {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMib: number;
}

interface Contender {
  readonly name: string;
  readonly command: (place: { readonly file: string; readonly directory: string }) => string[];
}

const ONE_CORE = "Bun.CryptoHasher, one core";
const SCRIPT = join(import.meta.dir, "../others/one-core-hash.ts");

export async function benchHash(options: BenchOptions): Promise<void> {
  const rounds = roundsOf(options, 5);
  await inDirectory(workRoot(), async (directory) => {
    const tracker = await startTracker(directory);
    try {
      const contenders = contendersWith(tracker.url);
      for (const mib of sizesOf(options, { quick: [256], full: [1024, 4096] })) {
        const results = new Map<string, Hashed[]>(contenders.map(({ name }) => [name, []]));
        for (let round = 0; round < rounds; round++) {
          for (const { name, command } of contenders) {
            results.get(name)?.push(await hash(await randomFile(mib), command));
          }
        }
        print(mib, rounds, results);
      }
    } finally {
      await tracker.stop();
    }
  });
}

function contendersWith(trackerUrl: string): readonly Contender[] {
  return [
    {
      name: `peer upload --no-serve, ${PROGRAMS.label}`,
      command: ({ file, directory }) => [
        ...PROGRAMS.peer,
        ...["upload", file, join(directory, "torrent.json"), "--no-serve"],
        ...["--part-size", "1M", "--hash", "sha256", "--tracker", trackerUrl],
        ...["--data-dir", join(directory, "data")],
      ],
    },
    { name: ONE_CORE, command: ({ file }) => [process.execPath, SCRIPT, file, String(MIB)] },
    { name: "sha256sum", command: ({ file }) => ["sha256sum", file] },
    { name: "openssl", command: ({ file }) => ["openssl", "dgst", "-sha256", file] },
  ];
}

async function hash(file: string, command: Contender["command"]): Promise<Hashed> {
  return await inDirectory(workRoot(), async (directory) => {
    const words = command({ file, directory });
    const startedMs = performance.now();
    const child = Bun.spawn(words, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    const meter = new ProcessMeter(child.pid);
    const exitCode = await sampling([meter], () => child.exited);
    const seconds = (performance.now() - startedMs) / 1000;
    if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${await child.stderr.text()}`);
    // Its own peak, as the system tells at the end, would include this process as it was before the start.
    const { peakMib } = meter.usage;
    return {
      seconds,
      cpuSeconds: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6,
      peakMib,
    };
  });
}

function print(mib: number, rounds: number, results: ReadonlyMap<string, readonly Hashed[]>): void {
  const seconds = (hashed: readonly Hashed[] | undefined) =>
    (hashed ?? []).map((one) => one.seconds);
  const oneCore = median(seconds(results.get(ONE_CORE)));
  printTable(
    `${mib} MiB hashed with SHA-256, start of the process to its end, medians of ${rounds}`,
    ["program", "s", "GiB/s", "x one core", "CPU s", "peak MiB"],
    [...results].map(([name, hashed]) => [
      name,
      spread(seconds(hashed), 2),
      (mib / 1024 / median(seconds(hashed))).toFixed(2),
      (oneCore / median(seconds(hashed))).toFixed(2),
      spread(
        hashed.map((one) => one.cpuSeconds),
        2,
      ),
      spread(
        hashed.map((one) => one.peakMib),
        0,
      ),
    ]),
  );
}
