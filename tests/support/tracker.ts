import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { getLogger, type Logger } from "@logtape/logtape";
import type { AddressPolicy } from "../../protocol/address-policy.ts";
import { AnnounceService } from "../../tracker/announce/service.ts";
import type { SwarmQuota } from "../../tracker/announce/swarm-quota.ts";
import { createTracker } from "../../tracker/app.ts";
import { type ClientAddress, socketAddress } from "../../tracker/client-address.ts";
import {
  type Clock,
  type Random,
  systemClock,
  systemRandom,
  systemStopwatch,
} from "../../tracker/clock.ts";
import { Metrics } from "../../tracker/metrics.ts";
import type { RateLimit } from "../../tracker/rate-limit.ts";
import { RequestWatch, type RequestWatchOptions } from "../../tracker/request-watch.ts";
import { IndexedSwarmStore } from "../../tracker/swarm-store/indexed.ts";
import type { SwarmStore } from "../../tracker/swarm-store/store.ts";

const ENTRY = join(import.meta.dir, "../../tracker/index.ts");
const READY_TIMEOUT_MS = 30_000;

/** The command that runs a tracker: the sources, or the executable that TRACKER_CMD names. */
export function trackerCommand(): readonly string[] {
  const executable = process.env.TRACKER_CMD;
  return executable === undefined || executable === ""
    ? [process.execPath, ENTRY]
    : [resolve(executable)];
}

export interface StartTrackerOptions {
  /** `--db`; by default the database in the data directory. */
  readonly db?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** 0, the default, for any. */
  readonly port?: number;
  /** XDG_DATA_HOME, which stays afterwards; by default a new one that goes with the tracker. */
  readonly dataHome?: string;
  /** Instead of trackerCommand(). */
  readonly command?: readonly string[];
}

export interface RunningTracker extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Everything the process wrote to stderr so far. */
  readonly stderr: () => string;
  /** Sends a signal and waits for the end.
   * @returns the exit code; 128 + n when signal n ended it */
  kill(signal: NodeJS.Signals): Promise<number>;
}

/** Starts a real tracker process and waits until it is ready. Disposing kills it and removes its data. */
export async function startTracker(options: StartTrackerOptions = {}): Promise<RunningTracker> {
  const dataHome = options.dataHome ?? (await makeTempDirectory());
  const child = spawnTracker({
    args: [
      "127.0.0.1",
      String(options.port ?? 0),
      ...(options.db === undefined ? [] : ["--db", options.db]),
      ...(options.args ?? []),
    ],
    env: { XDG_DATA_HOME: dataHome, ...options.env },
    ...(options.command === undefined ? {} : { command: options.command }),
  });
  const release = async (): Promise<void> => {
    child.process.kill("SIGKILL");
    await child.process.exited;
    if (options.dataHome === undefined) await removeDirectory(dataHome);
  };
  try {
    const url = await child.ready;
    return {
      url,
      port: Number(new URL(url).port),
      pid: child.process.pid,
      stderr: child.stderr,
      kill: (signal) => {
        child.process.kill(signal);
        return child.process.exited;
      },
      [Symbol.asyncDispose]: release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Runs a tracker that is expected to end by itself. */
export async function runTracker(options: {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> {
  const dataHome = await makeTempDirectory();
  try {
    const child = spawnTracker({
      args: options.args,
      env: { XDG_DATA_HOME: dataHome, ...options.env },
    });
    const end = Promise.all([child.process.exited, new Response(child.process.stdout).text()]);
    const outcome = await Promise.race([end, child.ready.catch(() => end)]);
    if (typeof outcome === "string") {
      child.process.kill("SIGKILL");
      throw new Error(`The tracker came up, expected it to end: ${child.stderr()}`);
    }
    await child.drained;
    return { exitCode: outcome[0], stdout: outcome[1], stderr: child.stderr() };
  } finally {
    await removeDirectory(dataHome);
  }
}

interface SpawnOptions {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
}

function spawnTracker({ args, env, command = trackerCommand() }: SpawnOptions) {
  const { PATH = "", HOME = "/", TMPDIR = tmpdir() } = process.env;
  const child = Bun.spawn([...command, ...args], {
    env: { PATH, HOME, TMPDIR, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let text = "";
  const ready = Promise.withResolvers<string>();
  ready.promise.catch(() => {});
  const deadline = setTimeout(
    () => ready.reject(new Error(`No tracker after ${READY_TIMEOUT_MS} ms: ${text}`)),
    READY_TIMEOUT_MS,
  );
  const drain = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      text += decoder.decode(chunk, { stream: true });
      const line = /^listening on (\S+)\n/m.exec(text);
      if (line?.[1] !== undefined) ready.resolve(line[1]);
    }
    clearTimeout(deadline);
    ready.reject(new Error(`The tracker ended with ${await child.exited}: ${text}`));
  };
  return { process: child, ready: ready.promise, drained: drain(), stderr: () => text };
}

export function makeTempDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), "tracker-test-"));
}

/** Removes a directory with all that is in it; again when a database, closed late, took files away in between. */
export async function removeDirectory(path: string): Promise<void> {
  for (let attempt = 0; attempt < 5 && existsSync(path); attempt++) {
    await rm(path, { recursive: true, force: true });
  }
}

export interface TestTrackerOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly store?: SwarmStore;
  readonly clientAddress?: ClientAddress;
  readonly intervalSeconds?: number;
  readonly ttlMs?: number;
  readonly addressPolicy?: AddressPolicy;
  readonly rateLimit?: RateLimit;
  readonly swarmQuota?: SwarmQuota;
  readonly version?: string;
  /** By default nobody is told of what happens. */
  readonly liveUntil?: AbortSignal;
  readonly log?: Logger;
  readonly watch?: Partial<RequestWatchOptions>;
}

export interface TestTracker extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly store: SwarmStore;
}

