import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { TerminalPeer } from "../support/pty.ts";
import { hashOf, writeSeeded } from "../support/temp.ts";
import { MIB, World } from "../support/world.ts";

const TEST_MS = 90_000;
/** Where no tracker listens. */
const NOWHERE = "http://127.0.0.1:1";

describe("peer's output", () => {
  test(
    "peer writes results to standard output and all else to standard error",
    async () => {
      await using world = await World.create();
      const file = await writeSeeded(world.at("f.bin"), MIB, 1);
      const env = { PEER_TRACKER: world.tracker.url, PEER_LOG_LEVEL: "info" };
      const torrentPath = world.at("f.bin.torrent.json");
      const seeder = world.raw("seeder", ["upload", file], { env });
      await seeder.waitFor(({ stdout }) => stdout.split("\n").length > 2, "both lines");
      expect(seeder.stdout).toBe(
        "SUCCESSFUL UPLOAD\nOn another machine: peer download f.bin.torrent.json f.bin\n",
      );
      const runs = [
        { args: [], stderr: /^received 1\.0 MiB in .+, from 1 peer\n$/ },
        { args: ["--progress", "plain"], stderr: /^received 1\.0 MiB in .+, from 1 peer\n$/ },
        { args: ["--progress", "none"], stderr: /^$/ },
        { args: ["-q"], stderr: /^$/ },
        { args: ["-v"], stderr: /DEBUG Listening for peers/ },
        { args: ["-q", "--log-level", "debug", "--log-format", "json"], stderr: /^(\{.+\}\n)+$/ },
      ];
      for (const [at, { args, stderr }] of runs.entries()) {
        const target = world.at(`target-${at}`);
        const end = await world
          .raw(`leecher-${at}`, ["download", torrentPath, target, ...args], { env })
          .ended();
        expect([args, end.exitCode, end.stdout]).toEqual([args, 0, "SUCCESSFUL DOWNLOAD\n"]);
        expect(end.stderr).toMatch(stderr);
        expect(await hashOf(target)).toBe(await hashOf(file));
      }
      await seeder.kill("SIGINT");
      expect(await seeder.exited).toBe(130);
      expect(seeder.stderr).not.toContain("ERROR");
    },
    TEST_MS,
  );

  test(
    "peer download --json tells start first, progress that grows, summary last, and nothing else",
    async () => {
      await using world = await World.create();
      const { seeder, torrentPath, uploaded } = await world.seed({ args: ["--limit-up", "2M"] });
      const leecher = world.download("leecher", torrentPath);
      // That each line is as the schema says, and their order, is checked in every test with --json.
      const { events, stdout } = await leecher.ended();
      expect(stdout).not.toContain("SUCCESSFUL");
      expect(events[0]).toMatchObject({ type: "start", v: 1, verb: "download" });
      expect(events[1]).toMatchObject({
        type: "torrent",
        hash: uploaded.hash,
        digest: uploaded.digest,
        size: 8 * MIB,
      });
      const progress = leecher.eventsOf("progress");
      const steps = new Set(progress.map(({ bytesDone }) => bytesDone));
      expect(steps.size).toBeGreaterThanOrEqual(4);
      expect(progress.at(-1)).toMatchObject({ bytesDone: 8 * MIB, partsDone: uploaded.parts });
      const midway = progress.find(({ bytesDone }) => bytesDone > 0 && bytesDone < 8 * MIB);
      expect(midway).toMatchObject({ peers: 1, peersKnown: 1, etaSeconds: expect.any(Number) });
      expect(midway?.bytesPerSecond).toBeGreaterThan(0);
      const types = events.map(({ type }) => type);
      // Who is left when all is done may be told of in between.
      const last = types.filter((type) => type !== "peer").slice(-2);
      expect(last).toEqual(["downloaded", "summary"]);
      expect(types.at(-1)).toBe("summary");
      await seeder.kill("SIGTERM");
      expect((await seeder.summary(143)).result).toBe("terminated");
    },
    TEST_MS,
  );

  test(
    "peer download says on standard error, as text, why it waits",
    async () => {
      await using world = await World.create();
      const { seeder, torrentPath } = await world.seed({ bytes: 1000 });
      await seeder.kill("SIGINT");
      const leecher = world.raw(
        "leecher",
        ["download", torrentPath, world.target("leecher"), "--stall-timeout", "6s"],
        { env: { PEER_TRACKER: world.tracker.url, PEER_LOG_LEVEL: "info" } },
      );
      const { exitCode, stdout, stderr } = await leecher.ended();
      expect([exitCode, stdout]).toEqual([5, ""]);
      const [waiting, error] = stderr.trimEnd().split("\n");
      expect(waiting).toMatch(/^waiting: no peer is connected/);
      expect(error).toMatch(/^ERROR code=5 name=incomplete: .+; hint: run the same command again/);
    },
    TEST_MS,
  );

  test(
    "peer takes a flag before a variable, and a variable before the config",
    async () => {
      await using world = await World.create();
      const { file, torrentPath } = await world.seed({ bytes: 1000 });
      const config = world.at("config.json");
      await Bun.write(config, JSON.stringify({ "tracker.host": NOWHERE, "self.service": "mine" }));
      const args = ["upload", file, world.at("again.json"), "--no-serve", "--config", config];
      const ask = async (env: Record<string, string>, ...more: readonly string[]) =>
        (await world.raw("x", [...args, ...more], { env }).ended()).exitCode;
      expect(await ask({})).toBe(6);
      expect(await ask({ PEER_TRACKER: world.tracker.url })).toBe(0);
      expect(await ask({ PEER_TRACKER: NOWHERE })).toBe(6);
      expect(await ask({ PEER_TRACKER: NOWHERE }, "--tracker", world.tracker.url)).toBe(0);
      expect(existsSync(world.at("mine"))).toBe(false);
      // The torrent's own tracker is asked when none of them names one.
      const leecher = world.raw("y", ["download", torrentPath, world.target("y")]);
      expect((await leecher.ended()).exitCode).toBe(0);
    },
    TEST_MS,
  );
});

