import { describe, expect, test } from "bun:test";
import { hashOf } from "../support/temp.ts";
import { waitUntil } from "../support/wait.ts";
import { MIB, World } from "../support/world.ts";

const TEST_MS = 90_000;
/** Where no tracker listens. */
const NOWHERE = "http://127.0.0.1:1";

describe("peer and its tracker", () => {
  test(
    "peer download completes though the tracker is killed midway, and later announces work again",
    async () => {
      await using world = await World.create();
      const bytes = 16 * MIB;
      const { file, torrentPath, uploaded } = await world.seed({
        bytes,
        args: ["--limit-up", "4M"],
      });
      const leecher = world.download("leecher", torrentPath, { args: ["--serve"] });
      await leecher.reached(bytes / 8);
      await world.killTracker();
      await leecher.reached(bytes / 2);
      await world.restartTracker();
      await leecher.event("downloaded");
      const address = `127.0.0.1:${await leecher.port()}`;
      await waitUntil(
        async () => (await world.peersAt(uploaded.hash)).includes(address),
        "the leecher at the tracker",
      );
      await world.download("late", torrentPath).summary();
      for (const name of ["leecher", "late"]) {
        expect(await hashOf(world.target(name))).toBe(await hashOf(file));
      }
    },
    TEST_MS,
  );

  test(
    "TRK-2: peer download tells the tracker whom it reached, and nobody is verified before",
    async () => {
      await using world = await World.create();
      const { seeder, torrentPath, uploaded } = await world.seed({ args: ["--limit-up", "1M"] });
      const address = `127.0.0.1:${await seeder.port()}`;
      const nobody = { host: "127.0.0.1", port: 9 };
      const { hash } = uploaded;
      await world.announce({ hash, listening_host: nobody.host, listening_port: nobody.port });
      expect(await world.verifiedAt(hash)).toEqual([]);
      const leecher = world.download("leecher", torrentPath);
      await waitUntil(
        async () => (await world.verifiedAt(hash)).includes(address),
        "the seeder to be verified at the tracker",
      );
      expect(await world.verifiedAt(hash)).toEqual([address]);
      await leecher.kill("SIGINT");
    },
    TEST_MS,
  );

  test(
    "peer serve after kill -9 registers its torrents at a tracker that has lost its database",
    async () => {
      await using world = await World.create();
      const { seeder, file, torrentPath, uploaded } = await world.seed();
      await seeder.kill("SIGKILL");
      await world.killTracker();
      await world.restartTracker({ dataHome: world.at("tracker-2") });
      const { port, torrents } = await world.serve("seeder");
      expect(torrents).toBe(1);
      await waitUntil(
        async () => (await world.peersAt(uploaded.hash)).includes(`127.0.0.1:${port}`),
        "the seeder at the new tracker",
      );
      const { bytesPerPeer } = await world.download("leecher", torrentPath).summary();
      expect(bytesPerPeer).toEqual({ [`127.0.0.1:${port}`]: 8 * MIB });
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "peer upload announces that it stopped on Ctrl-C and on SIGTERM",
    async () => {
      await using world = await World.create();
      for (const [signal, code] of [
        ["SIGINT", 130],
        ["SIGTERM", 143],
      ] as const) {
        const { seeder, uploaded } = await world.seed({ name: signal, peer: signal, bytes: 1000 });
        const address = `127.0.0.1:${await seeder.port()}`;
        await waitUntil(
          async () => (await world.peersAt(uploaded.hash)).includes(address),
          "the seeder at the tracker",
        );
        await seeder.kill(signal);
        expect((await seeder.summary(code)).exitCode).toBe(code);
        expect(await world.peersAt(uploaded.hash)).toEqual([]);
      }
    },
    TEST_MS,
  );

  test(
    "peer upload announces that it stopped to a tracker that was told and has not answered yet",
    async () => {
      await using world = await World.create();
      const events: unknown[] = [];
      await using slow = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: async (request) => {
          if (request.url.endsWith("/ready")) return new Response("I am ready");
          if (request.url.endsWith("/hash")) return Response.json({ hash: crypto.randomUUID() });
          const { event } = JSON.parse(await request.text());
          events.push(event);
          return event === "started"
            ? await new Promise<Response>(() => undefined)
            : Response.json({ peers: [] });
        },
      });
      const url = `http://127.0.0.1:${slow.port}`;
      const { seeder } = await world.seed({ bytes: 10, args: ["--tracker", url] });
      await waitUntil(() => events.includes("started"), "the announce");
      await seeder.kill("SIGINT");
      await seeder.summary(130);
      expect(events).toEqual(["started", "stopped"]);
    },
    TEST_MS,
  );

  test(
    "peer upload --announce HOST:PORT is what the tracker hands out",
    async () => {
      await using world = await World.create();
      const { uploaded } = await world.seed({ bytes: 10, args: ["--announce", "127.0.0.1:4242"] });
      await waitUntil(
        async () => (await world.peersAt(uploaded.hash)).join() === "127.0.0.1:4242",
        "the announced address",
      );
    },
    TEST_MS,
  );

  test(
    "peer download --peer HOST:PORT needs no tracker",
    async () => {
      await using world = await World.create();
      const { seeder, file, torrentPath } = await world.seed();
      await world.killTracker();
      const address = `127.0.0.1:${await seeder.port()}`;
      const leecher = world.download("leecher", torrentPath, {
        args: ["--tracker", NOWHERE, "--peer", address],
      });
      expect((await leecher.summary()).bytesPerPeer).toEqual({ [address]: 8 * MIB });
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "peer --limit-down and --limit-up hold",
    async () => {
      await using world = await World.create();
      const limited = await world.seed({ name: "up", peer: "up", args: ["--limit-up", "4M"] });
      const free = await world.seed({ name: "down", peer: "down" });
      const [up, down] = await Promise.all([
        world.download("one", limited.torrentPath).summary(),
        world.download("two", free.torrentPath, { args: ["--limit-down", "4M"] }).summary(),
      ]);
      // 8 MiB at 4 MiB/s, some of which may be saved up when it begins.
      for (const { seconds } of [up, down]) {
        expect(seconds).toBeGreaterThanOrEqual(1.6);
        expect(seconds).toBeLessThan(20);
      }
    },
    TEST_MS,
  );
});
