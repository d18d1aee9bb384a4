import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import type { Node } from "../../peer/transfer/node.ts";
import type { PartRun } from "../../protocol/geometry.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { ProcessMeter } from "../bench/process-meter.ts";
import { eventually } from "../support/eventually.ts";
import { createFastClock } from "../support/fast-clock.ts";
import { makeTorrent, randomBytes } from "../support/fixtures.ts";
import { seed, startNode } from "../support/nodes.ts";
import { RawClient } from "../support/raw-client.ts";
import { runOf } from "../support/swarm-fixtures.ts";
import { MIB, World } from "../support/world.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(180_000);

/** With this set, minutes of patience are waited for in real processes too. */
const IS_LONG = process.env.ROBUSTNESS_LONG === "1";
const PLAIN = ["--transport", "plain"] as const;
const FACTOR = 10;
// More than any kernel keeps for one connection, whatever it is told to.
const CONTENT = randomBytes(31, 64 * MIB);
const TORRENT = makeTorrent({ content: CONTENT, partBytes: MIB / 4 });

/** The first parts, each a request, from the beginning again where there are not so many. */
function requestsOf(torrent: Torrent, count: number): PartRun[] {
  const { geometry } = torrent;
  return Array.from({ length: count }, (_, at) => runOf(geometry, at % geometry.partCount));
}

/** A node of this process that serves, for which time passes quickly. */
async function serveFast(peersMax = 200): Promise<Node> {
  const node = startNode({ peersMax }, { clock: createFastClock(FACTOR) });
  await seed(node, TORRENT, CONTENT);
  return node;
}

/** Says now and then that it lives.
 * @param more is asked for meanwhile, one by one: on a machine that stands still, what was asked first may be refused */
async function keepSpeaking(
  client: RawClient,
  signal: AbortSignal,
  more: readonly PartRun[] = [],
): Promise<void> {
  for (let at = 0; !signal.aborted; at++) {
    await client.say({ type: "ping", id: 1 }).catch(() => undefined);
    const run = more[at];
    if (run !== undefined) await client.request(run).catch(() => undefined);
    await Bun.sleep(200);
  }
}

/** Connects, and notes when the peer ends it.
 * @returns how many clock seconds of the node have passed by then */
async function watch(node: Node, seedOfId: number, act: (client: RawClient) => void) {
  const client = await RawClient.connect({ host: "127.0.0.1", port: node.port }, TORRENT, seedOfId);
  const startMs = performance.now();
  const watched = { client, endedSeconds: Number.POSITIVE_INFINITY };
  void client.closed.then(() => {
    watched.endedSeconds = ((performance.now() - startMs) * FACTOR) / 1000;
  });
  act(client);
  return watched;
}

