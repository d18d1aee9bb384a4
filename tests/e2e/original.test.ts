import { describe, expect, test } from "bun:test";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  formatOldTorrent,
  OLD_HASH,
  OLD_SERVICE,
  writeOldConfig,
  writeOldService,
} from "../support/old-files.ts";
import { TerminalPeer } from "../support/pty.ts";
import { hashOf, seededBytes, writeSeeded } from "../support/temp.ts";
import { MIB, World } from "../support/world.ts";

const TEST_MS = 90_000;

describe("peer with what the original made", () => {
  test(
    "peer CONFIG.json serves an old data directory as it is",
    async () => {
      await using world = await World.create();
      const service = world.at("old");
      await cp(OLD_SERVICE, service, { recursive: true });
      const torrentPath = join(service, "torrents", `${OLD_HASH}.json`);
      const config = await writeOldConfig(world.at("old.json"), {
        service,
        tracker: world.tracker.url,
      });
      const before = await readFile(torrentPath, "utf8");
      const old = world.configured(config);
      await old.waitFor(({ stderr }) => stderr.includes("serving 1 torrent on"), "the serving");
      const { bytesPerPeer } = await world.download("new", torrentPath).summary();
      expect(Object.values(bytesPerPeer)).toEqual([20_000]);
      expect(await hashOf(world.target("new"))).toBe(
        await hashOf(join(service, "files", `${OLD_HASH}.bin`)),
      );
      expect(await readFile(torrentPath, "utf8")).toBe(before);
    },
    TEST_MS,
  );

  test(
    "peer transfers 3 MiB in parts of 256 bytes, hashed with SHA-1, and resumes them",
    async () => {
      await using world = await World.create();
      const content = seededBytes(3, 3 * MIB + 77);
      const torrentPath = await writeOldService(world.at("old"), content);
      const config = await writeOldConfig(world.at("old.json"), {
        service: "old",
        tracker: world.tracker.url,
      });
      const old = world.configured(config, ["--limit-up", "2M"]);
      await old.waitFor(({ stderr }) => stderr.includes("serving 1 torrent on"), "the serving");
      const first = world.download("new", torrentPath);
      await first.reached(MIB);
      await first.kill("SIGKILL");
      const summary = await world.download("new", torrentPath).summary();
      expect(summary.resumedBytes).toBeGreaterThanOrEqual(first.bytesDone);
      expect(summary.bytes + summary.resumedBytes).toBe(content.length);
      expect(await Bun.file(world.target("new")).bytes()).toEqual(new Uint8Array(content));
    },
    TEST_MS,
  );

  test(
    "peer inspect and peer verify read an old torrent",
    async () => {
      await using world = await World.create();
      const content = seededBytes(4, 1000);
      const torrentPath = world.at("old.torrent");
      await writeFile(torrentPath, formatOldTorrent(content, OLD_HASH));
      await writeFile(world.at("old.bin"), content);
      const { events } = await world.run("x", ["inspect", torrentPath]);
      expect(events).toContainEqual(
        expect.objectContaining({
          type: "inspected",
          hash: OLD_HASH,
          size: 1000,
          parts: 4,
          partSize: 256,
          algorithm: "sha1",
          trackers: [],
        }),
      );
      const { exitCode } = await world.run("x", ["verify", torrentPath, world.at("old.bin")]);
      expect(exitCode).toBe(0);
    },
    TEST_MS,
  );
});

