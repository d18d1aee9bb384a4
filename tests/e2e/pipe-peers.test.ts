import { describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { type Behaviour, startLiar } from "../support/liar.ts";
import { piped } from "../support/piped.ts";
import { MIB, type Seeded, World } from "../support/world.ts";

const TEST_MS = 120_000;
/** Where no tracker listens. */
const NOWHERE = "http://127.0.0.1:1";
/** The liar speaks without encryption only. */
const PLAIN = ["--transport", "plain"];

/** A world with a slow honest peer and a bad one. */
async function withLiar(
  run: (world: World, seeded: Seeded, liar: string) => Promise<void>,
  behaviour: Behaviour = "wrong-bytes",
): Promise<void> {
  await using world = await World.create();
  const seeded = await world.seed({ args: ["--limit-up", "4M", ...PLAIN] });
  const torrent = await world.readTorrent(seeded.torrentPath);
  await using liar = await startLiar(torrent, await readFile(seeded.file), behaviour);
  const { hash } = torrent;
  await world.announce({ hash, listening_host: "127.0.0.1", listening_port: liar.port, left: 0 });
  await run(world, seeded, liar.address);
  // A test of a peer that was never asked would show nothing.
  expect(liar.requests()).toBeGreaterThan(0);
}

describe("peer download into a pipe beside bad peers", () => {
  test(
    "SIM-1: peer download - lets not one wrong byte of a liar out, and goes on without him",
    async () => {
      await withLiar(async (world, { file, torrentPath }, liar) => {
        const { peer, bytes } = await piped(world, "pipe", torrentPath, PLAIN);
        expect(bytes.equals(await readFile(file))).toBe(true);
        const summary = await peer.summary();
        expect(summary.badParts).toBeGreaterThanOrEqual(1);
        expect(summary.bytesPerPeer[liar]).toBeUndefined();
      });
    },
    TEST_MS,
  );

  test(
    "SIM-1: peer download - that only has a liar to ask writes nothing and fails",
    async () => {
      await withLiar(async (world, { seeder, torrentPath }) => {
        await seeder.kill("SIGINT");
        const args = ["--stall-timeout", "3s", ...PLAIN];
        const { peer, bytes } = await piped(world, "pipe", torrentPath, args);
        expect(bytes.length).toBe(0);
        expect((await peer.summary(7)).badParts).toBeGreaterThanOrEqual(1);
        expect(peer.eventsOf("downloaded")).toEqual([]);
      });
    },
    TEST_MS,
  );

  test(
    "SIM-1: peer download - whose honest source dies beside a liar ends with a right beginning, and says that it is one",
    async () => {
      await withLiar(async (world, { seeder, file, torrentPath }) => {
        const args = ["--stall-timeout", "3s", ...PLAIN];
        const { peer, reader } = await world.pipe("pipe", torrentPath, args);
        const out: Buffer[] = [];
        const keep = (chunk: Uint8Array) => out.push(Buffer.from(chunk));
        await reader.take(MIB, keep);
        await seeder.kill("SIGKILL");
        await reader.take(Number.POSITIVE_INFINITY, keep);
        const bytes = Buffer.concat(out);
        expect((await peer.summary(5)).result).toBe("incomplete");
        const content = await readFile(file);
        expect(bytes.length).toBeGreaterThanOrEqual(MIB);
        expect(bytes.length).toBeLessThan(content.length);
        expect(bytes.equals(content.subarray(0, bytes.length))).toBe(true);
        expect(peer.eventsOf("downloaded")).toEqual([]);
        expect(peer.eventsOf("error")[0]?.hint).toContain("--offset");
        // And goes on there, once somebody is back.
        await world.serve("seeder", PLAIN);
        const rest = ["--offset", `${bytes.length}`, ...PLAIN];
        const { peer: again, bytes: after } = await piped(world, "again", torrentPath, rest);
        await again.summary();
        expect(Buffer.concat([bytes, after]).equals(content)).toBe(true);
      });
    },
    TEST_MS,
  );

  test(
    "SIM-4: peer download - is not held up by one who has the next part and sends it slowly, or not at all",
    async () => {
      for (const behaviour of ["slow", "silent"] as const) {
        await withLiar(async (world, { file, torrentPath }) => {
          const { peer, bytes } = await piped(world, "pipe", torrentPath, PLAIN);
          expect([behaviour, bytes.equals(await readFile(file))]).toEqual([behaviour, true]);
          // 2 s for the bytes, and some patience: the slow one would take 16 s for a single part, and has two at first.
          const { seconds } = await peer.summary();
          expect([behaviour, seconds < 20]).toEqual([behaviour, true]);
        }, behaviour);
      }
    },
    TEST_MS,
  );

  test(
    "peer download - offers nothing of what went through it; into a file it does",
    async () => {
      await using world = await World.create();
      const { torrentPath } = await world.seed({ args: ["--limit-up", "2M"] });
      const { peer: pipe, reader } = await world.pipe("pipe", torrentPath);
      await reader.take(MIB, () => undefined);
      const file = world.download("leecher", torrentPath);
      await file.reached(MIB);
      const ask = (name: string, port: number) =>
        world.download(name, torrentPath, {
          args: ["--tracker", NOWHERE, "--peer", `127.0.0.1:${port}`, "--stall-timeout", "20s"],
        });
      const [pipePort, filePort] = [await pipe.port(), await file.port()];
      const ofPipe = ask("of-pipe", pipePort);
      const ofFile = ask("of-file", filePort);
      // Both hear of the others from the one that they know, and get everything; from the pipe itself nothing.
      const { bytesPerPeer } = await ofPipe.summary();
      expect(ofPipe.eventsOf("peer")[0]?.address).toBe(`127.0.0.1:${pipePort}`);
      expect(Object.keys(bytesPerPeer)).not.toContain(`127.0.0.1:${pipePort}`);
      // Negative control.
      const control = await ofFile.summary();
      expect(Object.keys(control.bytesPerPeer)).toContain(`127.0.0.1:${filePort}`);
    },
    TEST_MS,
  );
});
