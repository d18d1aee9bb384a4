import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client, Leecher, Scene } from "./client.ts";
import { ProcessMeter } from "./process-meter.ts";

/** One transfer, measured from the start of the first leecher to the last complete file, start-up included. */
export interface Measured {
  readonly seconds: number;
  readonly mibPerSecond: number;
  /** Seeder and leechers together. */
  readonly cpuSecondsPerGib: number;
  readonly seederCpuSeconds: number;
  readonly leechersCpuSeconds: number;
  readonly seederPeakMib: number;
  readonly leecherPeakMib: number;
}

const MIB = 1024 * 1024;
const SAMPLE_MS = 20;
const TIME_MS_MAX = 120_000;

/** Memory-backed where there is such a place, so that no disk is measured. */
export function workRoot(): string {
  return process.env.BENCH_DIR ?? (process.platform === "linux" ? "/dev/shm" : tmpdir());
}

/** @param leecherCount how many get the file at once
 * @throws when a leecher fails, takes too long, or its file differs */
export async function measure(
  client: Client,
  file: Omit<Scene, "directory">,
  leecherCount: number,
): Promise<Measured> {
  const directory = await mkdtemp(join(workRoot(), "peer-bench-"));
  try {
    const swarm = await client.start({ ...file, directory });
    const leechers: Leecher[] = [];
    try {
      const seeder = new ProcessMeter(swarm.seeder.pid);
      await touchMemory(directory, file.fileBytes * leecherCount);
      seeder.reset();
      const startedMs = performance.now();
      for (let n = 1; n <= leecherCount; n++) leechers.push(swarm.startLeecher(n));
      const meters = leechers.map((leecher) => new ProcessMeter(leecher.pid));
      const sample = () => {
        for (const meter of [seeder, ...meters]) meter.sample();
      };
      const timer = setInterval(sample, SAMPLE_MS);
      try {
        await within(TIME_MS_MAX, Promise.all(leechers.map((leecher) => leecher.done)));
      } finally {
        clearInterval(timer);
      }
      const seconds = (performance.now() - startedMs) / 1000;
      sample();
      for (const leecher of leechers) await compare(file.file, leecher.target);
      return summarize(file.fileBytes * leecherCount, seconds, seeder, meters);
    } finally {
      for (const leecher of leechers) await leecher.stop();
      await swarm.stop();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function summarize(
  bytes: number,
  seconds: number,
  seeder: ProcessMeter,
  leechers: readonly ProcessMeter[],
): Measured {
  const leechersCpuSeconds = leechers.reduce((sum, meter) => sum + meter.usage.cpuSeconds, 0);
  const cpuSeconds = seeder.usage.cpuSeconds + leechersCpuSeconds;
  return {
    seconds,
    mibPerSecond: bytes / MIB / seconds,
    cpuSecondsPerGib: cpuSeconds / (bytes / MIB / 1024),
    seederCpuSeconds: seeder.usage.cpuSeconds,
    leechersCpuSeconds,
    seederPeakMib: seeder.usage.peakMib,
    leecherPeakMib: Math.max(...leechers.map((meter) => meter.usage.peakMib)),
  };
}

/** Memory that a virtual machine has given back costs much when it is first touched again: paid before the clock runs. */
async function touchMemory(directory: string, bytes: number): Promise<void> {
  const path = join(directory, "touched");
  await Bun.$`head -c ${bytes + 256 * MIB} /dev/zero > ${path}`.quiet();
  await rm(path);
}

async function compare(left: string, right: string): Promise<void> {
  const { exitCode } = await Bun.$`cmp -s ${left} ${right}`.nothrow().quiet();
  if (exitCode !== 0) throw new Error(`${right} differs from ${left}`);
}

async function within<Result>(ms: number, work: Promise<Result>): Promise<Result> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new Error(`Not done after ${ms} ms`)), ms);
  try {
    return await Promise.race([work, timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}
