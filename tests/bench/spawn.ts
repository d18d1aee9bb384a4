import { basename } from "node:path";
import type { Started } from "./client.ts";

/** A process of a bench, with its standard output at hand. */
export interface Spawned extends Started {
  /** Resolves with the pattern's first group, or with all of it, when it shows in the output.
   * @throws when the process ends without it, with how it ended and what it said last */
  match(pattern: RegExp): Promise<string>;
}

export interface SpawnOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Which stream is watched. */
  readonly watch?: "stdout" | "stderr";
}

const KILL_AFTER_MS = 3000;

/** Starts a process whose output is drained and searched. */
export function spawn(command: readonly string[], options: SpawnOptions = {}): Spawned {
  const { cwd, env, watch = "stdout" } = options;
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  const other = new Search(child[watch === "stdout" ? "stderr" : "stdout"]);
  const searched = new Search(child[watch]);
  const stop = async () => {
    child.kill();
    const timer = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
    await child.exited;
    clearTimeout(timer);
  };
  const exited = child.exited.then((code) => `${child.signalCode ?? `exit code ${code}`}`);
  const match = async (pattern: RegExp) => {
    const found = await searched.match(pattern);
    if (found !== undefined) return found;
    const how = await exited;
    const said = (searched.text + other.text).trim().slice(-SAID_CHARS_MAX);
    throw new Error(`${basename(command[0] ?? "")} ended by ${how} without ${pattern}: ${said}`);
  };
  return { pid: child.pid, exited, stop, match };
}

/** @throws when the process ends before the work is done */
export async function whileRunning<Result>(
  [who, { exited }]: readonly [who: string, process: Pick<Started, "exited">],
  work: Promise<Result>,
): Promise<Result> {
  const early = async (): Promise<never> => {
    throw new Error(`${who} ended by ${await exited}`);
  };
  return await Promise.race([work, early()]);
}

const SAID_CHARS_MAX = 500;

/** Reads a stream to its end and looks for patterns in what came so far. */
class Search {
  #text = "";
  #hasEnded = false;
  readonly #waiting = new Set<() => void>();

  constructor(stream: ReadableStream<Uint8Array>) {
    void this.#read(stream);
  }

  get text(): string {
    return this.#text;
  }

  /** @returns undefined when the stream ends without it */
  match(pattern: RegExp): Promise<string | undefined> {
    const found = Promise.withResolvers<string | undefined>();
    const look = () => {
      const hit = pattern.exec(this.#text);
      if (hit !== null) found.resolve(hit[1] ?? hit[0]);
      else if (this.#hasEnded) found.resolve(undefined);
      else return;
      this.#waiting.delete(look);
    };
    this.#waiting.add(look);
    look();
    return found.promise;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#text = (this.#text + decoder.decode(chunk, { stream: true })).slice(-10_000);
      this.#lookAll();
    }
    this.#hasEnded = true;
    this.#lookAll();
  }

  #lookAll(): void {
    for (const look of [...this.#waiting]) look();
  }
}
