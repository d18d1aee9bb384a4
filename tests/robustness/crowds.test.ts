import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { encodePreface } from "../../protocol/session.ts";
import { ProcessMeter } from "../bench/process-meter.ts";
import { Callers } from "../support/callers.ts";
import { eventually } from "../support/eventually.ts";
import { RawClient } from "../support/raw-client.ts";
import { hashOf, writeSeeded } from "../support/temp.ts";
import { waitUntil } from "../support/wait.ts";
import { MIB, World } from "../support/world.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(120_000);

const PLAIN = ["--transport", "plain"] as const;

/** Serves a file from a process that may have few files open. */
async function serveFew(world: World, openFilesMax: number) {
  const file = await writeSeeded(world.at("file.bin"), MIB, 1);
  const torrentPath = `${file}.torrent.json`;
  const args = ["upload", file, torrentPath];
  const seeder = world.peer("seeder", args, { openFilesMax });
  await seeder.event("uploaded");
  return { seeder, port: await seeder.port(), torrentPath, file };
}

/** As the system sees it, whatever the callers have heard of it.
 * @returns how many connections to a port of 127.0.0.1 are open at both ends, taken already or waiting for that */
function heldAt(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = readFileSync("/proc/net/tcp", "utf8").split("\n");
  const [ESTABLISHED, LOCAL, STATE] = ["01", 1, 3];
  return lines.filter((line) => {
    const fields = line.trim().split(/ +/);
    return fields[LOCAL] === local && fields[STATE] === ESTABLISHED;
  }).length;
}

/** @returns the share of a core that the process takes for two seconds */
async function loadOf(pid: number): Promise<number> {
  const meter = new ProcessMeter(pid);
  meter.reset();
  await Bun.sleep(2000);
  meter.sample();
  return meter.usage.cpuSeconds / 2;
}

describe("peer that serves, and a crowd", () => {
  test("SRV-5: peer upload with 128 files at most rests beside 2,000 callers, and serves the honest among them", async () => {
    await using world = await World.create();
    const { seeder, port, torrentPath, file } = await serveFew(world, 128);
    using callers = new Callers();
    await callers.add(port, 2000);
    await eventually(
      () => ({ held: heldAt(port), open: callers.open }),
      ({ held }) => held <= 64,
      40_000,
    );
    expect(await loadOf(seeder.pid)).toBeLessThan(0.2);
    // While those who were let in say nothing.
    await callers.add(port, 200);
    await world.download("during", torrentPath).summary();
    expect(await hashOf(world.target("during"))).toBe(await hashOf(file));
    callers[Symbol.dispose]();
    const startMs = performance.now();
    await world.download("after", torrentPath).summary();
    expect(performance.now() - startMs).toBeLessThan(5000);
    expect(seeder.isRunning).toBe(true);
    expect(seeder.stderr).not.toMatch(/\bat .*\.ts:\d|EMFILE|panic/);
  });

  test("SRV-5's control: a listener that takes everybody has no place for the honest", async () => {
    const code = `const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: {
      open: (socket) => void socket.write("welcome"), data: () => {}, error: () => {} } });
      console.log(server.port);`;
    const script = 'ulimit -n 128; exec "$@"';
    const child = Bun.spawn(["sh", "-c", script, "sh", process.execPath, "-e", code], {
      stdout: "pipe",
      stderr: "ignore",
    });
    try {
      const { value } = await child.stdout.getReader().read();
      const port = Number(new TextDecoder().decode(value));
      using callers = new Callers();
      await callers.add(port, 500);
      const honest = connect(port, "127.0.0.1");
      const answer = new Promise((resolve) => honest.once("data", () => resolve("welcome")));
      const nothing = Bun.sleep(2000).then(() => "nothing");
      expect(await Promise.race([answer, nothing])).toBe("nothing");
      honest.destroy();
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  });

  test("SRV-6: peer upload takes little memory for 1,000 callers who say nothing, and ends them all", async () => {
    await using world = await World.create();
    const { seeder, torrentPath } = await world.seed({ bytes: MIB });
    const port = await seeder.port();
    await world.download("before", torrentPath).summary();
    const meter = new ProcessMeter(seeder.pid);
    meter.sample();
    const beforeMib = meter.usage.residentMib;
    using callers = new Callers();
    await callers.add(port, 1000);
    await Bun.sleep(1000);
    meter.sample();
    expect(meter.usage.residentMib - beforeMib).toBeLessThan(32);
    await eventually(
      () => callers.open,
      (open) => open === 0,
      15_000,
    );
  });

  test("SRV-6: peer upload takes little memory for 900 peers that hold the torrent and want nothing", async () => {
    await using world = await World.create();
    const args = [...PLAIN, "--max-peers", "1000"];
    const { seeder, torrentPath } = await world.seed({ bytes: MIB, args });
    const torrent = await world.readTorrent(torrentPath);
    const address = { host: "127.0.0.1", port: await seeder.port() };
    using stack = new DisposableStack();
    const join = async (seed: number) =>
      stack.use(await RawClient.connect(address, torrent, 5000 + seed));
    for (let seed = 0; seed < 50; seed++) await join(seed);
    const meter = new ProcessMeter(seeder.pid);
    meter.sample();
    const beforeMib = meter.usage.residentMib;
    for (let seed = 50; seed < 950; seed += 30)
      await Promise.all(Array.from({ length: 30 }, (_, at) => join(seed + at)));
    // What greeting made is garbage, and collected soon: it is what they keep that counts.
    const keptMib = () => {
      meter.sample();
      return meter.usage.residentMib - beforeMib;
    };
    await eventually(keptMib, (mib) => mib < 64, 30_000);
    // They all have a place: the one more that may come is served.
    using late = await RawClient.connect(address, torrent, 9999);
    let bytes = 0;
    void late.read((count) => {
      bytes += count;
    });
    await late.request({ first: torrent.geometry.part(0) ?? fail(), count: 1 });
    await waitUntil(() => bytes > 100_000, "data");
  });

  test("SRV-9: peer upload ends who has not greeted after ten seconds, also who says a byte a second", async () => {
    await using world = await World.create();
    const { seeder, torrentPath } = await world.seed({ bytes: MIB, args: PLAIN });
    const port = await seeder.port();
    const torrent = await world.readTorrent(torrentPath);
    // Negative control: one that has greeted is still there when the others are gone.
    using honest = await RawClient.connect({ host: "127.0.0.1", port }, torrent, 77);
    let isHonestGone = false;
    void honest.closed.then(() => {
      isHonestGone = true;
    });
    using silent = new Callers();
    using drippingPreface = new Callers();
    using drippingHello = new Callers();
    const startMs = performance.now();
    await Promise.all(
      [silent, drippingPreface, drippingHello].map((callers) => callers.add(port, 1)),
    );
    const preface = encodePreface("plain");
    drippingHello.write(preface);
    const drip = setInterval(() => {
      drippingHello.write(Uint8Array.of(0));
      const second = Math.floor((performance.now() - startMs) / 2000);
      drippingPreface.write(preface.subarray(second, second + 1));
    }, 1000);
    for (const callers of [silent, drippingPreface, drippingHello])
      await eventually(
        () => callers.open,
        (open) => open === 0,
        15_000,
      );
    clearInterval(drip);
    const tookMs = performance.now() - startMs;
    expect(tookMs).toBeGreaterThan(9000);
    expect(tookMs).toBeLessThan(11_500);
    expect(isHonestGone).toBe(false);
  });
});

function fail(): never {
  throw new Error("The torrent has no part");
}
