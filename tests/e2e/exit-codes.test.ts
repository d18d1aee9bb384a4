import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import type { Result } from "../../peer/result.ts";
import { rightBytes, untilWritten } from "../support/part-file.ts";
import { peerCommand, peerEnvironment } from "../support/peer-process.ts";
import { makeUnwritable, mountSmallDisk } from "../support/small-disk.ts";
import { hashOf, makeTempDirectory, writeSeeded } from "../support/temp.ts";
import { MIB, World } from "../support/world.ts";

const TEST_MS = 90_000;
/** Where no tracker listens. */
const NOWHERE = "http://127.0.0.1:1";
/** `ERROR code=… name=…: what: state; hint: …` */
const ERROR_LINE = /^ERROR code=(\d+) name=([a-z-]+): (.+): (.+); hint: (.+)$/;

const isMountable = await mayMount();

interface Case {
  readonly code: number;
  readonly name: Result;
  readonly args: readonly string[];
}

/** Ends in the same way as text and as JSON: one error line with its hint, and no word of success. */
async function expectFailures(world: World, cases: readonly Case[]): Promise<void> {
  for (const { code, name, args } of cases) {
    const env = { PEER_TRACKER: world.tracker.url, PEER_LOG_LEVEL: "error" };
    const text = await world.raw("text", args, { env }).ended();
    expect([args, text.exitCode]).toEqual([args, code]);
    expect(text.stdout).not.toContain("SUCCESSFUL");
    const errors = text.stderr.split("\n").filter((line) => line.startsWith("ERROR"));
    expect([args, errors.length]).toEqual([args, 1]);
    const match = ERROR_LINE.exec(errors[0] ?? "");
    expect([args, errors[0], match?.[1], match?.[2]]).toEqual([args, errors[0], `${code}`, name]);
    const json = world.peer("json", args, { env });
    expect([args, (await json.summary(code)).result]).toEqual([args, name]);
    const [error] = json.eventsOf("error");
    expect([args, error]).toMatchObject([args, { code, name }]);
    expect(error?.hint.length).toBeGreaterThan(10);
  }
}