describe("peer that serves, and the greedy", () => {
  test("SRV-7: Node ends who asks and does not read, after a minute", async () => {
    await using node = await serveFast();
    const isOver = new AbortController();
    const greedy = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        watch(node, 300 + at, (client) => {
          const requests = requestsOf(TORRENT, 256);
          void client.request(...requests.slice(0, 128)).catch(() => undefined);
          void keepSpeaking(client, isOver.signal, requests.slice(128));
        }),
      ),
    );
    // Negative control: one that asks for much, reads, and lives.
    const honest = await watch(node, 299, (client) => {
      void client.read(() => undefined);
      void keepSpeaking(client, isOver.signal);
    });
    void honest.client.request(...requestsOf(TORRENT, 64));
    await eventually(
      () => greedy.filter(({ endedSeconds }) => endedSeconds > 1e6).length,
      (left) => left === 0,
      30_000,
    );
    for (const { endedSeconds } of greedy) {
      expect(endedSeconds).toBeGreaterThan(50);
      expect(endedSeconds).toBeLessThan(90);
    }
    expect(honest.endedSeconds).toBe(Number.POSITIVE_INFINITY);
    isOver.abort();
    honest.client[Symbol.dispose]();
  });

  test("SRV-7: Node serves an honest peer all that it asks for beside 30 that read nothing, who stay", async () => {
    await using node = startNode({ peersMax: 200 });
    await seed(node, TORRENT, CONTENT);
    const address = { host: "127.0.0.1", port: node.port };
    using stack = new DisposableStack();
    let ended = 0;
    for (let at = 0; at < 30; at++) {
      const greedy = stack.use(await RawClient.connect(address, TORRENT, 400 + at));
      void greedy.closed.then(() => ended++);
      await greedy.request(...requestsOf(TORRENT, 64));
    }
    const honest = stack.use(await RawClient.connect(address, TORRENT, 399));
    let bytes = 0;
    const again = (first: number) => void honest.request(runOf(TORRENT.geometry, first));
    const onBytes = (_first: number, more: number) => {
      bytes += more;
    };
    void honest.readRuns(onBytes, again);
    await honest.request(...requestsOf(TORRENT, 256));
    await eventually(
      () => bytes,
      (count) => count === CONTENT.length,
      50_000,
    );
    // It did not have to wait until they were sent away.
    expect(ended).toBe(0);
  });

  test("SRV-5: Node gives a newcomer the place of who says that he lives and asks for nothing", async () => {
    await using node = await serveFast(3);
    const isOver = new AbortController();
    const idle = await Promise.all(
      Array.from({ length: 3 }, (_, at) =>
        watch(node, 700 + at, (client) => {
          void client.read(() => undefined);
          void keepSpeaking(client, isOver.signal);
        }),
      ),
    );
    let tries = 0;
    const isServed = async (): Promise<boolean> => {
      const address = { host: "127.0.0.1", port: node.port };
      using newcomer = await RawClient.connect(address, TORRENT, 710 + tries++);
      const served = Promise.withResolvers<boolean>();
      void newcomer.readRuns(() => served.resolve(true)).then(() => served.resolve(false));
      await newcomer.request(...requestsOf(TORRENT, 1));
      return await served.promise;
    };
    // Negative control: nobody gives his place before a minute has passed.
    expect(await isServed()).toBe(false);
    while (!(await isServed())) {
      expect(tries).toBeLessThan(1000);
      await Bun.sleep(50);
    }
    const gone = await eventually(
      () => idle.map(({ endedSeconds }) => endedSeconds).filter(Number.isFinite),
      (ended) => ended.length > 0,
    );
    expect(gone).toHaveLength(1);
    expect(gone[0]).toBeGreaterThan(59);
    isOver.abort();
    for (const { client } of idle) client[Symbol.dispose]();
  });

  test("SRV-7: peer serve holds 200 MiB at most for 100 peers that ask for gigabytes and read nothing", async () => {
    await using world = await World.create();
    const args = [...PLAIN, "--max-peers", "200"];
    const { seeder: uploader, torrentPath } = await world.seed({ bytes: 64 * MIB });
    await uploader.kill("SIGINT");
    // Another process: what hashing the file took does not count.
    const { peer: seeder, port } = await world.serve("seeder", args);
    const torrent = await world.readTorrent(torrentPath);
    const address = { host: "127.0.0.1", port };
    using stack = new DisposableStack();
    const meter = new ProcessMeter(seeder.pid);
    let ended = 0;
    for (let from = 0; from < 100; from += 25) {
      const clients = await Promise.all(
        Array.from({ length: 25 }, (_, at) => RawClient.connect(address, torrent, 600 + from + at)),
      );
      for (const client of clients) {
        stack.use(client);
        void client.closed.then(() => ended++);
        await client.request(...requestsOf(torrent, 250));
      }
    }
    for (let second = 0; second < 5; second++) {
      await Bun.sleep(1000);
      meter.sample();
    }
    expect(meter.usage.peakMib).toBeLessThan(200);
    expect(ended).toBe(0);
    if (IS_LONG)
      await eventually(
        () => ended,
        (count) => count === 100,
        90_000,
      );
    // One request more than is allowed ends the connection at once, instead of being kept.
    using flooding = await RawClient.connect(address, torrent, 999);
    void flooding.request(...requestsOf(torrent, 256), ...requestsOf(torrent, 744)).catch(() => 0);
    const data = await flooding.readAll().catch(() => new Uint8Array(0));
    expect(data.length).toBeLessThan(300 * MIB);
    await flooding.closed;
  });

  test("SRV-8: peer upload gives an honest peer its share beside one with 10,000 requests a second", async () => {
    await using world = await World.create();
    const args = [...PLAIN, "--part-size", "4K"];
    const { seeder, torrentPath } = await world.seed({ bytes: 16 * MIB, args });
    const torrent = await world.readTorrent(torrentPath);
    const port = await seeder.port();
    using honest = await RawClient.connect({ host: "127.0.0.1", port }, torrent, 71);
    const reader = new HonestReader(honest, torrent);
    // Other things happen on this machine, too: the middle one of three looks counts.
    const shares: number[] = [];
    for (let look = 0; look < 3; look++) {
      const soloRate = await reader.measure(1500);
      await using flood = await startFlood(port, torrentPath);
      const besideRate = await reader.measure(2500);
      shares.push(besideRate / soloRate);
      // The attack took place: it asked as often as the answers let it, some thousand times a second.
      expect(flood.perSecond()).toBeGreaterThan(500);
    }
    expect(shares.toSorted((left, right) => left - right)[1]).toBeGreaterThanOrEqual(0.4);
  });

  test("SRV-10: Node ends who has vanished within a minute, whether or not he was asked for something", async () => {
    await using node = await serveFast();
    const vanished = await watch(node, 501, () => undefined);
    const isOver = new AbortController();
    const living = await watch(node, 502, (client) => {
      void client.read(() => undefined);
      void keepSpeaking(client, isOver.signal);
    });
    await eventually(
      () => vanished.endedSeconds,
      (seconds) => seconds < 1e6,
      30_000,
    );
    expect(vanished.endedSeconds).toBeLessThan(62);
    // Negative control: who goes on speaking stays.
    expect(living.endedSeconds).toBe(Number.POSITIVE_INFINITY);
    isOver.abort();
    living.client[Symbol.dispose]();
    vanished.client[Symbol.dispose]();
  });
});

