import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BunPlugin } from "bun";

/** Makes the executables for the machine it runs on: `bun build.ts` writes dist/peer and dist/tracker (and `bun build.ts worker` dist/worker.js, for edge hosts, `bun build.ts fetch` dist/fetch.js, for Deno and Node). Each carries the
 * runtime that built it and needs nothing beside it. */

/** What one executable is made of. */
export interface ExecutableOptions {
  /** The file it runs, absolute. */
  readonly entry: string;
  /** Where it goes, absolute; an older one is replaced. */
  readonly outfile: string;
  readonly plugins?: readonly BunPlugin[];
  /** Files that it runs as threads, absolute; they keep their place relative to the entry. */
  readonly threads?: readonly string[];
  /** Lets the executable run what `bunfig.toml` and `.env` of its current directory say, as Bun does by default. Only for
   * the test that shows what would happen then. */
  readonly trustsCurrentDirectory?: boolean;
}

const ROOT = import.meta.dir;
/** An ELF file names the loader it wants in its first page. */
const ELF_HEAD_BYTES = 4096;

/** What the peer's executable is made of. */
export const PEER: Pick<ExecutableOptions, "entry" | "threads" | "plugins"> = {
  entry: join(ROOT, "peer/index.ts"),
  threads: [join(ROOT, "peer/storage/hash-worker.ts")],
  plugins: [embedBlake3(addonPlatform()), loadWhenUsed()],
};

/** What the tracker's executable is made of, beside its addon. */
export const TRACKER: Pick<ExecutableOptions, "entry" | "threads"> = {
  entry: join(ROOT, "tracker/index.ts"),
  threads: [join(ROOT, "tracker/swarm-store/file-log-worker.ts")],
};

/** @returns the size of the executable in bytes
 * @throws {AggregateError} what the bundler found wrong */
export async function buildExecutable(options: ExecutableOptions): Promise<number> {
  const { entry, outfile, plugins = [], threads = [], trustsCurrentDirectory = false } = options;
  const fresh = `${outfile}.new-${process.pid}`;
  await mkdir(dirname(outfile), { recursive: true });
  try {
    await Bun.build({
      entrypoints: [entry, ...threads],
      root: dirname(entry),
      target: "bun",
      format: "esm",
      bytecode: true,
      // Shorter identifiers switch off Elysia's validation without a word: it reads the source of its handlers.
      minify: { whitespace: true, syntax: true, identifiers: false },
      plugins: [...plugins],
      compile: {
        outfile: fresh,
        autoloadBunfig: trustsCurrentDirectory,
        autoloadDotenv: trustsCurrentDirectory,
        autoloadTsconfig: false,
        autoloadPackageJson: false,
      },
    });
    // In one step: an executable that runs just now cannot be written to, and nobody sees half of one.
    await rename(fresh, outfile);
  } finally {
    await rm(fresh, { force: true });
  }
  return (await stat(outfile)).size;
}

/** Packages import modules of the runtime that they hardly ever use and that take a sixth of a program's start to load:
 * commander's way to start other programs, and its and LogTape's way to print objects and to take colours off help texts. In
 * an executable those are loaded when they are used. */
export function loadWhenUsed(): BunPlugin {
  const importers =
    /[\\/](?:commander[\\/]lib[\\/](?:command|help)|logtape[\\/]dist[\\/]util\.node)\.js$/;
  return {
    name: "load-when-used",
    setup(build) {
      build.onLoad({ filter: importers }, async ({ path }) => ({
        contents: withLateModules(await Bun.file(path).text()),
        loader: "js",
      }));
    },
  };
}

/** @param source an ES module of a package
 * @throws {Error} it imports nothing that could wait */
