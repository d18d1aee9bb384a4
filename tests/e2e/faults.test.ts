import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { encodePreface } from "../../protocol/session.ts";
import { startCountingProxy } from "../support/counting-proxy.ts";
import { Random } from "../support/fixtures.ts";
import { type Behaviour, startLiar } from "../support/liar.ts";
import { hashOf, seededBytes } from "../support/temp.ts";
import { MIB, type Seeded, World } from "../support/world.ts";

const TEST_MS = 120_000;
/** Where no tracker listens. */
const NOWHERE = "http://127.0.0.1:1";
/** The liar speaks without encryption only. */
const PLAIN = ["--transport", "plain"];
const BYTES = 8 * MIB;

/** A world in which a file is served by an honest peer, slowly enough that others are asked too, and by a bad one. */
async function withLiar(
  behaviour: Behaviour,
  run: (world: World, seeded: Seeded, liar: string) => Promise<void>,
): Promise<void> {
  await using world = await World.create();
  const seeded = await world.seed({ bytes: BYTES, args: ["--limit-up", "4M", ...PLAIN] });
  const torrent = await world.readTorrent(seeded.torrentPath);
  await using liar = await startLiar(torrent, await readFile(seeded.file), behaviour);
  await announceLiar(world, torrent.hash, liar.port);
  await run(world, seeded, liar.address);
  // A test of a peer that was never asked would show nothing.
  expect(liar.requests()).toBeGreaterThan(0);
}

async function announceLiar(world: World, hash: string, port: number): Promise<void> {
  await world.announce({ hash, listening_host: "127.0.0.1", listening_port: port, left: 0 });
}

describe("peer download beside bad peers", () => {
  test(
    "SIM-1: peer download that only has a liar to ask publishes nothing and fails",
    async () => {
      await withLiar("wrong-bytes", async (world, { seeder, torrentPath }, liar) => {
        await seeder.kill("SIGINT");
        const args = ["--stall-timeout", "3s", ...PLAIN];
        const leecher = world.download("leecher", torrentPath, { args });
        const summary = await leecher.summary(7);
        expect(summary).toMatchObject({ result: "integrity", bytes: 0 });
        expect(summary.badParts).toBeGreaterThanOrEqual(1);
        expect(leecher.eventsOf("downloaded")).toEqual([]);
        expect(leecher.eventsOf("peer")).toContainEqual(
          expect.objectContaining({ event: "banned", address: liar }),
        );
        const { stdout, stderr, exitCode } = await world
          .raw("plain", ["download", torrentPath, world.target("plain"), ...args], {
            env: { PEER_TRACKER: world.tracker.url },
          })
          .ended();
        expect({ exitCode, stdout }).toEqual({ exitCode: 7, stdout: "" });
        expect(stderr).toMatch(/^ERROR code=7 name=integrity: .+; hint: .+$/m);
        for (const name of ["leecher", "plain"]) {
          expect(existsSync(`${world.target(name)}.part`)).toBe(true);
          expect(existsSync(world.target(name))).toBe(false);
        }
      });
    },
    TEST_MS,
  );

  test(
    "SIM-1: peer download bans a liar and completes from an honest peer",
    async () => {
      await withLiar("wrong-bytes", async (world, { seeder, file, torrentPath }, liar) => {
        const leecher = world.download("leecher", torrentPath, { args: PLAIN });
        const summary = await leecher.summary();
        const honest = `127.0.0.1:${await seeder.port()}`;
        expect(summary.badParts).toBeGreaterThanOrEqual(1);
        expect(summary.bytesPerPeer).toEqual({ [honest]: BYTES });
        const banned = leecher.eventsOf("peer").filter(({ event }) => event === "banned");
        expect(banned.map(({ address }) => address)).toEqual([liar]);
        expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
      });
    },
    TEST_MS,
  );

  test(
    "SIM-4: peer download is not held up by a peer that greets and then falls silent",
    async () => {
      await withLiar("silent", async (world, { file, torrentPath }, liar) => {
        const leecher = world.download("leecher", torrentPath, { args: PLAIN });
        const { bytesPerPeer, seconds } = await leecher.summary();
        expect(bytesPerPeer[liar]).toBeUndefined();
        expect(Object.values(bytesPerPeer)).toEqual([BYTES]);
        // 2 s for the bytes, and the patience with the silent one: far below its deadline of 30 s.
        expect(seconds).toBeLessThan(20);
        expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
      });
    },
    TEST_MS,
  );

  test(
    "SIM-4: peer download is not held up by a slow peer",
    async () => {
      await withLiar("slow", async (world, { seeder, file, torrentPath }) => {
        const { bytesPerPeer, seconds } = await world
          .download("leecher", torrentPath, { args: PLAIN })
          .summary();
        // Alone the slow one would need eight minutes, and 16 s for a single part.
        expect(bytesPerPeer[`127.0.0.1:${await seeder.port()}`]).toBeGreaterThan(BYTES / 2);
        expect(seconds).toBeLessThan(20);
        expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
      });
    },
    TEST_MS,
  );

  test(
    "SIM-5: peer download with a peer that refuses all it promised ends incomplete, and says what was answered",
    async () => {
      await withLiar("refuses", async (world, { seeder, torrentPath }, liar) => {
        await seeder.kill("SIGINT");
        const leecher = world.download("leecher", torrentPath, {
          args: ["--stall-timeout", "7s", ...PLAIN],
        });
        const waiting = await leecher.event("waiting");
        expect(waiting.reason).toBe("no_holder");
        expect(await leecher.summary(5)).toMatchObject({ result: "incomplete", bytes: 0 });
        expect(leecher.eventsOf("peer")).toContainEqual(
          expect.objectContaining({ event: "joined", address: liar }),
        );
        expect(existsSync(`${world.target("leecher")}.part`)).toBe(true);
      });
    },
    TEST_MS,
  );
});

