import { describe, expect, test } from "bun:test";
import { hashOf } from "../support/temp.ts";
import { MIB, World } from "../support/world.ts";

const TEST_MS = 90_000;

describe("peer download from several", () => {
  test(
    "peer download gets a file from one peer, and its summary says from whom",
    async () => {
      await using world = await World.create();
      const { seeder, file, torrentPath } = await world.seed({ bytes: 32 * MIB });
      const summary = await world.download("leecher", torrentPath).summary();
      expect(summary).toMatchObject({
        result: "ok",
        bytes: 32 * MIB,
        bytesPerPeer: { [await addressOf(seeder)]: 32 * MIB },
        badParts: 0,
        duplicateBytes: 0,
        resumedBytes: 0,
      });
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "peer download takes from two seeders at once",
    async () => {
      await using world = await World.create();
      const limit = ["--limit-up", "8M"];
      const { seeder, file, torrentPath } = await world.seed({ bytes: 24 * MIB, args: limit });
      await world.copyTo("second", torrentPath);
      const second = await world.serve("second", limit);
      const { bytesPerPeer } = await world.download("leecher", torrentPath).summary();
      const addresses = [await addressOf(seeder), `127.0.0.1:${second.port}`];
      expect(Object.keys(bytesPerPeer).sort()).toEqual(addresses.sort());
      // Of two equal sources each carries a good part of the file.
      for (const bytes of Object.values(bytesPerPeer)) expect(bytes).toBeGreaterThan(4 * MIB);
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "peer download by four at once makes the leechers serve each other",
    async () => {
      await using world = await World.create();
      const bytes = 24 * MIB;
      const { seeder, file, torrentPath } = await world.seed({ bytes, args: ["--limit-up", "8M"] });
      const names = ["one", "two", "three", "four"];
      const leechers = names.map((name) =>
        world.download(name, torrentPath, { args: ["--serve"] }),
      );
      for (const leecher of leechers) await leecher.event("downloaded");
      const own = await Promise.all(leechers.map(addressOf));
      const source = await addressOf(seeder);
      let fromSeeder = 0;
      for (const [at, leecher] of leechers.entries()) {
        await leecher.kill("SIGINT");
        const { bytesPerPeer } = await leecher.summary(130);
        const others = Object.keys(bytesPerPeer).filter((peer) => peer !== source);
        expect(others.length).toBeGreaterThan(0);
        for (const other of others) expect(own).toContain(other);
        expect(others).not.toContain(own[at]);
        fromSeeder += bytesPerPeer[source] ?? 0;
      }
      // Four files came, for little more than one that the seeder sent.
      expect(fromSeeder).toBeGreaterThanOrEqual(bytes);
      expect(fromSeeder).toBeLessThan(2.5 * bytes);
      const expected = await hashOf(file);
      for (const name of names) expect(await hashOf(world.target(name))).toBe(expected);
    },
    TEST_MS,
  );

  test(
    "peer download completes when one of two sources is killed midway",
    async () => {
      await using world = await World.create();
      const bytes = 16 * MIB;
      const limit = ["--limit-up", "4M"];
      const { seeder, file, torrentPath } = await world.seed({ bytes, args: limit });
      await world.copyTo("second", torrentPath);
      const second = await world.serve("second", limit);
      const leecher = world.download("leecher", torrentPath);
      await leecher.event("progress", (event) => event.peers === 2);
      await leecher.reached(bytes / 4);
      await second.peer.kill("SIGKILL");
      const { bytesPerPeer } = await leecher.summary();
      expect(leecher.eventsOf("peer")).toContainEqual(
        expect.objectContaining({ event: "left", address: `127.0.0.1:${second.port}` }),
      );
      expect(bytesPerPeer[await addressOf(seeder)]).toBeGreaterThan(bytes / 2);
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "peer download uses a source that joins midway within seconds",
    async () => {
      await using world = await World.create();
      const bytes = 16 * MIB;
      const { seeder, file, torrentPath } = await world.seed({
        bytes,
        args: ["--part-size", "64K"],
      });
      await world.copyTo("fast", torrentPath);
      await seeder.kill("SIGINT");
      await world.serve("seeder", ["--limit-up", "64K"]);
      const leecher = world.download("leecher", torrentPath);
      await leecher.reached(1);
      const before = leecher.bytesDone;
      const fast = await world.serve("fast");
      // Within one interval of 3 s, and what a busy machine needs on top. The slow one gives 64 KiB a second.
      await leecher.waitFor(() => leecher.bytesDone > before + 2 * MIB, "fast bytes", 6000);
      const { bytesPerPeer } = await leecher.summary();
      expect(bytesPerPeer[`127.0.0.1:${fast.port}`]).toBeGreaterThan(bytes / 2);
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "peer download waits for a source that starts after it, and says so after 5 s",
    async () => {
      await using world = await World.create();
      const { seeder, file, torrentPath } = await world.seed();
      await seeder.kill("SIGINT");
      const leecher = world.download("leecher", torrentPath);
      const waiting = await leecher.event("waiting");
      expect(waiting).toMatchObject({ reason: "no_peers" });
      expect(leecher.bytesDone).toBe(0);
      const { port } = await world.serve("seeder");
      const { bytesPerPeer, seconds } = await leecher.summary();
      expect(seconds).toBeGreaterThanOrEqual(5);
      expect(bytesPerPeer).toEqual({ [`127.0.0.1:${port}`]: 8 * MIB });
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "peer download with --max-peers 1 has one connection at a time, and completes",
    async () => {
      await using world = await World.create();
      const { torrentPath, file } = await world.seed();
      await world.copyTo("second", torrentPath);
      await world.serve("second");
      const leecher = world.download("leecher", torrentPath, { args: ["--max-peers", "1"] });
      const { bytesPerPeer } = await leecher.summary();
      expect(Object.keys(bytesPerPeer)).toHaveLength(1);
      for (const { peers } of leecher.eventsOf("progress")) expect(peers).toBeLessThanOrEqual(1);
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );
});

async function addressOf(peer: { port(): Promise<number> }): Promise<string> {
  return `127.0.0.1:${await peer.port()}`;
}
