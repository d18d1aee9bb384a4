import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { HAS_BLAKE3 } from "../support/blake3.ts";
import { type Behaviour, startLiar } from "../support/liar.ts";
import { rightBytes, untilWritten } from "../support/part-file.ts";
import { hashOf } from "../support/temp.ts";
import { MIB, type Seeded, World } from "../support/world.ts";

/** Files whose parts are hashed with BLAKE3, through the real command line. What is right is told by the plain BLAKE3 of
 * tests/support, not by the peer's own. */

const TEST_MS = 60_000;
/** Where no tracker listens. */
const NOWHERE = "http://127.0.0.1:1";
/** The liar speaks without encryption only. */
const PLAIN = ["--transport", "plain"];
const BLAKE3 = ["--hash", "blake3", "--part-size"];

const SIZES = [
  ["256", 2 * MIB + 77],
  ["1M", 9 * MIB + 77],
] as const;

describe.skipIf(!HAS_BLAKE3)("peer with BLAKE3", () => {
  test.each([...SIZES])(
    "peer upload --hash blake3 and download move a file in parts of %s, and whoever has it serves it later",
    async (partSize, bytes) => {
      await using world = await World.create();
      const { seeder, file, torrentPath } = await world.seed({
        bytes,
        args: [...BLAKE3, partSize],
      });
      const { FileInfo } = JSON.parse(await readFile(torrentPath, "utf8"));
      expect(FileInfo).toMatchObject({ Algorithm: "blake3", Size: bytes });
      expect(await rightBytes(await world.readTorrent(torrentPath), file)).toBe(bytes);

      await world.copyTo("first", torrentPath);
      expect(await hashOf(world.target("first"))).toBe(await hashOf(file));
      await seeder.kill("SIGINT");
      await world.serve("first");
      const second = await world.download("second", torrentPath).summary();
      expect(second).toMatchObject({ bytes, badParts: 0 });
      expect(await hashOf(world.target("second"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test.each([...SIZES])(
    "peer verify finds one wrong byte of a file in parts of %s, and inspect names the algorithm",
    async (partSize, bytes) => {
      await using world = await World.create();
      const { file, torrentPath } = await world.seed({ bytes, args: [...BLAKE3, partSize] });
      const inspected = world.peer("other", ["inspect", torrentPath]);
      expect((await inspected.event("inspected")).algorithm).toBe("blake3");
      await world.peer("other", ["verify", torrentPath, file]).summary(0);

      const content = await readFile(file);
      content[bytes - 1] = (content[bytes - 1] ?? 0) ^ 1;
      const wrong = world.at("wrong.bin");
      await writeFile(wrong, content);
      const verifying = world.peer("other", ["verify", torrentPath, wrong]);
      await verifying.summary(7);
      const [verified] = verifying.eventsOf("verified");
      const { geometry } = await world.readTorrent(torrentPath);
      expect(verified?.badParts).toEqual([{ first: geometry.partCount - 1, count: 1 }]);
    },
    TEST_MS,
  );

  test.each(["256", "1M"] as const)(
    "RES-5: peer download killed with -9 fetches no part of %s again that it had",
    async (partSize) => {
      await using world = await World.create();
      const bytes = 8 * MIB;
      const args = [...BLAKE3, partSize, "--limit-up", "4M"];
      const { file, torrentPath } = await world.seed({ bytes, args });
      const part = `${world.target("leecher")}.part`;
      const leecher = world.download("leecher", torrentPath);
      await untilWritten(part, bytes / 2);
      await leecher.kill("SIGKILL");
      const standing = await rightBytes(await world.readTorrent(torrentPath), part);
      expect(standing).toBeGreaterThan(0);
      expect(standing).toBeLessThan(bytes);
      const summary = await world.download("leecher", torrentPath).summary();
      expect(summary).toMatchObject({ resumedBytes: standing, bytes: bytes - standing });
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test.each([...SIZES])(
    "SIM-1: peer download of parts of %s bans a liar, publishes nothing of its, and completes from an honest peer",
    async (partSize, bytes) => {
      await withLiar("wrong-bytes", partSize, bytes, async (world, { seeder, ...seeded }, liar) => {
        const alone = world.download("alone", seeded.torrentPath, {
          args: [...PLAIN, "--stall-timeout", "2s", "--tracker", NOWHERE, "--peer", liar],
        });
        expect(await alone.summary(7)).toMatchObject({ result: "integrity", bytes: 0 });
        expect(alone.eventsOf("peer")).toContainEqual(
          expect.objectContaining({ event: "banned", address: liar }),
        );
        expect(existsSync(world.target("alone"))).toBe(false);

        const honest = `127.0.0.1:${await seeder.port()}`;
        const both = world.download("both", seeded.torrentPath, {
          args: [...PLAIN, "--tracker", NOWHERE, "--peer", liar, "--peer", honest],
        });
        expect((await both.summary()).bytesPerPeer).toEqual({ [honest]: bytes });
        expect(await hashOf(world.target("both"))).toBe(await hashOf(seeded.file));
      });
    },
    TEST_MS,
  );

  test(
    "SIM-1: peer download takes the same peer's bytes when they are right, so that the test above can fail",
    async () => {
      const bytes = 20_000;
      await withLiar("slow", "256", bytes, async (world, { file, torrentPath }, liar) => {
        const leecher = world.download("leecher", torrentPath, {
          args: [...PLAIN, "--tracker", NOWHERE, "--peer", liar],
        });
        expect((await leecher.summary()).bytesPerPeer).toEqual({ [liar]: bytes });
        expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
      });
    },
    TEST_MS,
  );

  test(
    "TOR-5: peer download with a torrent that has the same digests as SHA-256 gets nothing of the swarm",
    async () => {
      await using world = await World.create();
      const { seeder, file, torrentPath } = await world.seed({
        bytes: 100_000,
        args: [...BLAKE3, "256"],
      });
      const route = ["--tracker", NOWHERE, "--peer", `127.0.0.1:${await seeder.port()}`];
      const text = await readFile(torrentPath, "utf8");
      const swapped = world.at("swapped.json");
      await writeFile(swapped, text.replace(',"Algorithm":"blake3"', ""));
      expect((await world.readTorrent(swapped)).algorithm).toBe("sha256");
      const stranger = world.download("stranger", swapped, {
        args: [...route, "--stall-timeout", "2s"],
      });
      expect(await stranger.summary(5)).toMatchObject({ bytes: 0, bytesPerPeer: {} });
      await world.download("member", torrentPath, { args: route }).summary();
      expect(await hashOf(world.target("member"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );
});

/** A world in which a file is served by an honest peer and by a bad one. */
async function withLiar(
  behaviour: Behaviour,
  partSize: string,
  bytes: number,
  run: (world: World, seeded: Seeded, liar: string) => Promise<void>,
): Promise<void> {
  await using world = await World.create();
  const seeded = await world.seed({ bytes, args: [...BLAKE3, partSize, ...PLAIN] });
  const torrent = await world.readTorrent(seeded.torrentPath);
  await using liar = await startLiar(torrent, await readFile(seeded.file), behaviour);
  await run(world, seeded, liar.address);
  // A test of a peer that was never asked would show nothing.
  expect(liar.requests()).toBeGreaterThan(0);
}