describe("peer's exit codes", () => {
  test(
    "peer ends with 2 when it is not used as it should be",
    async () => {
      await using world = await World.create();
      const file = await writeSeeded(world.at("f"), 10, 1);
      const usage = (...args: readonly string[]): Case => ({ code: 2, name: "usage", args });
      await expectFailures(world, [
        usage(),
        usage("nonsense"),
        usage("download", "one"),
        usage("download", "one", "two", "three"),
        usage("list", "--nonsense"),
        usage("upload", file, "--part-size", "17M"),
        usage("upload", file, "--hash", "md5"),
        usage("upload", file, file),
        usage("upload", world.directory.path),
        usage("list", "--listen", "nonsense"),
        usage("serve", "--limit-up", "-1"),
      ]);
    },
    TEST_MS,
  );

  test(
    "peer ends with 3 for a bad torrent and 4 for what is not there",
    async () => {
      await using world = await World.create();
      const { seeder, torrentPath } = await world.seed({ bytes: 1000 });
      await writeFile(world.at("bad.json"), '{"FileInfo":{"Size":-1}}');
      const target = world.at("x");
      await expectFailures(world, [
        { code: 3, name: "bad-torrent", args: ["inspect", world.at("bad.json")] },
        { code: 3, name: "bad-torrent", args: ["download", world.at("bad.json"), target] },
        { code: 4, name: "not-found", args: ["download", world.at("none.json"), target] },
        { code: 4, name: "not-found", args: ["upload", world.at("none")] },
        { code: 4, name: "not-found", args: ["verify", torrentPath, world.at("none")] },
        { code: 4, name: "not-found", args: ["remove", "ffffffff"] },
        { code: 4, name: "not-found", args: ["download", torrentPath, world.at("none", "x")] },
        { code: 4, name: "not-found", args: ["serve", "--config", world.at("none.json")] },
      ]);
      // A tracker that never heard of it, while nobody serves it.
      await seeder.kill("SIGKILL");
      await world.killTracker();
      await world.restartTracker({ dataHome: world.at("tracker-2") });
      const args = ["download", torrentPath, target];
      await expectFailures(world, [{ code: 4, name: "not-found", args }]);
      expect(existsSync(target)).toBe(false);
    },
    TEST_MS,
  );

  test(
    "peer ends with 5 when nothing comes, 6 when no tracker helps, and 13 when its time is over",
    async () => {
      await using world = await World.create();
      const { seeder, file, torrentPath } = await world.seed({ bytes: 1000 });
      await seeder.kill("SIGINT");
      const target = world.at("x");
      const download = ["download", torrentPath, target];
      await using website = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: () =>
          new Response("<html>a web site</html>", { headers: { "content-type": "text/html" } }),
      });
      const nonsense = `http://127.0.0.1:${website.port}`;
      const stall = ["--stall-timeout", "1s"];
      await expectFailures(world, [
        { code: 5, name: "incomplete", args: [...download, ...stall] },
        { code: 6, name: "tracker", args: ["upload", file, "--tracker", NOWHERE] },
        { code: 6, name: "tracker", args: ["upload", file, "--tracker", nonsense] },
        { code: 6, name: "tracker", args: [...download, ...stall, "--tracker", NOWHERE] },
        { code: 6, name: "tracker", args: [...download, ...stall, "--tracker", nonsense] },
        { code: 13, name: "timeout", args: [...download, "--timeout", "500ms"] },
      ]);
      // An upload finds that out before it hashes anything.
      const unheard = world.peer("unheard", ["upload", file, "--tracker", NOWHERE]);
      await unheard.summary(6);
      expect(unheard.eventsOf("hashing")).toEqual([]);
      expect(existsSync(target)).toBe(false);
      expect(existsSync(`${target}.part`)).toBe(true);
    },
    TEST_MS,
  );

  test.skipIf(!isMountable && process.getuid?.() === 0)(
    "RES-8: peer ends with 8 where it may not write",
    async () => {
      await using world = await World.create();
      const { file, torrentPath } = await world.seed({ bytes: 1000 });
      await using unwritable = await makeUnwritable(world.at("unwritable"));
      const inside = `${unwritable?.path}/x`;
      await expectFailures(world, [
        { code: 8, name: "io", args: ["download", torrentPath, inside] },
        { code: 8, name: "io", args: ["upload", file, inside] },
        { code: 8, name: "io", args: ["list", "--data-dir", inside] },
      ]);
    },
    TEST_MS,
  );

  test(
    "peer ends with 7, 10 and 11 for wrong bytes, a taken name and a taken port",
    async () => {
      await using world = await World.create();
      const { file, torrentPath } = await world.seed({ bytes: 1000 });
      const other = await writeSeeded(world.at("other"), 1000, 9);
      await writeFile(world.at("notes.txt"), "no torrent");
      await using taken = Bun.listen({
        hostname: "127.0.0.1",
        port: 0,
        socket: { data: () => undefined },
      });
      const listen = ["--listen", `127.0.0.1:${taken.port}`];
      await expectFailures(world, [
        { code: 7, name: "integrity", args: ["verify", torrentPath, other] },
        { code: 10, name: "exists", args: ["download", torrentPath, other] },
        { code: 10, name: "exists", args: ["upload", file, world.at("notes.txt")] },
        { code: 11, name: "busy", args: ["serve", ...listen] },
        { code: 11, name: "busy", args: ["download", torrentPath, world.at("x"), ...listen] },
      ]);
    },
    TEST_MS,
  );

  test(
    "peer ends with 141 when the reader of its output goes away, 9 when there is no room for it, and can go on later",
    async () => {
      await using world = await World.create();
      const { file, torrentPath } = await world.seed({ args: ["--limit-up", "4M"] });
      // The reader has gone before the program begins.
      const script = 'exec {out}> >(exit 0); wait $!; "$@" >&$out';
      const command = ["bash", "-c", script, "bash", ...peerCommand()];
      const env = peerEnvironment({
        cwd: world.directory.path,
        dataDir: world.dataDir("seeder"),
        env: { PEER_LOG_LEVEL: "error" },
      });
      const listing = Bun.spawn([...command, "list"], { env, stderr: "pipe" });
      expect(await listing.exited).toBe(141);
      expect(await listing.stderr.text()).toBe("");
      const full = Bun.spawn(["sh", "-c", '"$@" > /dev/full', "sh", ...peerCommand(), "help"], {
        env,
        stderr: "pipe",
      });
      expect(await full.exited).toBe(9);
      const target = world.target("leecher");
      const leecher = Bun.spawn([...peerCommand(), "download", torrentPath, target, "--json"], {
        env: { ...env, PEER_DATA_DIR: world.dataDir("leecher") },
        stdout: "pipe",
      });
      const reader = leecher.stdout.getReader();
      expect((await reader.read()).done).toBe(false);
      await untilWritten(`${target}.part`, MIB);
      await reader.cancel();
      expect(await leecher.exited).toBe(141);
      const summary = await world.download("leecher", torrentPath).summary();
      expect(summary.resumedBytes).toBeGreaterThanOrEqual(MIB);
      expect(await hashOf(target)).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test.skipIf(!isMountable)(
    "RES-6: peer ends with 9 when the disk is full, and goes on when there is room",
    async () => {
      await using world = await World.create();
      const { file, torrentPath } = await world.seed({ args: ["--limit-up", "4M"] });
      await using tooSmall = await mountSmallDisk(world.at("too-small"), 4 * MIB);
      await using disk = await mountSmallDisk(world.at("small"), 12 * MIB);
      if (disk === undefined || tooSmall === undefined) throw new Error("Mounting failed");
      const refused = ["download", torrentPath, world.at("too-small", "x")];
      await expectFailures(world, [{ code: 9, name: "no-space", args: refused }]);
      const target = world.at("small", "x");
      const leecher = world.download("leecher", torrentPath, { target });
      await untilWritten(`${target}.part`, MIB);
      // Takes what is left; the write that does not fit any more ends it.
      await writeFile(world.at("small", "filler"), Buffer.alloc(12 * MIB)).catch(() => undefined);
      expect((await leecher.summary(9)).result).toBe("no-space");
      expect(leecher.eventsOf("downloaded")).toEqual([]);
      const standing = await rightBytes(await world.readTorrent(torrentPath), `${target}.part`);
      expect(standing).toBeGreaterThan(0);
      await rm(world.at("small", "filler"));
      const summary = await world.download("leecher", torrentPath, { target }).summary();
      expect(summary.resumedBytes).toBe(standing);
      expect(await hashOf(target)).toBe(await hashOf(file));
    },
    TEST_MS,
  );
});

async function mayMount(): Promise<boolean> {
  await using directory = await makeTempDirectory();
  await mkdir(directory.at("probe"));
  await using disk = await mountSmallDisk(directory.at("probe"), MIB);
  return disk !== undefined;
}
