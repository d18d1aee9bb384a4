import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { open, readdir, rm, writeFile } from "node:fs/promises";
import { rightBytes, untilWritten } from "../support/part-file.ts";
import { hashOf, seededBytes, writeSeeded } from "../support/temp.ts";
import { waitUntil } from "../support/wait.ts";
import { MIB, World } from "../support/world.ts";

const TEST_MS = 90_000;
const BYTES = 12 * MIB;

/** What can happen to a file while it is served; none of it keeps a quarter of its parts. */
const CHANGES: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  "is written to": async (path) => {
    const file = await open(path, "r+");
    await file.write(seededBytes(77, BYTES / 2), 0, BYTES / 2, BYTES / 4);
    await file.close();
  },
  "is replaced": (path) => writeFile(path, seededBytes(78, BYTES)),
  "is cut short": (path) => writeFile(path, ""),
  "is deleted": (path) => rm(path),
};

describe("peer upload and its file", () => {
  for (const [what, change] of Object.entries(CHANGES)) {
    test(
      `SRV-11: peer upload serves no wrong byte when its file ${what}, and another source completes the download`,
      async () => {
        await using world = await World.create();
        const { seeder, file, torrentPath } = await world.seed({
          bytes: BYTES,
          args: ["--limit-up", "4M"],
        });
        const torrent = await world.readTorrent(torrentPath);
        const expected = await hashOf(file);
        await world.copyTo("second", torrentPath);
        const leecher = world.download("leecher", torrentPath);
        const part = `${world.target("leecher")}.part`;
        await untilWritten(part, BYTES / 8);
        await change(file);
        await seeder.waitFor(({ stderr }) => stderr.includes("A file is withdrawn"), "withdrawal");
        expect(leecher.isRunning).toBe(true);
        expect(await rightBytes(torrent, part)).toBeLessThan(BYTES);
        await world.serve("second");
        expect(await leecher.summary()).toMatchObject({ bytes: BYTES, badParts: 0 });
        expect(await hashOf(world.target("leecher"))).toBe(expected);
        expect(seeder.isRunning).toBe(true);
      },
      TEST_MS,
    );
  }

  test(
    "peer upload --copy serves on when the file is gone",
    async () => {
      await using world = await World.create();
      const { file, torrentPath } = await world.seed({ args: ["--copy"] });
      const expected = await hashOf(file);
      await rm(file);
      await world.download("leecher", torrentPath).summary();
      expect(await hashOf(world.target("leecher"))).toBe(expected);
      expect(await readdir(world.at("data", "seeder", "files"))).toHaveLength(1);
    },
    TEST_MS,
  );

  test(
    "peer upload --no-serve only registers, and a later peer serve is found",
    async () => {
      await using world = await World.create();
      const file = await writeSeeded(world.at("f.bin"), BYTES, 1);
      const torrentPath = world.at("f.json");
      const { exitCode, stdout } = await world
        .raw("one", ["upload", file, torrentPath, "--no-serve"], {
          env: { PEER_TRACKER: world.tracker.url },
        })
        .ended();
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(/^SUCCESSFUL UPLOAD\nOn another machine: peer download f\.json .+\n$/);
      const { hash } = await world.readTorrent(torrentPath);
      expect(await world.peersAt(hash)).toEqual([]);
      const { torrents } = await world.serve("one");
      expect(torrents).toBe(1);
      await world.download("leecher", torrentPath).summary();
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );
});

describe("peer serve", () => {
  test(
    "peer serve takes over what upload and download on its data directory have",
    async () => {
      await using world = await World.create();
      const { port } = await world.serve("one");
      const own = `127.0.0.1:${port}`;
      const file = await writeSeeded(world.at("up.bin"), MIB, 1);
      const upload = await world.run("one", ["upload", file, world.at("up.json")]);
      expect(upload.exitCode).toBe(0);
      const first = await world.download("two", world.at("up.json")).summary();
      expect(first.bytesPerPeer).toEqual({ [own]: MIB });
      const other = await world.seed({ name: "other.bin", peer: "three", bytes: MIB, seed: 2 });
      await world.download("one", other.torrentPath, { target: world.at("down.bin") }).summary();
      await other.seeder.kill("SIGKILL");
      const second = await world.download("four", other.torrentPath).summary();
      expect(second.bytesPerPeer).toEqual({ [own]: MIB });
      expect(await hashOf(world.target("four"))).toBe(await hashOf(other.file));
    },
    TEST_MS,
  );

  test(
    "peer serve stops serving what peer remove takes away, and the file stays",
    async () => {
      await using world = await World.create();
      const { seeder, file, uploaded } = await world.seed();
      await seeder.kill("SIGINT");
      const { peer, port } = await world.serve("seeder");
      const isListed = async () =>
        (await world.peersAt(uploaded.hash)).includes(`127.0.0.1:${port}`);
      await waitUntil(isListed, "the torrent at the tracker");
      const { exitCode, events } = await world.run("seeder", ["remove", uploaded.hash]);
      expect(exitCode).toBe(0);
      expect(events).toContainEqual(
        expect.objectContaining({ type: "removed", hash: uploaded.hash, fileDeleted: false }),
      );
      await waitUntil(async () => !(await isListed()), "its going from the tracker");
      expect(peer.isRunning).toBe(true);
      expect(existsSync(file)).toBe(true);
      expect((await world.run("seeder", ["list"])).events.map(({ type }) => type)).toEqual([
        "start",
        "summary",
      ]);
    },
    TEST_MS,
  );

  test(
    "peer serve of a data directory that another one serves ends with 11",
    async () => {
      await using world = await World.create();
      const first = await world.serve("one");
      const second = world.peer("one", ["serve"]);
      expect((await second.summary(11)).result).toBe("busy");
      expect(second.eventsOf("error")[0]?.message).toContain(`process ${first.peer.pid} `);
      await first.peer.kill("SIGKILL");
      await world.serve("one");
    },
    TEST_MS,
  );
});

describe("peer list, inspect, verify, remove", () => {
  test(
    "peer list tells what is complete, begun and not there",
    async () => {
      await using world = await World.create();
      const whole = await world.seed({ name: "whole.bin", peer: "one", bytes: MIB });
      const begun = await world.seed({
        name: "begun.bin",
        peer: "two",
        args: ["--limit-up", "2M"],
      });
      await world.copyTo("three", whole.torrentPath);
      const leecher = world.download("three", begun.torrentPath, { target: world.at("b.bin") });
      await untilWritten(world.at("b.bin.part"), 2 * MIB);
      await leecher.kill("SIGINT");
      const standing = await rightBytes(
        await world.readTorrent(begun.torrentPath),
        world.at("b.bin.part"),
      );
      const { events, exitCode } = await world.run("three", ["list"]);
      expect(exitCode).toBe(0);
      const listed = events.filter((event) => event.type === "listed");
      const facts = listed.map(({ name, state, bytesDone, size }) => [
        name,
        state,
        bytesDone,
        size,
      ]);
      expect(facts.sort()).toEqual([
        ["begun.bin", "partial", standing, 8 * MIB],
        ["whole.bin", "complete", MIB, MIB],
      ]);
      await rm(world.target("three"));
      const { stdout } = await world.raw("three", ["list"]).ended();
      expect(stdout).toMatch(/^[0-9a-f-]{36} +\d+ % +8\.0 MiB +partial +begun\.bin$/m);
      expect(stdout).toMatch(/^[0-9a-f-]{36} +0 % +1\.0 MiB +missing +whole\.bin$/m);
    },
    TEST_MS,
  );

  test(
    "peer inspect, verify and remove --delete-file do what they say",
    async () => {
      await using world = await World.create();
      const { seeder, file, torrentPath, uploaded } = await world.seed({
        bytes: MIB + 1,
        args: ["--hash", "sha1", "--part-size", "64K"],
      });
      await seeder.kill("SIGINT");
      const inspected = await world.raw("x", ["inspect", torrentPath]).ended();
      expect(inspected.exitCode).toBe(0);
      for (const line of [
        /^size +1048577 bytes/m,
        /^parts +17 of 65536 bytes$/m,
        /^algorithm +sha1$/m,
      ]) {
        expect(inspected.stdout).toMatch(line);
      }
      expect(inspected.stdout).toContain(uploaded.hash);
      expect((await world.run("x", ["verify", torrentPath, file])).exitCode).toBe(0);
      const copy = await writeSeeded(world.at("copy.bin"), MIB + 1, 1);
      const handle = await open(copy, "r+");
      await handle.write("wrong", 3 * 64 * 1024);
      await handle.close();
      const { events, exitCode } = await world.run("x", ["verify", torrentPath, copy]);
      expect(exitCode).toBe(7);
      expect(events.find((event) => event.type === "verified")).toMatchObject({
        complete: false,
        partsGood: 16,
        badParts: [{ first: 3, count: 1 }],
      });
      const removed = await world.run("seeder", ["remove", uploaded.hash, "--delete-file"]);
      expect(removed.exitCode).toBe(0);
      expect(existsSync(file)).toBe(false);
    },
    TEST_MS,
  );
});