describe("peer at a terminal", () => {
  test(
    "peer download draws a bar whose percent grows, and reaches 100 only with the proof",
    async () => {
      await using world = await World.create();
      const { file, torrentPath } = await world.seed({ args: ["--limit-up", "4M"] });
      const target = world.target("leecher");
      const isThereAt100: boolean[] = [];
      await using leecher = new TerminalPeer({
        args: ["download", torrentPath, target, "--tracker", world.tracker.url],
        dataDir: world.dataDir("leecher"),
        cwd: world.directory.path,
        onShown: (text) => {
          if (text.includes("100 %")) isThereAt100.push(existsSync(target));
        },
      });
      await leecher.line(/ [1-9]\d? % .* MiB \/ 8\.0 MiB .* peers 1\/1$/);
      expect(await leecher.exited).toBe(0);
      expect(new Set(isThereAt100)).toEqual(new Set([true]));
      const percents = [...leecher.raw.matchAll(/(\d+) % /g)].map(([, percent]) => Number(percent));
      expect(new Set(percents).size).toBeGreaterThan(4);
      expect(percents).toEqual(percents.toSorted((left, right) => left - right));
      const bars = leecher.lines.filter((line) => /\[#*-*\] +\d+ %/.test(line));
      expect(bars.length).toBeGreaterThan(4);
      expect(bars.at(-1)).toMatch(/\[#+\] +100 % +8\.0 MiB \/ 8\.0 MiB/);
      for (const line of leecher.lines) expect(line.length).toBeLessThanOrEqual(119);
      expect(leecher.lines).toContain("SUCCESSFUL DOWNLOAD");
      expect(await hashOf(target)).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "peer download -q at a terminal draws no bar, and Ctrl-C ends it with 130",
    async () => {
      await using world = await World.create();
      const { torrentPath } = await world.seed({ args: ["--limit-up", "1M"] });
      await using leecher = new TerminalPeer({
        args: ["download", torrentPath, world.target("leecher"), "-q", "--log-level", "debug"],
        dataDir: world.dataDir("leecher"),
        cwd: world.directory.path,
        env: { PEER_TRACKER: world.tracker.url },
      });
      await leecher.line(/DEBUG A peer joined/);
      leecher.press("\x03");
      expect(await leecher.exited).toBe(130);
      expect(leecher.raw).not.toMatch(/\d %|\[#*-+\]/);
      expect(leecher.raw).not.toContain("SUCCESSFUL");
    },
    TEST_MS,
  );
});
