import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { ProcessMeter } from "../bench/process-meter.ts";
import { flood } from "../support/http-flood.ts";
import { rawPost } from "../support/raw-http.ts";
import { probeReady, quantile } from "../support/ready-probe.ts";
import {
  holdLock,
  makeTempDirectory,
  type RunningTracker,
  removeDirectory,
  startTracker,
} from "../support/tracker.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(180_000);

const MIB = 1024 * 1024;
/** A tracker behind a proxy, which is who says in these tests where somebody calls from. */
const BEHIND_PROXY = ["--trust-proxy", "127.0.0.1"] as const;
const HONEST = { "x-forwarded-for": "9.9.9.8" };

const costs: string[] = [];
afterAll(() => {
  for (const cost of costs) process.stdout.write(`${cost}\n`);
});

/** An announce of whoever has a file, of which the tracker has not heard. */
function announceFrom(source: string): string {
  const body = { hash: crypto.randomUUID(), listening_host: "", listening_port: 6000, left: 0 };
  const request = rawPost({ path: "/peers", body, lines: [`x-forwarded-for: ${source}`] });
  return request.replace("connection: close\r\n", "");
}

/** Floods a tracker, beside an honest caller.
 * @param sourceOf the address that each request comes from */
async function attack(tracker: RunningTracker, count: number, sourceOf: (at: number) => string) {
  const meter = new ProcessMeter(tracker.pid);
  meter.reset();
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  const isOver = new AbortController();
  const probing = probeReady(tracker.url, isOver.signal, { pauseMs: 100, headers: HONEST });
  let at = 0;
  const next = () => ({ text: announceFrom(sourceOf(at++)), isLast: false });
  const outcome = await flood({ port: tracker.port, count, connections: 64, next });
  const seconds = (performance.now() - startMs) / 1000;
  isOver.abort();
  const { missed, answeredMs } = await probing;
  const { user, system } = process.cpuUsage(cpuBefore);
  meter.sample();
  const { cpuSeconds, peakMib } = meter.usage;
  const p99Ms = quantile(answeredMs, 0.99);
  const statuses = Object.fromEntries(outcome.statuses);
  const cost =
    `${count} announces in ${seconds.toFixed(1)} s, answers ${JSON.stringify(statuses)}; ` +
    `theirs ${(outcome.sentBytes / MIB).toFixed(0)} MiB, ${((user + system) / 1e6).toFixed(1)} s CPU; ` +
    `ours ${cpuSeconds.toFixed(1)} s CPU, ${peakMib.toFixed(0)} MiB at most; an honest caller's p99 ${p99Ms.toFixed(1)} ms`;
  return { statuses, seconds, missed, peakMib, cost };
}

function bytesIn(directory: string): number {
  return readdirSync(directory)
    .map((name) => statSync(join(directory, name)).size)
    .reduce((sum, bytes) => sum + bytes, 0);
}

describe("tracker process, and a flood", () => {
  test("TRK-6: 100,000 announces from one network leave 60 swarms and no more, and an honest caller is answered", async () => {
    const dataHome = await makeTempDirectory();
    try {
      await using tracker = await startTracker({ dataHome, args: BEHIND_PROXY });
      const { statuses, seconds, missed, peakMib, cost } = await attack(
        tracker,
        100_000,
        () => "9.9.9.9",
      );
      costs.push(`TRK-6: one network: ${cost}`);
      expect(missed).toBe(0);
      // What a bucket gives in that time, all but 60 of which ask for a swarm too many.
      expect(statuses[200]).toBe(60);
      expect((statuses[200] ?? 0) + (statuses[429] ?? 0)).toBe(100_000);
      expect(peakMib).toBeLessThan(256);
      expect(bytesIn(join(dataHome, "tracker"))).toBeLessThan(2 * MIB);
      expect(seconds).toBeGreaterThan(0);
      const stats = await (await fetch(`${tracker.url}/stats`, { headers: HONEST })).json();
      expect(stats).toMatchObject({ swarms: 60, complete: 60 });
    } finally {
      await removeDirectory(dataHome);
    }
  });

  test("TRK-6: 20,000 announces from 10,000 networks take bounded memory", async () => {
    await using tracker = await startTracker({ db: ":memory:", args: BEHIND_PROXY });
    const { statuses, missed, peakMib, cost } = await attack(
      tracker,
      20_000,
      (at) =>
        `2600:1:${((at % 10_000) >> 8).toString(16)}:${((at % 10_000) & 255).toString(16)}::1`,
    );
    costs.push(`TRK-6: many networks: ${cost}`);
    expect({ statuses, missed }).toEqual({ statuses: { 200: 20_000 }, missed: 0 });
    expect(peakMib).toBeLessThan(256);
  });

  test("TRK-6's control: without limits one network makes as many swarms as it likes", async () => {
    const args = [...BEHIND_PROXY, "--rate-limit", "0"];
    await using tracker = await startTracker({ db: ":memory:", args });
    const { statuses } = await attack(tracker, 5000, () => "9.9.9.9");
    expect(statuses).toEqual({ 200: 5000 });
  });

  test("TRK-10: while another process locks the database, nothing is registered, and /ready is not missed once", async () => {
    const dataHome = await makeTempDirectory();
    try {
      const path = join(dataHome, "locked.db");
      await using tracker = await startTracker({ dataHome, db: `file:${path}` });
      const isOver = new AbortController();
      const probing = probeReady(tracker.url, isOver.signal, { pauseMs: 100 });
      const next = () => ({ text: announceFrom("9.9.9.9"), isLast: false });
      const options = { port: tracker.port, count: 300, connections: 100, next };
      {
        await using _lock = await holdLock(path);
        const { statuses } = await flood(options);
        expect([...statuses]).toEqual([[503, 300]]);
      }
      const { statuses } = await flood(options);
      expect([...statuses]).toEqual([[200, 300]]);
      isOver.abort();
      const { missed, answeredMs } = await probing;
      expect(missed).toBe(0);
      const stats = await (await fetch(`${tracker.url}/stats`)).json();
      expect(stats).toMatchObject({ swarms: 300 });
      costs.push(
        `TRK-10: 300 announces refused, then taken; /ready answered ${answeredMs.length} times, ` +
          `at worst after ${quantile(answeredMs, 1).toFixed(0)} ms`,
      );
    } finally {
      await removeDirectory(dataHome);
    }
  });
});
