import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Client, Leecher, Scene } from "./client.ts";
import { inDirectory, workRoot } from "./files.ts";
import { MIB } from "./options.ts";
import { ProcessMeter } from "./process-meter.ts";
import { whileRunning } from "./spawn.ts";
import { spread } from "./table.ts";

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

const SAMPLE_MS = 20;
const TIME_MS_MAX = 120_000;

/** @param leecherCount how many get the file at once
 * @throws when the seeder or a leecher fails, it takes too long, or a file differs */
export async function measure(
  client: Client,
  file: Omit<Scene, "directory">,
  leecherCount: number,
): Promise<Measured> {
  return await inDirectory(workRoot(), async (directory) => {
    const swarm = await client.start({ ...file, directory });
    const leechers: Leecher[] = [];
    try {
      const seeder = new ProcessMeter(swarm.seeder.pid);
      await touchMemory(directory, file.fileBytes * leecherCount);
      seeder.reset();
      const startedMs = performance.now();
      for (let n = 1; n <= leecherCount; n++) leechers.push(swarm.startLeecher(n));
      const meters = leechers.map((leecher) => new ProcessMeter(leecher.pid));
      const done = Promise.all(leechers.map((leecher) => leecher.done));
      const served = whileRunning(["Its seeder", swarm.seeder], done);
      await sampling([seeder, ...meters], () => within(TIME_MS_MAX, served));
      const seconds = (performance.now() - startedMs) / 1000;
      for (const leecher of leechers) await compare(file.file, leecher.target);
      return summarize(file.fileBytes * leecherCount, seconds, seeder, meters);
    } finally {
      await Promise.all(leechers.map((leecher) => leecher.stop()));
      await swarm.stop();
    }
  });
}

/** Samples the meters while something is done, and once more at its end. */
export async function sampling<Result>(
  meters: readonly ProcessMeter[],
  work: () => Promise<Result>,
): Promise<Result> {
  const sample = () => {
    for (const meter of meters) meter.sample();
  };
  const timer = setInterval(sample, SAMPLE_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    sample();
  }
}

export const MEASURED_HEAD = [
  "s",
  "MiB/s",
  "CPU s/GiB",
  "seeder CPU s",
  "leechers CPU s",
  "peak MiB seeder / leecher",
] as const;

/** @returns a cell for each of MEASURED_HEAD */
export function toCells(measured: readonly Measured[]): readonly string[] {
  const cell = (pick: (one: Measured) => number, digits: number) =>
    spread(measured.map(pick), digits);
  return [
    cell((one) => one.seconds, 2),
    cell((one) => one.mibPerSecond, 0),
    cell((one) => one.cpuSecondsPerGib, 2),
    cell((one) => one.seederCpuSeconds, 2),
    cell((one) => one.leechersCpuSeconds, 2),
    `${cell((one) => one.seederPeakMib, 0)} / ${cell((one) => one.leecherPeakMib, 0)}`,
  ];
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

export async function within<Result>(ms: number, work: Promise<Result>): Promise<Result> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new Error(`Not done after ${ms} ms`)), ms);
  try {
    return await Promise.race([work, timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}
