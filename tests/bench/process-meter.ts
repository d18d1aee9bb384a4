import { readFileSync } from "node:fs";

/** What a process used, as Linux counts it. */
export interface Usage {
  /** User and system time of all its threads, in seconds. */
  readonly cpuSeconds: number;
  /** Most memory it ever had resident, in MiB; the program's own text and mapped files are in it. */
  readonly peakMib: number;
  /** Memory it has resident now, in MiB. */
  readonly residentMib: number;
  /** Most memory of its own, files left out, that a sample saw, in MiB. */
  readonly ownPeakMib: number;
}

const TICKS_PER_SECOND = 100;

/** Watches a process from outside; keeps the last figures when it ends. */
export class ProcessMeter {
  readonly #pid: number;
  #usage: Usage = { cpuSeconds: 0, peakMib: 0, residentMib: 0, ownPeakMib: 0 };
  #baseSeconds = 0;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** CPU time is counted from here on. */
  reset(): void {
    this.sample();
    this.#baseSeconds = this.#usage.cpuSeconds;
  }

  sample(): void {
    try {
      const cpuSeconds = cpuSecondsOf(this.#pid);
      const memory = memoryOf(this.#pid);
      const ownPeakMib = Math.max(this.#usage.ownPeakMib, memory("RssAnon"));
      this.#usage = {
        cpuSeconds,
        peakMib: memory("VmHWM"),
        residentMib: memory("VmRSS"),
        ownPeakMib,
      };
    } catch {
      // It has ended: the last sample stands.
    }
  }

  get usage(): Usage {
    return { ...this.#usage, cpuSeconds: this.#usage.cpuSeconds - this.#baseSeconds };
  }
}

function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // Own time, and that of children that were waited for.
  const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
  return ticks / TICKS_PER_SECOND;
}

/** @returns a reader of the fields that are counted in KiB, giving MiB
 * @throws {Error} when the process has ended and only waits to be collected: then it has none */
function memoryOf(pid: number): (field: string) => number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return (field) => {
    const kib = new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1];
    if (kib === undefined) throw new Error(`Process ${pid} has no ${field}`);
    return Number(kib) / 1024;
  };
}