describe("peer CONFIG.json", () => {
  test(
    "peer CONFIG.json at a terminal uploads, downloads, lists, helps, forgives and quits",
    async () => {
      await using world = await World.create();
      await writeSeeded(world.at("a file.bin"), 300_000, 5);
      await using one = await atTerminal(world, "one");
      await using two = await atTerminal(world, "two");
      one.type("");
      one.type('upload "a file.bin" "a torrent.json"');
      await one.line("SUCCESSFUL UPLOAD");
      two.type("nonsense");
      await two.line(/^ERROR code=2 name=usage: .*unknown command "nonsense".*; hint: .+$/);
      two.type("download nothing.json x.bin");
      await two.line(/^ERROR code=4 name=not-found: .+; hint: .+$/);
      two.type('download "a torrent.json"');
      await two.line(/^ERROR code=2 name=usage: .*path_to_torrent path_to_file.*$/);
      two.type("download 'a torrent.json' \"got it.bin\"");
      await two.line("SUCCESSFUL DOWNLOAD");
      expect(await hashOf(world.at("got it.bin"))).toBe(await hashOf(world.at("a file.bin")));
      two.type("list");
      await two.line(/^[0-9a-f-]{36} +100 % .* complete +a file\.bin$/);
      two.type("status");
      await two.line(/^serving 1 torrent on 127\.0\.0\.1:\d+$/);
      two.type("help");
      await two.line(/^quit +end$/);
      // Each success was told once, and no failure as a success.
      expect(two.lines.filter((line) => line === "SUCCESSFUL DOWNLOAD")).toHaveLength(1);
      expect(two.lines.filter((line) => line.startsWith("ERROR"))).toHaveLength(3);
      one.type("quit");
      expect(await one.exited).toBe(0);
      two.press("\x03");
      expect(await two.exited).toBe(130);
    },
    TEST_MS,
  );

  test(
    "peer CONFIG.json fed through a pipe goes on serving when its input ends",
    async () => {
      await using world = await World.create();
      const file = await writeSeeded(world.at("piped.bin"), MIB, 6);
      const config = await writeOldConfig(world.at("one.json"), {
        service: "one",
        tracker: world.tracker.url,
      });
      const one = world.configured(config);
      one.type("upload piped.bin piped.json");
      await one.closeInput();
      await one.waitFor(({ stdout }) => /^SUCCESSFUL UPLOAD$/m.test(stdout), "the upload");
      await world.download("two", world.at("piped.json")).summary();
      expect(await hashOf(world.target("two"))).toBe(await hashOf(file));
      expect(one.isRunning).toBe(true);
      expect(await one.kill("SIGTERM")).toBe(143);
      expect(one.stdout).toMatch(/^SUCCESSFUL UPLOAD\nOn another machine: peer download .+\n$/);
    },
    TEST_MS,
  );

  test(
    "peer CONFIG.json announces again after a restart all that it uploaded and downloaded",
    async () => {
      await using world = await World.create();
      const config = await writeOldConfig(world.at("one.json"), {
        service: "one",
        tracker: world.tracker.url,
      });
      const file = await writeSeeded(world.at("own.bin"), 5000, 7);
      const first = world.configured(config);
      first.type("upload own.bin own.json");
      await first.waitFor(({ stdout }) => stdout.includes("SUCCESSFUL UPLOAD"), "the upload");
      await first.kill("SIGKILL");
      const second = world.configured(config);
      await second.waitFor(({ stderr }) => stderr.includes("serving 1 torrent on"), "the serving");
      await world.download("two", world.at("own.json")).summary();
      expect(await hashOf(world.target("two"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "peer CONFIG.json refuses an unknown key by its name",
    async () => {
      await using world = await World.create();
      const config = world.at("bad.json");
      await writeFile(config, '{"self.service": "x", "self.prot": "1"}');
      const { exitCode, stderr } = await world.configured(config).ended();
      expect(exitCode).toBe(2);
      expect(stderr).toMatch(/^ERROR code=2 name=usage: .*"self\.prot".*; hint: .+$/m);
    },
    TEST_MS,
  );
});

async function atTerminal(world: World, name: string): Promise<TerminalPeer> {
  const config = await writeOldConfig(world.at(`${name}.json`), {
    service: name,
    tracker: world.tracker.url,
  });
  const peer = new TerminalPeer({ args: [config], cwd: world.directory.path });
  await peer.line(/^serving \d+ torrents? on /);
  return peer;
}
