import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { PeerProcess } from "../support/peer-process.ts";
import { hashOf } from "../support/temp.ts";
import { MIB, World } from "../support/world.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(300_000);

/** Fifty processes that start at once share what cores there are: far above what a busy machine needs for that. */
const TOGETHER_MS_MAX = 200_000;

async function addressOf(peer: PeerProcess): Promise<string> {
  return `127.0.0.1:${await peer.port()}`;
}

/** Starts so many downloads that go on serving, and waits until all have the file.
 * @returns for each the bytes by the address they came from */
async function downloadTogether(
  world: World,
  torrentPath: string,
  argsOf: readonly (readonly string[])[],
): Promise<readonly Readonly<Record<string, number>>[]> {
  const names = argsOf.map((_, at) => `leecher-${at}`);
  const leechers = names.map((name, at) =>
    world.download(name, torrentPath, { args: ["--serve", ...(argsOf[at] ?? [])] }),
  );
  const beganMs = performance.now();
  for (const leecher of leechers) await leecher.event("downloaded", () => true, TOGETHER_MS_MAX);
  const seconds = (performance.now() - beganMs) / 1000;
  process.stdout.write(
    `all ${leechers.length} had it ${seconds.toFixed(1)} s after they were started\n`,
  );
  const came: Readonly<Record<string, number>>[] = [];
  for (const leecher of leechers) {
    await leecher.kill("SIGINT");
    came.push((await leecher.summary(130)).bytesPerPeer);
  }
  return came;
}

async function expectSame(world: World, file: string, count: number): Promise<void> {
  const expected = await hashOf(file);
  for (let at = 0; at < count; at++)
    expect(await hashOf(world.target(`leecher-${at}`))).toBe(expected);
}

function sumOf(came: readonly Readonly<Record<string, number>>[], address: string): number {
  return came.reduce((sum, bytes) => sum + (bytes[address] ?? 0), 0);
}

describe("peers in a swarm", () => {
  test("peer upload with little to give sends hardly more than one copy to four", async () => {
    await using world = await World.create();
    const bytes = 64 * MIB;
    const { seeder, file, torrentPath } = await world.seed({ bytes, args: ["--limit-up", "20M"] });
    const came = await downloadTogether(world, torrentPath, [[], [], [], []]);
    const copies = sumOf(came, await addressOf(seeder)) / bytes;
    process.stdout.write(`the seeder sent ${copies.toFixed(2)} copies to four, one takes 3.2 s\n`);
    expect(copies).toBeGreaterThanOrEqual(1);
    expect(copies).toBeLessThan(1.6);
    await expectSame(world, file, 4);
  });

  test("peer download leaves a hopeless source for a good one that comes later", async () => {
    await using world = await World.create();
    const bytes = 32 * MIB;
    const { seeder, file, torrentPath } = await world.seed({ bytes, peer: "slow" });
    await world.copyTo("good", torrentPath);
    await seeder.kill("SIGINT");
    const slow = await world.serve("slow", ["--limit-up", "64K"]);
    const leecher = world.download("leecher-0", torrentPath);
    await leecher.reached(1);
    const good = await world.serve("good");
    const { bytesPerPeer } = await leecher.summary();
    const [fromSlow = 0, fromGood = 0] = [slow, good].map(
      ({ port }) => bytesPerPeer[`127.0.0.1:${port}`],
    );
    process.stdout.write(`${fromSlow} bytes of the slow one, ${fromGood} of the other\n`);
    expect(fromSlow).toBeGreaterThan(0);
    expect(fromGood).toBeGreaterThan(0.9 * bytes);
    await expectSame(world, file, 1);
  });

  test("peers that nobody can call are served, and serve over the connections they opened", async () => {
    await using world = await World.create();
    const bytes = 24 * MIB;
    const { file, torrentPath } = await world.seed({ bytes, args: ["--limit-up", "8M"] });
    // They listen at the other loopback address only, and say an address where nobody answers.
    const hidden = [1, 2, 3].map((port) => `127.0.0.1:${port}`);
    const hiddenArgs = hidden.map((address) => ["--listen", "[::1]:0", "--announce", address]);
    const came = await downloadTogether(world, torrentPath, [[], [], [], ...hiddenArgs]);
    await expectSame(world, file, 6);
    const fromHidden = hidden.map((address) => sumOf(came, address));
    process.stdout.write(`of those that cannot be called came ${fromHidden.join(", ")} bytes\n`);
    for (const sent of fromHidden) expect(sent).toBeGreaterThan(0);
    // Negative control: they really cannot be called.
    for (const port of [1, 2, 3])
      await expect(
        Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } }),
      ).rejects.toThrow();
  });

  test("peers, fifty of them on this machine, all get the file, and the seeder sends a few copies", async () => {
    await using world = await World.create();
    const count = 49;
    const bytes = 16 * MIB;
    const { seeder, file, torrentPath } = await world.seed({ bytes, args: ["--limit-up", "20M"] });
    const came = await downloadTogether(
      world,
      torrentPath,
      Array.from({ length: count }, () => []),
    );
    await expectSame(world, file, count);
    const copies = sumOf(came, await addressOf(seeder)) / bytes;
    process.stdout.write(`the seeder sent ${copies.toFixed(2)} copies to ${count}\n`);
    expect(copies).toBeLessThan(count / 4);
  });
});
