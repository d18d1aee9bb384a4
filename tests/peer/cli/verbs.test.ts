import { describe, expect, test } from "bun:test";
import { mkdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TORRENT_BYTES_MAX } from "../../../protocol/limits.ts";
import type { Torrent } from "../../../protocol/torrent.ts";
import { makeTorrent, randomBytes } from "../../support/fixtures.ts";
import { formatTorrent } from "../../support/torrent-text.ts";
import { createEventsValidator, parseLines } from "./events-validator.ts";
import { type RunResult, runCli, withDirectory } from "./harness.ts";

interface Place {
  readonly directory: string;
  readonly torrent: Torrent;
  readonly torrentPath: string;
  readonly file: string;
  /** Runs with a data directory of its own, `--json` validated. */
  readonly run: (...argv: readonly string[]) => Promise<RunResult>;
  readonly events: (...argv: readonly string[]) => Promise<readonly Record<string, unknown>[]>;
}

/** A file of 1,000 bytes in four parts, with its torrent beside it. */
async function withPlace(use: (place: Place) => Promise<void>): Promise<void> {
  const validate = createEventsValidator();
  await withDirectory(async (directory) => {
    const content = randomBytes(5, 1000);
    const torrent = makeTorrent({ content, name: "mein Film é.mkv" });
    const torrentPath = join(directory, "mein Film é.torrent.json");
    const file = join(directory, "mein Film é.mkv");
    await Promise.all([writeFile(torrentPath, formatTorrent(torrent)), writeFile(file, content)]);
    const run = (...argv: readonly string[]): Promise<RunResult> =>
      runCli(argv, { directory, variables: { PEER_DATA_DIR: "data" } });
    const events: Place["events"] = async (...argv) => {
      const lines = parseLines((await run(...argv, "--json")).stdout);
      for (const line of lines) expect([line, validate(line)]).toEqual([line, ""]);
      return lines;
    };
    await use({ directory, torrent, torrentPath, file, run, events });
  });
}

/** Puts the torrent into the data directory as the original program did. */
async function addOldTorrent({ directory, torrent }: Place, content?: Uint8Array): Promise<void> {
  const data = join(directory, "data");
  await mkdir(join(data, "torrents"), { recursive: true });
  await mkdir(join(data, "files"), { recursive: true });
  await writeFile(join(data, "torrents", `${torrent.hash}.json`), formatTorrent(torrent));
  if (content !== undefined) await writeFile(join(data, "files", `${torrent.hash}.bin`), content);
}

describe("inspect", () => {
  test("inspect shows what a torrent says", async () => {
    await withPlace(async ({ torrent, torrentPath, run, events }) => {
      const { exitCode, stdout, stderr } = await run("inspect", torrentPath);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      for (const part of [
        torrent.hash,
        torrent.digest,
        "mein Film é.mkv",
        "1000 bytes",
        "4 of 256 bytes",
        "sha256",
      ]) {
        expect(stdout).toContain(part);
      }
      expect((await events("inspect", torrentPath))[1]).toEqual({
        type: "inspected",
        hash: torrent.hash,
        digest: torrent.digest,
        name: "mein Film é.mkv",
        size: 1000,
        parts: 4,
        partSize: 256,
        algorithm: "sha256",
        trackers: ["http://tracker.example:5000"],
        created: "2026-01-01T00:00:00Z",
      });
    });
  });

  test("inspect follows a link, and tells what is missing, malformed, a directory, a device, or too large", async () => {
    await withPlace(async ({ directory, torrentPath, run }) => {
      const link = join(directory, "link.json");
      await symlink(torrentPath, link);
      expect((await run("inspect", link)).exitCode).toBe(0);
      expect((await run("inspect", join(directory, "none"))).exitCode).toBe(4);
      expect((await run("inspect", directory)).exitCode).toBe(2);
      expect((await run("inspect", "/dev/zero")).exitCode).toBe(2);
      const bad = join(directory, "bad.json");
      await writeFile(bad, "{}");
      const malformed = await run("inspect", bad);
      expect(malformed.exitCode).toBe(3);
      expect(malformed.stderr).toStartWith(
        "ERROR code=3 name=bad-torrent: Cannot read torrent: FileInfo is missing",
      );
      await truncate(bad, TORRENT_BYTES_MAX + 1);
      expect((await run("inspect", bad)).stderr).toContain(`${TORRENT_BYTES_MAX + 1} bytes`);
      // Far more than could be read into memory: refused by its size alone.
      await truncate(bad, 2 ** 42);
      expect((await run("inspect", bad)).exitCode).toBe(3);
    });
  });
});