describe("peer that serves, and strangers", () => {
  test(
    "CRY-1: peer upload gives nothing to one that knows the swarm's hash and not its torrent",
    async () => {
      await using world = await World.create();
      const { seeder, file, torrentPath, uploaded } = await world.seed();
      await using proxy = await startCountingProxy(await seeder.port());
      const text = await readFile(torrentPath, "utf8");
      const digit = /"Parts":\s*\[\s*"([0-9a-f])/.exec(text);
      const altered = text.replace(
        /("Parts":\s*\[\s*")[0-9a-f]/,
        `$1${digit?.[1] === "0" ? 1 : 0}`,
      );
      const strange = world.at("strange.json");
      await writeFile(strange, altered);
      const route = ["--tracker", NOWHERE, "--peer", `127.0.0.1:${proxy.port}`];
      const stranger = world.download("stranger", strange, {
        args: [...route, "--stall-timeout", "3s"],
      });
      expect(await stranger.summary(5)).toMatchObject({ bytes: 0, bytesPerPeer: {} });
      expect((await world.readTorrent(strange)).hash as string).toBe(uploaded.hash);
      // Preface, the handshake of TLS, hello and a proof; some connections may be tried.
      expect(proxy.bytesSent()).toBeGreaterThan(0);
      expect(proxy.bytesSent()).toBeLessThan(16 * 1024);
      expect(stranger.eventsOf("peer")).toEqual([]);
      await world.download("member", torrentPath, { args: route }).summary();
      expect(await hashOf(world.target("member"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "FUZZ-2: peer upload goes on serving while hundreds of callers send garbage",
    async () => {
      await using world = await World.create();
      const bytes = 12 * MIB;
      const { seeder, file, torrentPath } = await world.seed({ bytes, args: ["--limit-up", "4M"] });
      const leecher = world.download("leecher", torrentPath);
      await leecher.event("peer", ({ event }) => event === "joined");
      const port = await seeder.port();
      const random = new Random(7);
      for (let round = 0; round < 20; round++) {
        const calls = Array.from({ length: 16 }, () => {
          const garbage = seededBytes(random.below(1e9), 1 + random.below(4000));
          return callWith(port, garbage, random.pick(OPENINGS));
        });
        await Promise.all(calls);
      }
      expect(leecher.isRunning).toBe(true);
      expect(await leecher.summary()).toMatchObject({ bytes, badParts: 0 });
      expect(leecher.eventsOf("peer").filter(({ event }) => event === "left")).toHaveLength(1);
      await world.download("late", torrentPath).summary();
      expect(seeder.isRunning).toBe(true);
      expect(seeder.stderr).not.toMatch(/ERROR|WARN/);
      for (const name of ["leecher", "late"]) {
        expect(await hashOf(world.target(name))).toBe(await hashOf(file));
      }
    },
    TEST_MS,
  );
});

/** What comes before the garbage: nothing, or a preface; at once, or when it was answered, which leads into TLS. */
const OPENINGS = [
  { preface: new Uint8Array(0), waits: false },
  { preface: encodePreface("plain"), waits: false },
  { preface: encodePreface("tls"), waits: false },
  { preface: encodePreface("tls"), waits: true },
] as const;

/** Sends bytes to a port and waits until the other side hangs up. */
async function callWith(
  port: number,
  bytes: Uint8Array,
  { preface, waits }: (typeof OPENINGS)[number],
): Promise<void> {
  await new Promise<void>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      if (waits) socket.write(preface);
      else socket.end(Buffer.concat([preface, bytes]));
    });
    socket.on("error", () => undefined);
    socket.on("data", () => {
      if (waits && !socket.writableEnded) socket.end(bytes);
    });
    socket.on("close", () => resolve());
  });
}
