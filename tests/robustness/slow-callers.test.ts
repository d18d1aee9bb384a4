import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { ProcessMeter } from "../bench/process-meter.ts";
import { probeReady, quantile } from "../support/ready-probe.ts";
import { eventually, linesOf, startTracker, trackerCommand } from "../support/tracker.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(120_000);

const SLOW_CALLERS = join(import.meta.dir, "../support/slow-callers.ts");
const CALLERS = 500;
const CONTROL_CALLERS = 40;

const costs: string[] = [];
afterAll(() => {
  for (const cost of costs) process.stdout.write(`${cost}\n`);
});

/** @returns how many sockets a process has, as the system says: whoever does not read does not see his end */
function socketsOf(pid: number): number {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).filter((fd) => {
    try {
      return readlinkSync(join(directory, fd)).startsWith("socket:");
    } catch {
      // It was closed meanwhile.
      return false;
    }
  }).length;
}

/** Starts a crowd of slow callers in a process of its own. */
function startCallers(port: number, count: number, ...again: readonly string[]) {
  const child = Bun.spawn([process.execPath, SLOW_CALLERS, String(port), String(count), ...again], {
    stdout: "pipe",
    stderr: "inherit",
  });
  let said: { opened: number; closed: number; bytes: number } = { opened: 0, closed: 0, bytes: 0 };
  const reading = (async () => {
    for await (const line of linesOf(child.stdout)) said = JSON.parse(line);
  })();
  return {
    pid: child.pid,
    said: () => said,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
      await reading;
    },
  };
}

/** A server of the same kind that gives its callers all the time they like. */
async function startPatientServer() {
  const code = `const server = Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 0,
    async fetch(request) { await request.text(); return new Response("x"); } });
    console.log(server.port);`;
  const child = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe", stderr: "inherit" });
  const { value } = await child.stdout.getReader().read();
  return {
    port: Number(new TextDecoder().decode(value)),
    pid: child.pid,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

describe("tracker process, and slow callers", () => {
  test("TRK-9: 500 slow callers of eight kinds are all gone within 15 s, while an honest one is answered", async () => {
    await using tracker = await startTracker({ db: ":memory:" });
    await using patient = await startPatientServer();
    const meter = new ProcessMeter(tracker.pid);
    meter.reset();
    const { residentMib } = meter.usage;
    const isOver = new AbortController();
    const asking = probeReady(tracker.url, isOver.signal, { pauseMs: 50 });
    const [before, patientBefore] = [socketsOf(tracker.pid), socketsOf(patient.pid)];
    await using control = startCallers(patient.port, CONTROL_CALLERS);
    await using callers = startCallers(tracker.port, CALLERS);
    const attack = new ProcessMeter(callers.pid);
    await eventually(callers.said, ({ opened }) => opened === CALLERS);
    const startMs = performance.now();
    await eventually(
      () => socketsOf(tracker.pid),
      (sockets) => sockets >= before + CALLERS * 0.9,
    );
    meter.sample();
    const heldMib = meter.usage.residentMib - residentMib;
    await eventually(
      () => socketsOf(tracker.pid),
      // The honest one's is among them.
      (sockets) => sockets <= before + 2,
      30_000,
    );
    const seconds = (performance.now() - startMs) / 1000;
    meter.sample();
    attack.sample();
    isOver.abort();
    const { answeredMs, missed } = await asking;
    expect(seconds).toBeLessThan(15);
    expect(missed).toBe(0);
    expect(answeredMs.length).toBeGreaterThan(20);
    const p99Ms = quantile(answeredMs, 0.99);
    expect(p99Ms).toBeLessThan(500);
    expect(heldMib).toBeLessThan(32);
    // The runtime cuts off heads by itself. Bodies, and what comes after an answer, a server without a deadline awaits for ever.
    const awaited = socketsOf(patient.pid) - patientBefore;
    expect(awaited).toBeGreaterThanOrEqual(CONTROL_CALLERS / 2);
    expect(control.said().opened).toBe(CONTROL_CALLERS);
    // Nor do they fill the log.
    expect(tracker.stderr().length).toBeLessThan(1000);
    costs.push(
      `TRK-9: ${CALLERS} slow callers: theirs ${callers.said().bytes} bytes, ${attack.usage.cpuSeconds.toFixed(2)} s CPU; ` +
        `ours ${meter.usage.cpuSeconds.toFixed(2)} s CPU, ${heldMib.toFixed(1)} MiB for ${seconds.toFixed(1)} s; ` +
        `an honest caller's p99 ${p99Ms.toFixed(1)} ms of ${answeredMs.length}`,
    );
  });

  test("TRK-9: out of open files the tracker lives, and serves again when the crowd is gone", async () => {
    const script = 'ulimit -n 128; exec "$@"';
    const command = ["sh", "-c", script, "sh", ...trackerCommand()];
    await using tracker = await startTracker({ db: ":memory:", command });
    {
      await using callers = startCallers(tracker.port, 300, "again");
      await eventually(
        () => readdirSync(`/proc/${tracker.pid}/fd`).length,
        (files) => files >= 126,
      );
      expect(callers.said().closed).toBeLessThan(300);
    }
    expect(await (await fetch(`${tracker.url}/ready`)).text()).toBe("I am ready");
    const limits = readFileSync(`/proc/${tracker.pid}/limits`, "utf8");
    expect(limits).toMatch(/^Max open files\s+128\s+128/m);
    expect(tracker.stderr()).not.toMatch(/panic|ERROR/);
  });
});
