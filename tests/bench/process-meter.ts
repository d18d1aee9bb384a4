import { readFileSync } from "node:fs";

/** What a process used, as Linux counts it. */
export interface Usage {
  /** User and system time of all its threads, in seconds. */
  readonly cpuSeconds: number;
  /** Most memory it ever had resident, in MiB. */
  readonly peakMib: number;
}

const TICKS_PER_SECOND = 100;

/** Watches a process from outside; keeps the last figures when it ends. */
export class ProcessMeter {
  readonly #pid: number;
  #usage: Usage = { cpuSeconds: 0, peakMib: 0 };
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
      this.#usage = { cpuSeconds, peakMib: peakMibOf(this.#pid) };
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

function peakMibOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}
