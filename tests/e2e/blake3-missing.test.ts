import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addonPlatform } from "../../build.ts";
import type { PartAlgorithm } from "../../protocol/part-algorithm.ts";
import { HAS_BLAKE3 } from "../support/blake3.ts";
import { makeTorrent, randomBytes } from "../support/fixtures.ts";
import { peerEnvironment } from "../support/peer-process.ts";
import { makeTempDirectory, type TempDirectory } from "../support/temp.ts";
import { formatTorrent } from "../support/torrent-text.ts";

/** The peer's sources on a machine whose packages are all there but the BLAKE3 library, or all but its addon: copies, run as
 * processes. What holds there is held against the same copy with the library whole. */

const ROOT = join(import.meta.dir, "../..");
const LIBRARY = "@napi-rs/blake-hash";
const ADDON = `${LIBRARY}-${addonPlatform()}`;
const TEST_MS = 60_000;
/** Nobody is asked before the refusal: no tracker listens here. */
const NOWHERE = "http://127.0.0.1:1";

interface Place {
  readonly directory: TempDirectory;
  readonly run: (...args: readonly string[]) => Promise<Ended>;
  readonly file: string;
  /** Of that file, hashed so. */
  readonly torrent: (algorithm: PartAlgorithm) => string;
}

interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe("peer without the BLAKE3 library", () => {
  test.each([
    ["the library", [], "is not installed"],
    ["the library's addon", [LIBRARY], `has no addon for ${process.platform}-${process.arch} here`],
  ] as const)(
    "peer without %s starts, works with SHA-256 and SHA-1, and refuses BLAKE3 before it touches a file",
    async (_what, packages, state) => {
      await using place = await makePlace(packages);
      const { directory, run, file, torrent } = place;
      expect(await run("version")).toMatchObject({ exitCode: 0, stderr: "" });
      for (const algorithm of ["sha256", "sha1"] as const) {
        expect(await run("verify", torrent(algorithm), file)).toMatchObject({ exitCode: 0 });
      }

      const before = await readdir(directory.path);
      const lacking = `its library ${LIBRARY} ${state}`;
      const target = directory.at("target.bin");
      for (const args of [
        ["inspect", torrent("blake3")],
        ["verify", torrent("blake3"), file],
        ["download", torrent("blake3"), target, "--tracker", NOWHERE],
      ]) {
        expect(await run(...args)).toEqual({
          exitCode: 3,
          stdout: "",
          stderr: expect.stringMatching(
            lineOf(
              `code=3 name=bad-torrent: Cannot read torrent: Algorithm is blake3, and ${lacking}`,
            ),
          ),
        });
      }
      expect(await run("upload", file, "--hash", "blake3", "--tracker", NOWHERE)).toEqual({
        exitCode: 2,
        stdout: "",
        stderr: expect.stringMatching(
          lineOf(
            `code=2 name=usage: Cannot use --hash blake3: ${lacking}, expected sha256 or sha1`,
          ),
        ),
      });
      expect(await readdir(directory.path)).toEqual(before);
    },
    TEST_MS,
  );

  test(
    "peer without the library lists the torrents that it can read, and says which it passes over and why",
    async () => {
      await using place = await makePlace([]);
      const torrents = join(place.directory.at("data"), "torrents");
      await mkdir(torrents, { recursive: true });
      for (const algorithm of ["sha256", "blake3"] as const) {
        await cp(place.torrent(algorithm), join(torrents, `${algorithm}.json`));
      }
      const { exitCode, stdout, stderr } = await place.run("list", "--json");
      expect(exitCode).toBe(0);
      expect(stdout.match(/"type":"listed"/g)).toHaveLength(1);
      expect(stderr).toContain(`${join(torrents, "blake3.json")} is passed over`);
      expect(stderr).toContain(`its library ${LIBRARY} is not installed`);
    },
    TEST_MS,
  );

  test.skipIf(!HAS_BLAKE3)(
    "peer in the same place with the library does what it refuses without, so that the tests above can fail",
    async () => {
      await using place = await makePlace([LIBRARY, ADDON]);
      const { run, file, torrent, directory } = place;
      for (const algorithm of ["sha256", "sha1", "blake3"] as const) {
        expect(await run("verify", torrent(algorithm), file)).toMatchObject({ exitCode: 0 });
      }
      expect((await run("inspect", torrent("blake3"))).stdout).toContain("blake3");
      // What comes after the refusals: that no tracker answers.
      const upload = await run("upload", file, "--hash", "blake3", "--tracker", NOWHERE);
      expect(upload.exitCode).toBe(6);
      expect(existsSync(directory.at("data"))).toBe(true);
    },
    TEST_MS,
  );
});

/** Copies what `peer` runs, with links to all packages but those of the BLAKE3 library's makers.
 * @param packages which of those are there too */
async function makePlace(packages: readonly string[]): Promise<Place & AsyncDisposable> {
  const directory = await makeTempDirectory();
  for (const name of ["peer", "protocol", "package.json"]) {
    await cp(join(ROOT, name), directory.at(name), { recursive: true });
  }
  const modules = directory.at("node_modules");
  await mkdir(join(modules, "@napi-rs"), { recursive: true });
  for (const name of await readdir(join(ROOT, "node_modules"))) {
    if (name === "@napi-rs" || name.startsWith(".")) continue;
    await symlink(join(ROOT, "node_modules", name), join(modules, name));
  }
  for (const name of packages) {
    // No link: what it looks for would be looked for where it really is.
    await cp(join(ROOT, "node_modules", name), join(modules, name), { recursive: true });
  }
  const content = randomBytes(5, 1000);
  const file = directory.at("file.bin");
  await writeFile(file, content);
  const torrent = (algorithm: PartAlgorithm): string => directory.at(`${algorithm}.json`);
  for (const [at, algorithm] of (["sha1", "sha256", "blake3"] as const).entries()) {
    const hash = `6f1e3a52-9c4b-4d7e-8a10-2b3c4d5e6f7${at}`;
    await writeFile(torrent(algorithm), formatTorrent(makeTorrent({ content, algorithm, hash })));
  }
  expect(await readFile(torrent("blake3"), "utf8")).toContain('"Algorithm":"blake3"');
  return {
    ...{ directory, file, torrent },
    run: (...args) => run(directory, args),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

async function run(directory: TempDirectory, args: readonly string[]): Promise<Ended> {
  const child = Bun.spawn([process.execPath, directory.at("peer/index.ts"), ...args], {
    cwd: directory.path,
    env: peerEnvironment({
      cwd: directory.path,
      dataDir: directory.at("data"),
      env: { PEER_LOG_LEVEL: "warn" },
    }),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [exitCode, stdout, stderr] = await Promise.all([
    child.exited,
    child.stdout.text(),
    child.stderr.text(),
  ]);
  return { exitCode, stdout, stderr };
}

/** @returns what matches one error line that begins so, and nothing beside it */
function lineOf(beginning: string): RegExp {
  return new RegExp(`^ERROR ${RegExp.escape(beginning)}; hint: run \`bun install\`[^\\n]+\\n$`);
}
