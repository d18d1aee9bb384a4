import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, readdir, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  addonPlatform,
  buildExecutable,
  embedBlake3,
  embedLibsql,
  PEER,
  TRACKER,
  withLateModules,
  withStaticAddon,
} from "../../build.ts";
import type { PartAlgorithm } from "../../protocol/part-algorithm.ts";
import { HAS_BLAKE3, PART_ALGORITHMS } from "../support/blake3.ts";
import { partDigest } from "../support/crypto.ts";
import { hashOf, makeTempDirectory, type TempDirectory, writeSeeded } from "../support/temp.ts";
import { startTracker } from "../support/tracker.ts";
import { waitUntil } from "../support/wait.ts";

const ROOT = join(import.meta.dir, "../..");
const MIB = 1024 * 1024;
/** What an executable may add to the runtime that it carries; one of the peer's MiB is the BLAKE3 library's addon. */
const PEER_OWN_BYTES_MAX = 9 * MIB;
const TRACKER_OWN_BYTES_MAX = 24 * MIB;
const BUILD_MS_MAX = 120_000;

let built: TempDirectory;
let peer = "";
let tracker = "";

beforeAll(async () => {
  built = await makeTempDirectory();
  peer = built.at("peer");
  tracker = built.at("tracker");
  await buildExecutable({ ...PEER, outfile: peer });
  const plugins = [embedLibsql(addonPlatform())];
  await buildExecutable({ ...TRACKER, outfile: tracker, plugins });
}, BUILD_MS_MAX);

afterAll(async () => {
  await built[Symbol.asyncDispose]();
});

