import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TextStream } from "../../../peer/cli/output.ts";
import { runPeer } from "../../../peer/cli/run.ts";
import type { ScreenStream } from "../../../peer/cli/screen.ts";
import type { TransferVerbs } from "../../../peer/cli/verbs.ts";
import { type Clock, systemRandom } from "../../../peer/clock.ts";
import { systemDisk } from "../../../peer/storage/system-disk.ts";

/** A stream that keeps what is written to it, or fails as told. */
export class CapturedStream implements TextStream, ScreenStream {
  text = "";
  readonly isTTY: boolean;
  readonly columns: number;
  readonly #failure: Error | undefined;

  constructor(
    options: { readonly isTTY?: boolean; readonly columns?: number; readonly failure?: Error } = {},
  ) {
    this.isTTY = options.isTTY ?? false;
    this.columns = options.columns ?? 80;
    this.#failure = options.failure;
  }

  write(text: string, done: (error?: Error | null) => void): void {
    if (this.#failure === undefined) this.text += text;
    queueMicrotask(() => done(this.#failure));
  }

  on(): void {}

  get lines(): readonly string[] {
    return this.text.split("\n").slice(0, -1);
  }
}

/** A clock that stands still until it is told to go on. */
export class StillClock implements Clock {
  nowMs = 1_000_000;
  readonly #sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return this.nowMs;
  }

  sleep(ms: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper = { atMs: this.nowMs + ms, wake: resolve };
    this.#sleepers.add(sleeper);
    options?.signal?.addEventListener("abort", () => {
      this.#sleepers.delete(sleeper);
      reject(options.signal?.reason);
    });
    return promise;
  }

  /** Lets time pass in steps of 100 ms, waking who has slept long enough. */
  async advance(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      this.nowMs += 100;
      for (const sleeper of this.#sleepers) {
        if (sleeper.atMs > this.nowMs) continue;
        this.#sleepers.delete(sleeper);
        sleeper.wake();
      }
      // Whoever was woken runs until it sleeps again.
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  }

  get sleeperCount(): number {
    return this.#sleepers.size;
  }
}

export interface RunOptions {
  readonly verbs?: Partial<TransferVerbs>;
  readonly variables?: Readonly<Record<string, string>>;
  readonly directory?: string;
  readonly stdout?: CapturedStream;
  readonly stderr?: CapturedStream;
  readonly stdin?: string;
  /** Handed the function that plays the signal. */
  readonly onReady?: (stop: (signal: "SIGINT" | "SIGTERM") => void) => void;
}

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in this process, with captured streams and the real disk. */
export async function runCli(
  argv: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const stdout = options.stdout ?? new CapturedStream();
  const stderr = options.stderr ?? new CapturedStream();
  const directory = options.directory ?? join(tmpdir(), "peer-cli-unused");
  const unused = async (): Promise<number> => {
    throw new Error("This verb was not expected to run");
  };
  const exitCode = await runPeer(
    {
      argv,
      variables: options.variables ?? {},
      workingDirectory: directory,
      homeDirectory: directory,
      stdout,
      stderr,
      stdin: () => new Blob([options.stdin ?? ""]).stream(),
      clock: new StillClock(),
      random: systemRandom,
      disk: systemDisk,
      onStop: (listener) => {
        options.onReady?.(listener);
        return () => {};
      },
      isFile: (path) => path.startsWith("existing"),
    },
    { upload: unused, download: unused, serve: unused, prompt: unused, ...options.verbs },
  );
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

/** Runs `use` with a directory of its own, which is gone afterwards. */
export async function withDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "peer-cli-"));
  try {
    await use(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}
