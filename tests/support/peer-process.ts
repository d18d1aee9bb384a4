import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import Ajv from "ajv";
import type { OutputEvent } from "../../peer/events.ts";
import { waitUntil } from "./wait.ts";

/** Peers as their users run them: processes, with everything they print kept, and every line of `--json` checked. */

const ENTRY = join(import.meta.dir, "../../peer/index.ts");
const SCHEMA = new URL("../../peer/cli/events.schema.json", import.meta.url);

export type EventOf<Type extends OutputEvent["type"]> = Extract<OutputEvent, { type: Type }>;

/** The command that runs a peer: the sources, or the executable that PEER_CMD names. */
export function peerCommand(): readonly string[] {
  const executable = process.env.PEER_CMD;
  return executable === undefined || executable === ""
    ? [process.execPath, ENTRY]
    : [resolve(executable)];
}

/** @returns what starts a program that may open so many files */
function limitFiles(max: number | undefined): readonly string[] {
  return max === undefined ? [] : ["sh", "-c", `ulimit -n ${max}; exec "$@"`, "sh"];
}

export interface StartPeerOptions {
  readonly args: readonly string[];
  readonly dataDir?: string;
  /** Its home too, so that nothing of this machine's user is seen. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** How many files it may have open: all that it can get. */
  readonly openFilesMax?: number;
  /** What its standard input is; by default there is nothing to read. */
  readonly stdin?: "ignore" | "pipe";
  /** A descriptor that its standard output goes to; nothing of it is kept then, and events come on standard error. */
  readonly stdout?: number;
}

/** How a process ended. */
export interface PeerEnd {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly events: readonly OutputEvent[];
}

/** A running peer. Disposing kills it and waits until it is gone. */
export class PeerProcess implements AsyncDisposable {
  readonly pid: number;
  /** Resolves with the exit code, 128 + n when signal n ended it, once all it printed is here. */
  readonly exited: Promise<number>;
  readonly #child: Bun.Subprocess<"ignore" | "pipe", "pipe" | number, "pipe">;
  readonly #isPiped: boolean;
  readonly #isJson: boolean;
  readonly #events: OutputEvent[] = [];
  readonly #faults: string[] = [];
  #stdout = "";
  #stderr = "";
  #parsedChars = 0;
  #exitCode: number | undefined;
  #isKilled = false;