describe("the executables", () => {
  test.each([...PART_ALGORITHMS])(
    "the executables run in an empty directory with an empty environment, and move a file by %s",
    async (algorithm) => {
      await using directory = await makeTempDirectory();
      const empty = directory.at("empty");
      await mkdir(empty);
      const file = await writeSeeded(directory.at("file.bin"), 20 * MIB, 7);
      const torrent = directory.at("file.torrent.json");
      await using running = await startTracker({
        // env -i: what startTracker gives is taken away again.
        command: ["env", "-i", `--chdir=${empty}`, tracker],
        db: `file:${directory.at("tracker.db")}`,
      });
      const shared = ["--tracker", running.url, "--listen", "127.0.0.1:0", "--data-dir"];

      await using uploader = start(peer, empty, [
        ...["upload", file, torrent, "--hash", algorithm, ...shared],
        directory.at("a"),
      ]);
      await uploader.printed("SUCCESSFUL UPLOAD\n");
      const downloaded = await run(peer, empty, [
        ...["download", torrent, directory.at("copy.bin"), ...shared],
        directory.at("b"),
      ]);
      expect(downloaded).toMatchObject({ exitCode: 0, stdout: "SUCCESSFUL DOWNLOAD\n" });
      expect(await hashOf(directory.at("copy.bin"))).toBe(await hashOf(file));
      expect(await uploader.stop("SIGINT")).toBe(130);
      expect(await running.kill("SIGTERM")).toBe(143);
      expect(await readdir(empty)).toEqual([]);
    },
    60_000,
  );

  test("the peer's executable hashes a large file in threads, and so does not need its sources for it", async () => {
    await using directory = await makeTempDirectory();
    const place = await zerosPlace(directory, { parts: 200, algorithm: "sha256" });
    const verified = await run(peer, directory.path, ["verify", ...place]);
    expect(verified).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("200 of 200 parts are right"),
    });
  }, 30_000);

  test.skipIf(!HAS_BLAKE3)(
    "the peer's executable hashes with BLAKE3, also in threads, and needs nothing beside it for that",
    async () => {
      await using directory = await makeTempDirectory();
      for (const parts of [3, 200]) {
        const place = await zerosPlace(directory, { parts, algorithm: "blake3" });
        const verified = await run(peer, directory.at("empty"), ["verify", ...place]);
        expect(verified).toMatchObject({
          exitCode: 0,
          stdout: expect.stringContaining(`${parts} of ${parts} parts are right`),
        });
      }
      expect(await readdir(directory.at("empty"))).toEqual([]);
    },
    30_000,
  );

  test.skipIf(!HAS_BLAKE3)(
    "the peer's executable refuses BLAKE3 where it cannot unpack the library, and does the rest",
    async () => {
      await using directory = await makeTempDirectory();
      const verify = async (algorithm: PartAlgorithm) => {
        const place = await zerosPlace(directory, { parts: 3, algorithm });
        const words = ["TMPDIR=/nonexistent", peer, "verify", ...place];
        return await run("/usr/bin/env", directory.at("empty"), words);
      };
      const refused = await verify("blake3");
      expect(refused).toMatchObject({ exitCode: 3, stdout: "" });
      expect(refused.stderr).toMatch(
        /^ERROR code=3 [^\n]+ cannot be opened [^\n]+ TMPDIR[^\n]+\n$/,
      );
      expect((await verify("sha256")).exitCode).toBe(0);
    },
    30_000,
  );

  test(
    "a peer's executable built without the BLAKE3 library refuses what needs it in one line, and does the rest",
    async () => {
      await using directory = await makeTempDirectory();
      const without = built.at("without");
      await buildExecutable({ ...PEER, outfile: without, plugins: [embedBlake3("plan9-mips")] });
      const blake3 = await zerosPlace(directory, { parts: 3, algorithm: "blake3" });
      const refused = await run(without, directory.at("empty"), ["verify", ...blake3]);
      expect(refused).toMatchObject({ exitCode: 3, stdout: "" });
      const { platform, arch } = process;
      expect(refused.stderr).toMatch(
        `ERROR code=3 name=bad-torrent: Cannot read torrent: Algorithm is blake3, and its library @napi-rs/blake-hash has no addon for ${platform}-${arch} here; hint: `,
      );
      expect(refused.stderr.split("\n")).toHaveLength(2);
      const sha256 = await zerosPlace(directory, { parts: 3, algorithm: "sha256" });
      const verified = await run(without, directory.at("empty"), ["verify", ...sha256]);
      expect(verified.exitCode).toBe(0);
    },
    BUILD_MS_MAX,
  );

  test("the executables add little to the runtime they carry", async () => {
    const { size: runtime } = await stat(process.execPath);
    expect((await stat(peer)).size - runtime).toBeLessThan(PEER_OWN_BYTES_MAX);
    expect((await stat(tracker)).size - runtime).toBeLessThan(TRACKER_OWN_BYTES_MAX);
  });

  test("the peer's executable is made of none of the tracker's packages, the tracker's is", async () => {
    const foreign = /node_modules\/(elysia|drizzle-orm|libsql|@libsql)\//;
    const inputs = await inputsOf(PEER.entry);
    expect(inputs.filter((path) => foreign.test(path))).toEqual([]);
    const addons = inputs.filter((path) => path.endsWith(".node"));
    expect(addons).toEqual(HAS_BLAKE3 ? [expect.stringContaining("@napi-rs/blake-hash-")] : []);
    const used = (await inputsOf(TRACKER.entry)).map((path) => foreign.exec(path)?.[1]);
    expect([...new Set(used)].filter(Boolean).toSorted()).toEqual([
      "@libsql",
      "drizzle-orm",
      "elysia",
      "libsql",
    ]);
  }, 30_000);

  test("SUP-1: an executable started among a stranger's files runs and reads none of them", async () => {
    await using directory = await makeTempDirectory();
    await plantTraps(directory.path);
    const list = await run(peer, directory.path, ["list", "--data-dir", directory.at("data")]);
    expect(list).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await run(tracker, directory.path, ["version"])).toMatchObject({ exitCode: 0 });
    await using running = await startTracker({
      command: ["env", "-i", `--chdir=${directory.path}`, tracker],
      db: `file:${directory.at("tracker.db")}`,
    });
    expect((await fetch(`${running.url}/ready`)).status).toBe(200);
    expect(existsSync(directory.at("canary"))).toBe(false);
  }, 30_000);

  test(
    "SUP-1: an executable built with Bun's defaults runs and reads a stranger's files",
    async () => {
      await using directory = await makeTempDirectory();
      await plantTraps(directory.path);
      const control = built.at("control");
      await buildExecutable({ ...PEER, outfile: control, trustsCurrentDirectory: true });
      const list = await run(control, directory.path, ["list", "--data-dir", directory.at("data")]);
      expect(list.exitCode).toBe(2);
      expect(list.stderr).toContain("PEER_MAX_PEERS");
      expect(existsSync(directory.at("canary"))).toBe(true);
    },
    BUILD_MS_MAX,
  );
});

describe("embedLibsql", () => {
  test("embedLibsql refuses to build without the platform's addon, saying which", () => {
    expect(() => embedLibsql("plan9-mips")).toThrow("@libsql/plan9-mips is not installed");
    expect(() => embedLibsql(addonPlatform(), "/nowhere")).toThrow("is not installed");
  });

  test("withStaticAddon writes the addon's name out, and refuses a loader that it does not know", async () => {
    const source = await Bun.file(join(ROOT, "node_modules/libsql/index.js")).text();
    const fixed = withStaticAddon(source, "/a/index.node");
    expect(fixed).toContain('return require("/a/index.node");');
    expect(fixed).not.toContain("@neon-rs/load");
    expect(() => withStaticAddon(source.replace("requireNative()", "load()"), "/a")).toThrow(
      "another loader",
    );
  });
});