export function withLateModules(source: string): string {
  const imports = /^import (?:(\w+)|\{ (\w+) \}) from ['"](node:(?:child_process|util))['"];?$/gm;
  const late = source.replace(imports, (_, whole, one, name) => {
    const load = `process.getBuiltinModule("${name}")`;
    return whole === undefined
      ? `const ${one} = (...args) => ${load}.${one}(...args);`
      : `const ${whole} = new Proxy({}, { get: (_, key) => ${load}[key] });`;
  });
  if (late === source) throw new Error("Cannot build: a package imports other modules by now");
  return late;
}

/** The BLAKE3 library looks for its native addon in many places, among them those that the environment names. Inside the
 * peer's executable it is the addon itself, or, where there is none for the platform, an error that says so.
 * @param platform the addon's package, as `addonPlatform()` names it */
export function embedBlake3(platform: string, modules = join(ROOT, "node_modules")): BunPlugin {
  const addon = blake3Addon(platform, modules);
  const contents = existsSync(addon)
    ? `module.exports = require(${JSON.stringify(addon)});`
    : `throw new Error("This executable was built without BLAKE3");`;
  return {
    name: "embed-blake3",
    setup(build) {
      build.onResolve({ filter: /^@napi-rs\/blake-hash$/ }, () => ({
        path: "addon",
        namespace: "blake3",
      }));
      build.onLoad({ filter: /^addon$/, namespace: "blake3" }, () => ({ contents, loader: "js" }));
    },
  };
}

function blake3Addon(platform: string, modules: string): string {
  return join(modules, "@napi-rs", `blake-hash-${platform}`, `blake.${platform}.node`);
}

/** libSQL loads its native addon by a name that it puts together when it runs, which no bundler can follow. This replaces
 * that one function by one with the name written out, so that the addon travels inside the executable.
 * @param platform the addon's package, as `addonPlatform()` names it
 * @throws {Error} the addon is not installed; later, when building: libSQL's loader is not what it was */
export function embedLibsql(platform: string, modules = join(ROOT, "node_modules")): BunPlugin {
  const addon = join(modules, "@libsql", platform, "index.node");
  if (!existsSync(addon)) {
    throw new Error(
      `Cannot build the tracker: @libsql/${platform} is not installed, run: bun install --frozen-lockfile`,
    );
  }
  return {
    name: "embed-libsql",
    setup(build) {
      build.onLoad({ filter: /[\\/]node_modules[\\/]libsql[\\/]index\.js$/ }, async ({ path }) => ({
        contents: withStaticAddon(await Bun.file(path).text(), addon),
        loader: "js",
      }));
    },
  };
}

/** @param source libSQL's index.js
 * @throws {Error} it has no such loader */
export function withStaticAddon(source: string, addon: string): string {
  const loader = /^const \{ load, currentTarget \} =.*\n|^const \{ familySync.*\n/gm;
  const requireNative = /^function requireNative\(\) \{\n[\s\S]*?^\}\n/m;
  if (!requireNative.test(source) || source.match(loader)?.length !== 2) {
    throw new Error("Cannot build the tracker: libsql/index.js has another loader by now");
  }
  const call = `function requireNative() {\n  return require(${JSON.stringify(addon)});\n}\n`;
  return source.replace(loader, "").replace(requireNative, () => call);
}

/** @returns the platform that this process runs on, as packages of native addons name it: `linux-x64-gnu`, `darwin-arm64` */
export function addonPlatform(): string {
  const { platform, arch } = process;
  if (platform === "linux") return `linux-${arch}-${isMusl(process.execPath) ? "musl" : "gnu"}`;
  return platform === "win32" ? `win32-${arch}-msvc` : `${platform}-${arch}`;
}

/** What counts is which C library the runtime itself wants, not which the machine has besides: that one loads the addon. */
function isMusl(executable: string): boolean {
  const head = Buffer.alloc(ELF_HEAD_BYTES);
  const file = openSync(executable, "r");
  try {
    readSync(file, head);
  } finally {
    closeSync(file);
  }
  return head.includes("/ld-musl-");
}

/** Makes the tracker for edge hosts.
 * @returns one module; there the host loads what begins with `cloudflare:` and `node:`
 * @throws {AggregateError} what the bundler found wrong */
export function bundleWorker(): Promise<string> {
  return bundle("tracker/edge.ts", ["workerd", "worker", "browser"]);
}

/** Makes the tracker for hosts that take a module with a `fetch`.
 * @throws {AggregateError} what the bundler found wrong */
export function bundleFetch(): Promise<string> {
  return bundle("tracker/fetch.ts", ["worker", "browser"]);
}

async function bundle(entry: string, conditions: string[]): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [join(ROOT, entry)],
    target: "browser",
    format: "esm",
    conditions,
    external: ["cloudflare:workers", "node:*"],
    // As in the executables.
    minify: { whitespace: true, syntax: true, identifiers: false },
  });
  const [output] = outputs;
  if (output === undefined) throw new Error(`Cannot build ${entry}: the bundler made nothing`);
  return await output.text();
}

async function writeModule(name: string, text: string): Promise<void> {
  const bytes = await Bun.write(join(ROOT, "dist", name), text);
  process.stdout.write(`dist/${name}  ${(bytes / 2 ** 10).toFixed(0)} KiB\n`);
}

async function buildAll(): Promise<void> {
  const platform = addonPlatform();
  const plugins = [embedLibsql(platform), loadWhenUsed()];
  await report("peer", { ...PEER, outfile: join(ROOT, "dist/peer") });
  if (!existsSync(blake3Addon(platform, join(ROOT, "node_modules")))) {
    process.stdout.write(`dist/peer is without BLAKE3: no addon for ${platform} is installed\n`);
  }
  await report("tracker", { ...TRACKER, outfile: join(ROOT, "dist/tracker"), plugins });
}

async function report(name: string, options: ExecutableOptions): Promise<void> {
  const bytes = await buildExecutable(options);
  process.stdout.write(`dist/${name}  ${(bytes / 2 ** 20).toFixed(1)} MiB\n`);
}

if (import.meta.main) {
  if (process.argv[2] === "worker") await writeModule("worker.js", await bundleWorker());
  else if (process.argv[2] === "fetch") await writeModule("fetch.js", await bundleFetch());
  else await buildAll();
}