describe("verify", () => {
  test("verify proves a good file", async () => {
    await withPlace(async ({ torrentPath, file, run, events }) => {
      expect(await run("verify", torrentPath, file)).toMatchObject({
        exitCode: 0,
        stdout: `${file}: complete, 4 of 4 parts are right\n`,
      });
      const lines = await events("verify", torrentPath, file);
      expect(lines.map((line) => line.type)).toEqual([
        "start",
        "torrent",
        "hashing",
        "verified",
        "summary",
      ]);
      expect(lines[3]).toMatchObject({ complete: true, partsGood: 4, badParts: [] });
    });
  });

  test("verify names the bad parts and ends with 7", async () => {
    await withPlace(async ({ torrentPath, file, run, events }) => {
      const content = randomBytes(5, 1000);
      content[300] = (content[300] ?? 0) ^ 1;
      await writeFile(file, content.subarray(0, 600));
      const { exitCode, stdout, stderr } = await run("verify", torrentPath, file);
      expect(exitCode).toBe(7);
      expect(stdout).toBe(`${file}: 1 of 4 parts are right, bad: 1-3\n`);
      expect(stderr).toContain("name=integrity");
      expect(stderr).toContain("3 of 4 parts are wrong or missing: 1-3");
      const verified = (await events("verify", torrentPath, file)).find(
        (line) => line.type === "verified",
      );
      expect(verified).toMatchObject({
        complete: false,
        partsGood: 1,
        badParts: [{ first: 1, count: 3 }],
      });
    });
  });

  test("verify takes a file that goes on after its last part for another file", async () => {
    await withPlace(async ({ torrentPath, file, run }) => {
      await writeFile(file, Buffer.concat([randomBytes(5, 1000), Buffer.from("x")]));
      const { exitCode, stderr } = await run("verify", torrentPath, file);
      expect(exitCode).toBe(7);
      expect(stderr).toContain("it has 1001 bytes, expected 1000");
    });
  });

  test("verify tells which of the two files is missing", async () => {
    await withPlace(async ({ torrentPath, file, run }) => {
      await rm(file);
      expect((await run("verify", torrentPath, file)).stderr).toContain(
        `Cannot verify ${file}: no such file`,
      );
      expect((await run("verify", `${torrentPath}x`, file)).stderr).toContain(
        "Cannot read torrent",
      );
    });
  });

  test("verify proves an empty file", async () => {
    await withPlace(async ({ torrentPath, file, run }) => {
      const empty = makeTorrent({ content: new Uint8Array() });
      await Promise.all([writeFile(torrentPath, formatTorrent(empty)), writeFile(file, "")]);
      expect((await run("verify", torrentPath, file)).exitCode).toBe(0);
    });
  });
});

describe("list", () => {
  test("list shows nothing of an empty data directory, and what an old one holds", async () => {
    await withPlace(async (place) => {
      expect(await place.run("list")).toEqual({ exitCode: 0, stdout: "", stderr: "" });
      await addOldTorrent(place, randomBytes(5, 1000));
      const { stdout } = await place.run("list");
      expect(stdout).toStartWith(`${place.torrent.hash}  `);
      expect(stdout).toEndWith("complete  mein Film é.mkv\n");
      expect((await place.events("list"))[1]).toMatchObject({
        type: "listed",
        hash: place.torrent.hash,
        state: "complete",
        file: join(place.directory, "data", "files", `${place.torrent.hash}.bin`),
      });
    });
  });

  test("list shows a torrent whose file is not there", async () => {
    await withPlace(async (place) => {
      await addOldTorrent(place);
      expect((await place.events("list"))[1]).toMatchObject({ state: "missing", bytesDone: 0 });
    });
  });
});

describe("remove", () => {
  test("remove forgets a torrent by the beginning of its hash; its file stays", async () => {
    await withPlace(async (place) => {
      await addOldTorrent(place, randomBytes(5, 1000));
      const file = join(place.directory, "data", "files", `${place.torrent.hash}.bin`);
      const result = await place.run("remove", place.torrent.hash.slice(0, 8));
      expect(result).toEqual({
        exitCode: 0,
        stdout: `removed ${place.torrent.hash}, ${file} stays\n`,
        stderr: "",
      });
      expect((await place.run("list")).stdout).toBe("");
      expect(await Bun.file(file).exists()).toBe(true);
    });
  });

  test("remove --delete-file deletes the file too", async () => {
    await withPlace(async (place) => {
      await addOldTorrent(place, randomBytes(5, 1000));
      const file = join(place.directory, "data", "files", `${place.torrent.hash}.bin`);
      const [, removed] = await place.events("remove", place.torrent.digest, "--delete-file");
      expect(removed).toEqual({
        type: "removed",
        hash: place.torrent.hash,
        file,
        fileDeleted: true,
      });
      expect(await Bun.file(file).exists()).toBe(false);
    });
  });

  test("remove refuses a hash that nobody has and one that means several torrents", async () => {
    await withPlace(async (place) => {
      await addOldTorrent(place);
      expect((await place.run("remove", "ffffffff")).exitCode).toBe(4);
      const twin = makeTorrent({ content: randomBytes(6, 1000) });
      await writeFile(join(place.directory, "data", "torrents", "twin.json"), formatTorrent(twin));
      const { exitCode, stderr } = await place.run("remove", place.torrent.hash);
      expect(exitCode).toBe(2);
      expect(stderr).toContain(place.torrent.digest);
      expect(stderr).toContain(twin.digest);
      expect((await place.run("remove", twin.digest)).exitCode).toBe(0);
    });
  });
});
