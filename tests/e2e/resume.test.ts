import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { startCountingProxy } from "../support/counting-proxy.ts";
import { rightBytes, untilWritten } from "../support/part-file.ts";
import { hashOf } from "../support/temp.ts";
import { MIB, World } from "../support/world.ts";

const TEST_MS = 120_000;
/** Where no tracker listens. */
const NOWHERE = "http://127.0.0.1:1";

describe("peer download resumes", () => {
  test(
    "RES-5: peer download killed with -9 at ten moments fetches no part again whose write had returned",
    async () => {
      await using world = await World.create();
      const bytes = 40 * MIB;
      const { seeder, file, torrentPath } = await world.seed({
        bytes,
        args: ["--limit-up", "16M"],
      });
      const torrent = await world.readTorrent(torrentPath);
      await using proxy = await startCountingProxy(await seeder.port());
      const args = ["--tracker", NOWHERE, "--peer", `127.0.0.1:${proxy.port}`];
      const start = () => world.download("leecher", torrentPath, { args });
      const target = world.target("leecher");
      let standing = 0;
      for (let moment = 0; moment < 10; moment++) {
        await using leecher = start();
        // All that stood in the work file is had again before a byte is asked for.
        expect((await leecher.event("progress")).bytesDone).toBe(standing);
        await untilWritten(`${target}.part`, (moment / 10) * bytes);
        await leecher.kill("SIGKILL");
        standing = await rightBytes(torrent, `${target}.part`);
        expect(standing).toBeGreaterThanOrEqual(leecher.bytesDone);
        expect(existsSync(target)).toBe(false);
      }
      expect(standing).toBeGreaterThan(bytes / 2);
      const summary = await start().summary();
      expect(summary).toMatchObject({ resumedBytes: standing, bytes: bytes - standing });
      expect(await hashOf(target)).toBe(await hashOf(file));
      expect(existsSync(`${target}.part`)).toBe(false);
      // What really went over the wire: the file once, and what was under way at each kill.
      expect(proxy.bytesSent()).toBeGreaterThanOrEqual(bytes);
      expect(proxy.bytesSent()).toBeLessThan(bytes + 10 * UNDER_WAY_BYTES_MAX);
    },
    TEST_MS,
  );

  test(
    "RES-5: peer download begins anew when its work file is gone, so that the test above can fail",
    async () => {
      await using world = await World.create();
      const bytes = 16 * MIB;
      const { torrentPath } = await world.seed({ bytes, args: ["--limit-up", "8M"] });
      const leecher = world.download("leecher", torrentPath);
      const part = `${world.target("leecher")}.part`;
      await untilWritten(part, bytes / 4);
      await leecher.kill("SIGKILL");
      expect(await rightBytes(await world.readTorrent(torrentPath), part)).toBeGreaterThan(0);
      await rm(part);
      const again = world.download("leecher", torrentPath);
      expect((await again.event("progress")).bytesDone).toBe(0);
      expect(await again.summary()).toMatchObject({ bytes, resumedBytes: 0 });
    },
    TEST_MS,
  );

  test(
    "peer download stopped by SIGINT or SIGTERM ends with 130 or 143 and goes on later",
    async () => {
      await using world = await World.create();
      const bytes = 16 * MIB;
      const { file, torrentPath } = await world.seed({ bytes, args: ["--limit-up", "8M"] });
      const torrent = await world.readTorrent(torrentPath);
      const part = `${world.target("leecher")}.part`;
      const stops = [
        ["SIGINT", 130, "interrupted"],
        ["SIGTERM", 143, "terminated"],
      ] as const;
      let standing = 0;
      for (const [signal, exitCode, result] of stops) {
        const leecher = world.download("leecher", torrentPath);
        await untilWritten(part, standing + bytes / 4);
        await leecher.kill(signal);
        const summary = await leecher.summary(exitCode);
        expect(summary).toMatchObject({ result, exitCode, resumedBytes: standing });
        expect(summary.bytes).toBeGreaterThan(0);
        expect(leecher.eventsOf("error")).toEqual([]);
        expect(existsSync(world.target("leecher"))).toBe(false);
        standing = await rightBytes(torrent, part);
      }
      const summary = await world.download("leecher", torrentPath).summary();
      expect(summary).toMatchObject({ resumedBytes: standing, bytes: bytes - standing });
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "peer download does not believe a work file that was changed between two runs",
    async () => {
      await using world = await World.create();
      const bytes = 16 * MIB;
      const { file, torrentPath } = await world.seed({ bytes, args: ["--limit-up", "8M"] });
      const torrent = await world.readTorrent(torrentPath);
      const part = `${world.target("leecher")}.part`;
      const leecher = world.download("leecher", torrentPath);
      await untilWritten(part, bytes / 2);
      await leecher.kill("SIGINT");
      const before = await rightBytes(torrent, part);
      await overwrite(part, Buffer.alloc(bytes / 2), bytes / 4);
      const standing = await rightBytes(torrent, part);
      expect(standing).toBeLessThan(before);
      const summary = await world.download("leecher", torrentPath).summary();
      expect(summary).toMatchObject({ resumedBytes: standing, bytes: bytes - standing });
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "peer download goes on by itself when its only source is killed and comes back",
    async () => {
      await using world = await World.create();
      const bytes = 16 * MIB;
      const { seeder, file, torrentPath } = await world.seed({ bytes, args: ["--limit-up", "8M"] });
      const leecher = world.download("leecher", torrentPath);
      await untilWritten(`${world.target("leecher")}.part`, bytes / 4);
      await seeder.kill("SIGKILL");
      await leecher.event("peer", ({ event }) => event === "left");
      expect(leecher.isRunning).toBe(true);
      await world.serve("seeder");
      expect(await leecher.summary()).toMatchObject({ bytes, resumedBytes: 0 });
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );
});

/** What can be on the way to a peer when it is killed: what the kernel holds for it, and what it had not written. */
const UNDER_WAY_BYTES_MAX = 6 * MIB;

async function overwrite(path: string, bytes: Uint8Array, offset: number): Promise<void> {
  const file = await open(path, "r+");
  await file.write(bytes, 0, bytes.length, offset);
  await file.close();
}
