import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** `bun run demo`: a real tracker and two real peers move a file over this machine's loopback, for everybody to see.
 * Nothing is left behind, however it ends. `--mib N` makes the file smaller or larger. It imports no package, since it
 * installs them itself. */

const ROOT = join(import.meta.dir, "../..");
const MIB = 1024 * 1024;
const FILE_MIB = 300;
/** The file, its copy, and some room beside them. */
const COPIES = 2.2;
/** How long a program may take to end when it is told to. */
const STOP_MS_MAX = 5000;
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const OUTPUT_CLOSED_EXIT_CODE = 141;

/** Ends the demo; its message is all that is shown. */
class DemoError extends Error {}

type Child = Bun.Subprocess<"ignore", "pipe" | "inherit", "pipe" | "inherit">;

/** The programs of the demo and the directory that all of their files are in. */
class Stage implements AsyncDisposable {
  readonly directory: string;
  readonly #children = new Set<Child>();
  readonly #environment: Record<string, string | undefined>;
  #isClosed = false;

  private constructor(directory: string) {
    this.directory = directory;
    // Settings that the user has for real work are not meant for this.
    const own = Object.entries(process.env).filter(([name]) => !/^(PEER|TRACKER)_/.test(name));
    this.#environment = { ...Object.fromEntries(own), XDG_DATA_HOME: directory };
  }

  static async open(): Promise<Stage> {
    return new Stage(await mkdtemp(join(tmpdir(), "peer-demo-")));
  }

  /** @returns the path of a file of the demo */
  at(name: string): string {
    return join(this.directory, name);
  }

  /** Starts one of the project's programs. */
  start(
    program: "peer" | "tracker",
    args: readonly string[],
    show: { readonly stdout: "pipe" | "inherit"; readonly stderr: "pipe" | "inherit" },
  ): Child {
    if (this.#isClosed) throw new DemoError("The demo is over.");
    const child = Bun.spawn([process.execPath, join(ROOT, program, "index.ts"), ...args], {
      cwd: this.directory,
      env: this.#environment,
      stdin: "ignore",
      ...show,
    });
    this.#children.add(child);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#children].map(end));
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function end(child: Child): Promise<void> {
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
  await child.exited;
  clearTimeout(late);
}

async function demo(mib: number): Promise<void> {
  const stopped = whenStopped();
  await Promise.race([install(), stopped]);
  await using stage = await openStage(mib);
  await Promise.race([show(stage, mib), stopped]);
}

/** Fails when the user has seen enough. */
function whenStopped(): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      process.exitCode = EXIT_CODES[name];
      reject(new DemoError(`Stopped by ${name}; everything is removed.`));
    });
  }
  process.stdout.on("error", () => {
    process.exitCode = OUTPUT_CLOSED_EXIT_CODE;
    reject(new DemoError("Nobody reads this any more; everything is removed."));
  });
  promise.catch(() => undefined);
  return promise;
}