/** A log that nobody set up: it takes nothing. */
export function silentLog(): Logger {
  return getLogger("test-tracker");
}

/** A tracker's app in this process, not listening. */
export function createTestApp(options: TestTrackerOptions = {}) {
  const { clock = systemClock, random = systemRandom } = options;
  const store = options.store ?? IndexedSwarmStore.inMemory(clock, random);
  const { intervalSeconds = 30, ttlMs = 120_000, addressPolicy = "compat" } = options;
  const { rateLimit, swarmQuota, clientAddress = socketAddress } = options;
  const rules = { intervalSeconds, ttlMs, addressPolicy, swarmQuota };
  const service = new AnnounceService(clock, random, store, rules);
  const { version = "0.0.0-test", liveUntil } = options;
  const processUse = () => ({ memoryBytes: 1, cpuSeconds: 1 });
  const metrics = new Metrics({ version, startedAt: clock.now(), processUse });
  const log = options.log ?? silentLog();
  const watch = new RequestWatch(log, systemStopwatch, random, {
    slowMs: 250,
    meter: metrics,
    ...options.watch,
  });
  const deps = { clock, log, service, clientAddress, rateLimit, watch, metrics, version };
  const app = createTracker(liveUntil === undefined ? deps : { ...deps, liveUntil });
  return { app, store, metrics };
}

/** A real tracker in this process on a port of its own, by default with nothing on disk. */
export async function createTestTracker(options: TestTrackerOptions = {}): Promise<TestTracker> {
  const { app, store } = createTestApp(options);
  app.listen({ hostname: "127.0.0.1", port: 0 });
  const { server } = app;
  if (server === null) throw new Error("The test tracker does not listen");
  return {
    url: `http://127.0.0.1:${server.port}`,
    port: Number(server.port),
    store,
    [Symbol.asyncDispose]: async () => {
      await server.stop(true);
      await store[Symbol.asyncDispose]();
    },
  };
}

/** A clock that moves only when told to. */
export class FakeClock implements Clock {
  #now: number;
  #elapsed = 0;
  readonly #sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();

  constructor(now = 1_000_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  /** Sets the machine's clock, as an operator does: no time passes. */
  set(now: number): void {
    this.#now = now;
  }

  /** How many wait. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = {
        until: this.#elapsed + ms,
        wake: (): void => {
          this.#sleepers.delete(sleeper);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", sleeper.wake, { once: true });
    });
  }

  turn(): Promise<void> {
    return systemClock.turn();
  }

  /** Moves the time and lets those run who waited for it. */
  async advance(ms: number): Promise<void> {
    this.#now += ms;
    this.#elapsed += ms;
    for (const sleeper of [...this.#sleepers]) if (sleeper.until <= this.#elapsed) sleeper.wake();
    await this.turn();
  }
}

/** Chance that repeats: the same numbers for the same seed. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Mulberry32. */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  swarmHash() {
    return systemRandom.swarmHash();
  }
}

/** Asks until the answer is wanted; fails when that takes longer than `timeoutMs`. */
export async function eventually<Value>(
  ask: () => Promise<Value> | Value,
  isWanted: (value: Value) => boolean,
  timeoutMs = 15_000,
): Promise<Value> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await ask();
    if (isWanted(value)) return value;
    if (Date.now() > deadline) {
      throw new Error(`Still not so after ${timeoutMs} ms: ${JSON.stringify(value)}`);
    }
    await Bun.sleep(20);
  }
}

/** Locks a database from another process until disposed. */
export async function holdLock(path: string): Promise<AsyncDisposable> {
  const code = `import { Database } from "bun:sqlite";
    const database = new Database(process.argv[1]);
    database.run("PRAGMA busy_timeout = 5000");
    database.run("BEGIN EXCLUSIVE");
    console.log("held");
    await Bun.stdin.text();
    database.run("ROLLBACK");
    database.close();`;
  const holder = Bun.spawn([process.execPath, "-e", code, path], { stdin: "pipe", stdout: "pipe" });
  const { value } = await holder.stdout.getReader().read();
  if (new TextDecoder().decode(value) !== "held\n") throw new Error("The lock was not taken");
  return {
    [Symbol.asyncDispose]: async () => {
      holder.stdin.end();
      await holder.exited;
    },
  };
}

/** The lines of a process's output or input. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