  constructor(options: StartPeerOptions) {
    const { args, env, stdin = "ignore", stdout = "pipe", cwd = tmpdir() } = options;
    this.#isPiped = stdout !== "pipe";
    this.#isJson = args.includes("--json");
    this.#child = Bun.spawn([...limitFiles(options.openFilesMax), ...peerCommand(), ...args], {
      cwd,
      env: peerEnvironment({ cwd, dataDir: options.dataDir, env }),
      stdin,
      stdout,
      stderr: "pipe",
    });
    this.pid = this.#child.pid;
    this.exited = this.#run();
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** What `--json` printed so far. */
  get events(): readonly OutputEvent[] {
    return this.#events;
  }

  get isRunning(): boolean {
    return this.#exitCode === undefined;
  }

  /** @returns the events of one type so far */
  eventsOf<Type extends OutputEvent["type"]>(type: Type): readonly EventOf<Type>[] {
    return this.#events.filter((event): event is EventOf<Type> => event.type === type);
  }

  /** Verified bytes, as last told. */
  get bytesDone(): number {
    return this.eventsOf("progress").at(-1)?.bytesDone ?? 0;
  }

  /** Waits for something to be true of this peer; fails at once when it ended and it is not.
   * @param ask undefined or false: not yet */
  async waitFor<Answer>(
    ask: (peer: this) => Answer,
    what: string,
    timeoutMs?: number,
  ): Promise<NonNullable<Exclude<Answer, false>>> {
    const state = () => this.#describe();
    return await waitUntil(
      () => {
        const wasRunning = this.isRunning;
        const answer = ask(this);
        const isThere = answer !== undefined && answer !== null && answer !== false;
        if (!isThere && !wasRunning) throw new Error(`It ended without ${what}. ${state()}`);
        return answer;
      },
      what,
      timeoutMs === undefined ? { state } : { timeoutMs, state },
    );
  }

  /** @returns the first event of the type, of those that the test wants */
  async event<Type extends OutputEvent["type"]>(
    type: Type,
    isWanted: (event: EventOf<Type>) => boolean = () => true,
    timeoutMs?: number,
  ): Promise<EventOf<Type>> {
    return await this.waitFor(() => this.eventsOf(type).find(isWanted), `event ${type}`, timeoutMs);
  }

  /** Waits until at least so many verified bytes are there. */
  async reached(bytes: number): Promise<void> {
    await this.waitFor(() => this.bytesDone >= bytes, `${bytes} bytes`);
  }

  /** @returns the port it listens at, as its log says: needs --log-level debug, the default here */
  async port(): Promise<number> {
    const match = await this.waitFor(
      () => /Listening for peers .*\bport=(\d+)/.exec(this.#stderr),
      "port in the log",
    );
    return Number(match[1]);
  }

  /** Types a line. */
  type(line: string): void {
    const { stdin } = this.#child;
    if (stdin === undefined) throw new Error("This peer was started without an input");
    stdin.write(`${line}\n`);
    void stdin.flush();
  }

  /** Ends its standard input. */
  async closeInput(): Promise<void> {
    await this.#child.stdin?.end();
  }

  /** Sends a signal and waits for the end.
   * @returns as `exited` */
  async kill(signal: NodeJS.Signals): Promise<number> {
    if (signal === "SIGKILL") this.#isKilled = true;
    this.#child.kill(signal);
    return await this.exited;
  }

  /** Waits for the end. With `--json` the whole output is checked: the schema, start first, summary last with the exit code,
   * progress that never goes back. */
  async ended(): Promise<PeerEnd> {
    const exitCode = await this.exited;
    this.#checkOutput(exitCode);
    return { exitCode, stdout: this.#stdout, stderr: this.#stderr, events: this.#events };
  }

  /** @returns the summary of a run that ended
   * @throws {Error} when the run ended with another exit code */
  async summary(exitCode = 0): Promise<EventOf<"summary">> {
    const end = await this.ended();
    const summary = end.events.at(-1);
    if (summary?.type !== "summary" || end.exitCode !== exitCode) {
      throw new Error(
        `Exit code ${end.exitCode}, expected ${exitCode} and a summary. ${this.#describe()}`,
      );
    }
    return summary;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) await this.kill("SIGKILL");
    await this.exited;
    if (this.#faults.length > 0) throw new Error(this.#faults.join("\n"));
  }

  async #run(): Promise<number> {
    const [exitCode] = await Promise.all([
      this.#child.exited,
      this.#drain(this.#child.stdout, (text) => {
        this.#stdout += text;
        if (this.#isJson) this.#parseLines(this.#stdout);
      }),
      this.#drain(this.#child.stderr, (text) => {
        this.#stderr += text;
        if (this.#isJson && this.#isPiped) this.#parseLines(this.#stderr);
      }),
    ]);
    this.#exitCode = exitCode;
    return exitCode;
  }

  async #drain(
    stream: ReadableStream<Uint8Array> | number | undefined,
    take: (text: string) => void,
  ): Promise<void> {
    if (!(stream instanceof ReadableStream)) return;
    const decoder = new TextDecoder();
    for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
  }

  #parseLines(output: string): void {
    for (;;) {
      const end = output.indexOf("\n", this.#parsedChars);
      if (end < 0) return;
      const line = output.slice(this.#parsedChars, end);
      this.#parsedChars = end + 1;
      // Beside the events of a pipe there is its log.
      if (this.#isPiped && !line.startsWith("{")) continue;
      const event = parseEvent(line);
      if (typeof event === "string") this.#faults.push(event);
      else this.#events.push(event);
    }
  }

  #checkOutput(exitCode: number): void {
    if (!this.#isJson || this.#isKilled) return;
    const [first] = this.#events;
    const last = this.#events.at(-1);
    if (first?.type !== "start") this.#faults.push("The first line is no start");
    if (last?.type !== "summary" || last.exitCode !== exitCode) {
      this.#faults.push(`The last line is no summary with exit code ${exitCode}`);
    }
    const output = this.#isPiped ? this.#stderr : this.#stdout;
    if (this.#parsedChars !== output.length) this.#faults.push("The last line has no end");
    if (!isMonotonic(this.#events)) this.#faults.push("Progress went back");
    const faults = this.#faults.splice(0);
    if (faults.length > 0) throw new Error(`${faults.join("\n")}\n${this.#describe()}`);
  }

  #describe(): string {
    const code = this.isRunning ? "running" : `exit code ${this.#exitCode}`;
    return `${code}\nstdout:\n${this.#stdout.slice(-3000)}\nstderr:\n${this.#stderr.slice(-3000)}`;
  }
}

/** Runs a peer that ends by itself. */
export async function runPeer(options: StartPeerOptions): Promise<PeerEnd> {
  await using peer = new PeerProcess(options);
  return await peer.ended();
}

/** @returns what a peer sees of the surroundings: its own data directory, an address of this machine only, a detailed log */
export function peerEnvironment(options: {
  readonly cwd: string;
  readonly dataDir?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}): Record<string, string> {
  const { PATH = "", TMPDIR = tmpdir() } = process.env;
  return {
    PATH,
    TMPDIR,
    HOME: options.cwd,
    // Bun would fill a cache of its own in that home.
    BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0",
    PEER_LISTEN: "127.0.0.1:0",
    PEER_LOG_LEVEL: "debug",
    ...(options.dataDir === undefined ? {} : { PEER_DATA_DIR: options.dataDir }),
    ...options.env,
  };
}

const validate = new Ajv({ strict: true }).compile(
  closed(JSON.parse(readFileSync(SCHEMA, "utf8"))),
);

/** @returns the event, or what is wrong with the line */
function parseEvent(line: string): OutputEvent | string {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    return `Not JSON: ${line}`;
  }
  return validate(event) ? (event as OutputEvent) : `Not as the schema says: ${line}`;
}

/** The published schema lets fields be added; here each one must be known. */
function closed(schema: unknown): Record<string, unknown> {
  return JSON.parse(JSON.stringify(schema), (_key, value) =>
    value?.type === "object" && value.properties !== undefined
      ? { ...value, additionalProperties: false }
      : value,
  );
}

function isMonotonic(events: readonly OutputEvent[]): boolean {
  let bytes = 0;
  for (const event of events) {
    if (event.type === "torrent") bytes = 0;
    if (event.type !== "progress") continue;
    if (event.bytesDone < bytes || event.bytesDone > event.bytesTotal) return false;
    bytes = event.bytesDone;
  }
  return true;
}