describe("withLateModules", () => {
  const packages = [
    "commander/lib/command.js",
    "commander/lib/help.js",
    "@logtape/logtape/dist/util.node.js",
  ];

  test.each(packages)(
    "withLateModules leaves %s nothing to load before it is used",
    async (path) => {
      const source = await Bun.file(join(ROOT, "node_modules", path)).text();
      const early = /^import .*node:(?:util|child_process)/m;
      expect(source).toMatch(early);
      expect(withLateModules(source)).not.toMatch(early);
    },
  );

  test("withLateModules gives what the modules would have given, and refuses a module that imports none of them", async () => {
    const source = [
      'import util from "node:util";',
      "import { stripVTControlCharacters } from 'node:util';",
      'export default [util.inspect({ a: 1 }), stripVTControlCharacters("\u001b[1mbold")];',
    ].join("\n");
    const late = join(built.path, "late.mjs");
    await writeFile(late, withLateModules(source));
    expect((await import(late)).default).toEqual(["{ a: 1 }", "bold"]);
    expect(() => withLateModules('import fs from "node:fs";')).toThrow("other modules");
  });
});

/** What a downloaded archive may bring along. */
async function plantTraps(directory: string): Promise<void> {
  const canary = `import { writeFileSync } from "node:fs"; writeFileSync("canary", "");`;
  const traps: Readonly<Record<string, string>> = {
    "canary.ts": canary,
    "bunfig.toml": 'preload = ["./canary.ts"]\n',
    ".env": "PEER_MAX_PEERS=none\nTRACKER_PORT=none\nPORT=none\n",
    "tsconfig.json": '{ "compilerOptions": { "paths": { "*": ["./canary.ts"] } } }',
    "package.json": '{ "imports": { "#a": "./canary.ts" }, "main": "canary.ts" }',
  };
  for (const [name, text] of Object.entries(traps)) await writeFile(join(directory, name), text);
}

/** @returns the files that a program is bundled from */
async function inputsOf(entry: string): Promise<readonly string[]> {
  const plugins = entry === TRACKER.entry ? [embedLibsql(addonPlatform())] : PEER.plugins;
  const bundle = await Bun.build({
    entrypoints: [entry],
    target: "bun",
    metafile: true,
    plugins: [...(plugins ?? [])],
  });
  const inputs = Object.keys(bundle.metafile?.inputs ?? {});
  expect(inputs.length).toBeGreaterThan(20);
  return inputs;
}

/** Starts an executable with an environment of nothing. */
function start(executable: string, cwd: string, args: readonly string[]) {
  const child = Bun.spawn([executable, ...args], {
    cwd,
    env: {},
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const texts = { stdout: "", stderr: "" };
  const drain = async (name: keyof typeof texts): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of child[name]) texts[name] += decoder.decode(chunk, { stream: true });
  };
  const ended = Promise.all([child.exited, drain("stdout"), drain("stderr")]);
  const stop = async (signal: NodeJS.Signals): Promise<number> => {
    child.kill(signal);
    return (await ended)[0];
  };
  return {
    ended: ended.then(([exitCode]) => ({ exitCode, ...texts })),
    printed: (text: string) =>
      waitUntil(() => texts.stdout.includes(text), `"${text}"`, { state: () => texts.stderr }),
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop("SIGKILL");
    },
  };
}

async function run(executable: string, cwd: string, args: readonly string[]) {
  await using child = start(executable, cwd, args);
  return await child.ended;
}

/** Makes a file of zeros in parts of 1 MiB, its torrent, and an empty directory beside them.
 * @returns the paths of the torrent and of the file */
async function zerosPlace(
  directory: TempDirectory,
  { parts, algorithm }: { readonly parts: number; readonly algorithm: PartAlgorithm },
): Promise<readonly [string, string]> {
  const file = directory.at(`${algorithm}-${parts}.bin`);
  await writeFile(file, "");
  await truncate(file, parts * MIB);
  const digest = partDigest(algorithm, new Uint8Array(MIB)).toHex();
  const FileInfo = {
    Size: parts * MIB,
    PartSize: MIB,
    Parts: Array.from({ length: parts }, () => digest),
    Hash: "6fa459ea-ee8a-3ca4-894e-db77e160355e",
    Algorithm: algorithm,
  };
  await writeFile(`${file}.json`, JSON.stringify({ FileInfo }));
  await mkdir(directory.at("empty"), { recursive: true });
  return [`${file}.json`, file];
}