async function install(): Promise<void> {
  if (!existsSync(join(ROOT, "node_modules"))) say("Installing the packages it needs, once ...");
  const words = ["install", "--frozen-lockfile", "--ignore-scripts", "--silent"];
  const child = Bun.spawn([process.execPath, ...words], {
    cwd: ROOT,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const texts = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) {
    throw new DemoError(`The packages cannot be installed:\n${texts.join("").trim()}`);
  }
}

async function openStage(mib: number): Promise<Stage> {
  const stage = await Stage.open();
  const { bavail, bsize } = await statfs(stage.directory);
  if (bavail * bsize >= mib * MIB * COPIES) return stage;
  await stage[Symbol.asyncDispose]();
  const wanted = Math.ceil(mib * COPIES);
  throw new DemoError(
    `${tmpdir()} has no room for ${wanted} MiB. Name another place, TMPDIR=/elsewhere, or a smaller file, --mib 50.`,
  );
}

async function show(stage: Stage, mib: number): Promise<void> {
  say(`A file of ${mib} MiB goes from one peer to another, on this machine.\n`);
  const url = await startTracker(stage);
  say(`1. A tracker listens on ${url}, its database is a file.`);
  writeRandom(stage.at("big.bin"), mib);
  const flags = ["--tracker", url, "--listen", "127.0.0.1:0", "--log-level", "warn"];

  say("\n2. The first peer:  peer upload big.bin");
  await upload(stage, ["upload", "big.bin", ...flags, "--data-dir", stage.at("first")]);

  say("\n3. The second peer:  peer download big.bin.torrent.json copy.bin");
  const seconds = await download(stage, [
    ...["download", "big.bin.torrent.json", "copy.bin", ...flags],
    ...["--data-dir", stage.at("second")],
  ]);

  const [sent, received] = [await hashOf(stage.at("big.bin")), await hashOf(stage.at("copy.bin"))];
  if (sent !== received) throw new DemoError(`The copy differs: ${received}, expected ${sent}`);
  say(`\n4. Both files have the SHA-256 ${sent.slice(0, 16)}...`);
  say(`   ${mib} MiB in ${seconds.toFixed(2)} s, the program's start and the proof included:`);
  say(`   ${Math.round(mib / seconds)} MiB/s`);
  sayHowToGoOn();
}

/** @returns its address, once it answers */
async function startTracker(stage: Stage): Promise<string> {
  const tracker = stage.start("tracker", ["127.0.0.1", "0", "--log-level", "warn"], {
    stdout: "inherit",
    stderr: "pipe",
  });
  const text = await readUntil(tracker.stderr, /listening on (\S+)\n/);
  return text[1] ?? "";
}

async function upload(stage: Stage, args: readonly string[]): Promise<void> {
  const peer = stage.start("peer", args, { stdout: "pipe", stderr: "inherit" });
  const [text] = await readUntil(peer.stdout, /^[\s\S]*SUCCESSFUL UPLOAD\n/);
  process.stdout.write(text);
}

/** @returns how long it took */
async function download(stage: Stage, args: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  const peer = stage.start("peer", args, { stdout: "inherit", stderr: "inherit" });
  const exitCode = await peer.exited;
  if (exitCode !== 0) throw new DemoError(`The download ended with exit code ${exitCode}.`);
  return (performance.now() - startedMs) / 1000;
}

/** Reads what a program prints until it has said something; what it says later is let go.
 * @throws {DemoError} it ended without having said it */
async function readUntil(stream: Child["stdout"], wanted: RegExp): Promise<RegExpExecArray> {
  let text = "";
  const decoder = new TextDecoder();
  if (!(stream instanceof ReadableStream)) throw new DemoError("The program's output is no pipe.");
  const reader = stream.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new DemoError(`A program ended too early:\n${text.trim()}`);
    text += decoder.decode(value, { stream: true });
    const match = wanted.exec(text);
    if (match === null) continue;
    void drain(reader);
    return match;
  }
}

async function drain(reader: { read(): Promise<{ readonly done: boolean }> }): Promise<void> {
  while (!(await reader.read()).done);
}

function writeRandom(path: string, mib: number): void {
  const bytes = new Uint8Array(MIB);
  const file = openSync(path, "wx");
  try {
    for (let at = 0; at < mib; at++) {
      for (let filled = 0; filled < MIB; filled += RANDOM_BYTES_MAX) {
        crypto.getRandomValues(bytes.subarray(filled, filled + RANDOM_BYTES_MAX));
      }
      writeSync(file, bytes);
    }
  } finally {
    closeSync(file);
  }
}

const RANDOM_BYTES_MAX = 65_536;

async function hashOf(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hasher.update(chunk);
  return hasher.digest("hex");
}

function sayHowToGoOn(): void {
  const bun = wayToBun();
  say(`
Now with a file of yours. On a machine that all can reach:
  ${bun} run tracker 0.0.0.0 5000
Where the file is (it goes on serving):
  ${bun} peer upload FILE --tracker http://THAT-MACHINE:5000
Where it is wanted, with FILE.torrent.json copied there:
  ${bun} peer download FILE.torrent.json FILE
Everything else:
  ${bun} peer help

Nothing of this demo is left behind.`);
}

/** Who came by npx may have no Bun beside the one it fetched. */
function wayToBun(): string {
  const isNpx = process.env.npm_config_user_agent?.startsWith("npm/") ?? false;
  return isNpx ? `npx -y bun@${Bun.version}` : "bun";
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function parseMib(words: readonly string[]): number {
  const [flag, value = "", ...more] = words;
  if (flag === undefined) return FILE_MIB;
  if (flag === "--mib" && /^[1-9]\d{0,5}$/.test(value) && more.length === 0) return Number(value);
  process.exitCode = 2;
  throw new DemoError("Usage: bun run demo [--mib N], N from 1 to 999999");
}

try {
  await demo(parseMib(process.argv.slice(2)));
} catch (error) {
  process.exitCode ||= 1;
  if (!(error instanceof DemoError)) throw error;
  process.stderr.write(`\n${error.message}\n`);
}