/** Starts the flood, in a process of its own, and waits until it rises. */
async function startFlood(port: number, torrentPath: string) {
  const script = join(import.meta.dir, "../support/flooder.ts");
  const flooder = Bun.spawn([process.execPath, script, String(port), torrentPath], {
    stdout: "pipe",
    stderr: "inherit",
  });
  let said = "";
  const reading = (async () => {
    for await (const chunk of flooder.stdout) said += new TextDecoder().decode(chunk);
  })();
  const perSecond = () => {
    const [, count = "0", ms = "1"] = /asked (\d+) in ([\d.]+)\n$/.exec(said) ?? [];
    return (Number(count) * 1000) / Number(ms);
  };
  await eventually(perSecond, (rate) => rate > 0);
  return {
    perSecond,
    [Symbol.asyncDispose]: async () => {
      flooder.kill("SIGKILL");
      await flooder.exited;
      await reading;
    },
  };
}

/** An honest peer that always has eight requests of 1 MiB open, and reads. */
class HonestReader {
  #bytes = 0;

  constructor(client: RawClient, { geometry }: Torrent) {
    const left = new Map<number, number>();
    const ask = (at: number) => {
      const run = runOf(geometry, at * 256, 256);
      left.set(run.first, geometry.runRange(run).length);
      void client.request(run).catch(() => undefined);
    };
    // Each run that is whole is asked for again.
    void client.readRuns((first, bytes) => {
      this.#bytes += bytes;
      const rest = (left.get(first) ?? 0) - bytes;
      left.set(first, rest);
      if (rest === 0) ask(first / 256);
    });
    for (let at = 0; at < 8; at++) ask(at);
  }

  /** @returns bytes a second */
  async measure(ms: number): Promise<number> {
    const [fromBytes, fromMs] = [this.#bytes, performance.now()];
    await Bun.sleep(ms);
    return ((this.#bytes - fromBytes) * 1000) / (performance.now() - fromMs);
  }
}
