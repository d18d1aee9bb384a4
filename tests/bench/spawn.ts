import type { Started } from "./client.ts";

/** A process of a bench, with its standard output at hand. */
export interface Spawned extends Started {
  /** Resolves with the pattern's first group, or with all of it, when it shows in the output. */
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
  const searched = new Search(child[watch], () => other.text);
  const stop = async () => {
    child.kill();
    const timer = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
    await child.exited;
    clearTimeout(timer);
  };
  return {
    pid: child.pid,
    exited: child.exited,
    stop,
    match: (pattern) => searched.match(pattern),
  };
}

/** Reads a stream to its end and looks for patterns in what came so far. */
class Search {
  #text = "";
  #hasEnded = false;
  readonly #waiting = new Set<() => void>();
  readonly #explain: () => string;

  /** @param explain says why a pattern may be missing */
  constructor(stream: ReadableStream<Uint8Array>, explain = () => "") {
    this.#explain = explain;
    void this.#read(stream);
  }

  get text(): string {
    return this.#text;
  }

  match(pattern: RegExp): Promise<string> {
    const found = Promise.withResolvers<string>();
    const look = () => {
      const hit = pattern.exec(this.#text);
      if (hit !== null) found.resolve(hit[1] ?? hit[0]);
      else if (this.#hasEnded)
        found.reject(
          new Error(`Ended without ${pattern}: ${(this.#text + this.#explain()).slice(-500)}`),
        );
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
