import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { StorageError } from "../../../peer/errors.ts";
import type { Node } from "../../../peer/transfer/node.ts";
import type { Torrent } from "../../../protocol/torrent.ts";
import { eventually, failureOf } from "../../support/eventually.ts";
import { makeTorrent, randomBytes } from "../../support/fixtures.ts";
import { addressOfNode, leech, seed, startNode, TroubledStore } from "../../support/nodes.ts";
import { createTestTracker } from "../../support/tracker.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(60_000);

const MIB = 2 ** 20;

function expectSame(got: Uint8Array, wanted: Uint8Array): void {
  expect(got.length).toBe(wanted.length);
  expect(Buffer.compare(got, wanted)).toBe(0);
}

/** @returns whether the promise settles within that time */
function within(ms: number, done: Promise<unknown>): Promise<boolean> {
  const finished = done.then(() => true);
  return Promise.race([finished, Bun.sleep(ms).then(() => false)]);
}

async function hashAt(url: string): Promise<string> {
  const response = await fetch(`${url}/hash`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ listening_host: "0.0.0.0", listening_port: 1 }),
  });
  const { hash } = (await response.json()) as { hash: string };
  return hash;
}

async function countedAt(url: string, torrent: Torrent): Promise<unknown> {
  const response = await fetch(`${url}/peers`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      hash: torrent.hash,
      listening_host: "0.0.0.0",
      listening_port: 2,
      event: "stopped",
    }),
  });
  return await response.json();
}

describe("Node", () => {
  for (const [name, fileBytes, partBytes] of [
    ["4 MiB in parts of 1 MiB", 4 * MIB, MIB],
    ["4 MiB and a byte in parts of 256 KiB", 4 * MIB + 1, MIB / 4],
    ["3 MiB in parts of 256 bytes", 3 * MIB, 256],
    ["20,000 parts of one byte", 20_000, 1],
    ["one byte", 1, MIB],
    ["5 MiB in parts of 3 MB, more than a frame", 5 * MIB, 3_000_000],
  ] as const) {
    test(`Node moves ${name}`, async () => {
      const content = randomBytes(fileBytes, fileBytes);
      const torrent = makeTorrent({ content, partBytes });
      await using seeder = startNode();
      await using leecher = startNode();
      await seed(seeder, torrent, content);
      const fetched = leech(leecher, torrent, { peers: [addressOfNode(seeder)] });
      await fetched.swarm.whenComplete;
      expectSame(await fetched.content(), content);
      expect(fetched.swarm.stats()).toMatchObject({ badParts: 0, bytesDone: fileBytes });
    });
  }

  test("Node moves a SHA-1 torrent over TLS", async () => {
    const content = randomBytes(7, 2 * MIB);
    const torrent = makeTorrent({ content, partBytes: 256, algorithm: "sha1" });
    await using seeder = startNode({ mode: "tls" });
    await using leecher = startNode({ mode: "tls" });
    await seed(seeder, torrent, content);
    const fetched = leech(leecher, torrent, { peers: [addressOfNode(seeder)] });
    await fetched.swarm.whenComplete;
    expectSame(await fetched.content(), content);
  });

  test("Node is complete at once with an empty file", async () => {
    const torrent = makeTorrent({ content: new Uint8Array(0) });
    await using node = startNode();
    await leech(node, torrent).swarm.whenComplete;
  });

  test("Node serves what it has while it still fetches, so leechers feed each other", async () => {
    const content = randomBytes(8, 8 * MIB);
    await using tracker = await createTestTracker();
    const hash = await hashAt(tracker.url);
    const torrent = makeTorrent({ content, partBytes: MIB / 8, hash });
    await using seeder = startNode({ limitUpBytesPerSecond: 8 * MIB });
    await using one = startNode();
    await using two = startNode();
    await using three = startNode();
    const trackers = [tracker.url];
    await seed(seeder, torrent, content, { trackers });
    const swarms = [one, two, three].map((node) => leech(node, torrent, { trackers }));
    await Promise.all(swarms.map(({ swarm }) => swarm.whenComplete));
    for (const { content: got } of swarms) expectSame(await got(), content);
    const served = swarms.reduce((sum, { swarm }) => sum + swarm.stats().bytesServed, 0);
    expect(served).toBeGreaterThan(MIB);
    for (const { swarm } of swarms) {
      const total = [...swarm.stats().bytesPerPeer.values()].reduce((sum, bytes) => sum + bytes, 0);
      expect(total).toBe(content.length + swarm.stats().duplicateBytes);
    }
  }, 20_000);

  test("SIM-1: Node bans who sends a wrong part and gets it from another", async () => {
    const content = randomBytes(9, 4 * MIB);
    const torrent = makeTorrent({ content, partBytes: MIB / 4 });
    const wrong = content.map((byte) => byte ^ 1);
    await using liar = startNode();
    await using seeder = startNode({ limitUpBytesPerSecond: 4 * MIB });
    await using leecher = startNode();
    await seed(liar, torrent, wrong);
    await seed(seeder, torrent, content);
    const events: string[] = [];
    const peers = [addressOfNode(liar), addressOfNode(seeder)];
    const fetched = leech(leecher, torrent, { peers, events });
    await fetched.swarm.whenComplete;
    expectSame(await fetched.content(), content);
    expect(fetched.swarm.stats()).toMatchObject({ badParts: 1, peersBanned: 1 });
    expect(events).toContain("banned");
  });

  test("Node that has no place left says so, and who called knows why", async () => {
    const content = randomBytes(12, MIB);
    const torrent = makeTorrent({ content, partBytes: MIB / 4 });
    await using seeder = startNode({ peersMax: 1, limitUpBytesPerSecond: 64 * 1024 });
    await using first = startNode();
    await using second = startNode();
    const served = await seed(seeder, torrent, content);
    const peers = [addressOfNode(seeder)];
    leech(first, torrent, { peers });
    await eventually(
      () => served.stats().peers,
      (count) => count === 1,
    );
    const { swarm } = leech(second, torrent, { peers });
    const reasons = await eventually(
      () => swarm.waitingFor(1).unreachable.map(({ reason }) => reason),
      (given) => given.length > 0,
    );
    expect(reasons).toEqual(["it left: no place left"]);
  });

  test("SIM-3: Node keeps two torrents of one hash apart: neither gets a byte of the other", async () => {
    const content = randomBytes(10, MIB);
    const torrent = makeTorrent({ content, partBytes: 65_536 });
    const altered = makeTorrent({ content: randomBytes(11, MIB), partBytes: 65_536 });
    await using seeder = startNode();
    await using leecher = startNode();
    await seed(seeder, torrent, content);
    const { swarm } = leech(leecher, altered, { peers: [addressOfNode(seeder)] });
    await eventually(
      () => swarm.waitingFor(1).unreachable,
      (unreachable) => unreachable.length === 1,
    );
    expect(swarm.waitingFor(1).unreachable[0]?.reason).toContain("does not hold this torrent");
    expect(swarm.stats()).toMatchObject({ peers: 0, bytesDone: 0, peersBanned: 0 });
  });

  test("SRV-14: Node that is told its own address stays away from it", async () => {
    const torrent = makeTorrent();
    await using node = startNode();
    const { swarm } = leech(node, torrent, { peers: [addressOfNode(node)] });
    await eventually(
      () => swarm.stats().peersKnown,
      (known) => known === 0,
    );
    expect(swarm.waitingFor(1).unreachable).toEqual([]);
  });

  test("join refuses a second torrent of the same hash, until the first is left", async () => {
    const content = randomBytes(1, 1000);
    const torrent = makeTorrent({ content });
    await using node = startNode();
    const swarm = await seed(node, torrent, content);
    expect(() => leech(node, torrent)).toThrow(StorageError);
    await node.leave(swarm, "done");
    await leech(node, torrent).swarm.stop("done");
  });

  test("whenComplete fails with the disk's error when a part cannot be written", async () => {
    const content = randomBytes(12, MIB);
    const torrent = makeTorrent({ content, partBytes: 65_536 });
    await using seeder = startNode();
    await using leecher = startNode();
    await seed(seeder, torrent, content);
    const store = new TroubledStore(torrent.geometry);
    store.beforeWrite = async () => {
      if (store.writes === 2) throw new StorageError("no_space", "Cannot write: the disk is full");
    };
    const { swarm } = leech(leecher, torrent, { store, peers: [addressOfNode(seeder)] });
    expect(await failureOf(swarm.whenComplete)).toMatchObject({ code: "no_space" });
    // Its own disk is nobody else's fault.
    expect(swarm.stats().peersBanned).toBe(0);
  });

  test("SRV-11: Node withdraws a file that cannot be read any more, and says so to its owner", async () => {
    const content = randomBytes(13, MIB);
    const torrent = makeTorrent({ content, partBytes: 65_536 });
    await using seeder = startNode();
    await using leecher = startNode();
    const source = new TroubledStore(torrent.geometry);
    const swarm = await seed(seeder, torrent, content, { store: source });
    const failures: unknown[] = [];
    swarm.onFailure((cause) => void failures.push(cause));
    source.beforeRead = async () => {
      throw new StorageError("changed", "Cannot serve: it is not the file that was hashed");
    };
    const fetched = leech(leecher, torrent, { peers: [addressOfNode(seeder)] });
    await eventually(
      () => failures.length,
      (count) => count > 0,
    );
    await eventually(
      () => fetched.swarm.waitingFor(99).parts.filter(({ holders }) => holders > 0).length,
      (held) => held === 0,
    );
    expect(fetched.swarm.stats()).toMatchObject({ badParts: 0, bytesDone: 0, peers: 1 });
  });

  test("stop ends everything: no write comes later, both sides know, the tracker too", async () => {
    const content = randomBytes(14, 8 * MIB);
    await using tracker = await createTestTracker();
    const torrent = makeTorrent({ content, partBytes: 65_536, hash: await hashAt(tracker.url) });
    const trackers = [tracker.url];
    await using seeder = startNode({ limitUpBytesPerSecond: 4 * MIB });
    await using leecher = startNode();
    const serving = await seed(seeder, torrent, content, { trackers });
    const store = new TroubledStore(torrent.geometry);
    store.beforeWrite = () => Bun.sleep(5);
    const { swarm } = leech(leecher, torrent, { store, trackers });
    await eventually(
      () => store.writes,
      (writes) => writes > 3,
    );
    await leecher.leave(swarm, "enough");
    const { writes } = store;
    await eventually(
      () => serving.stats().peers,
      (peers) => peers === 0,
    );
    await Bun.sleep(50);
    expect(store.writes).toBe(writes);
    expect(await countedAt(tracker.url, torrent)).toMatchObject({ incomplete: 0 });
  });

  test("a source that comes later is used within three seconds", async () => {
    const content = randomBytes(15, MIB);
    await using tracker = await createTestTracker();
    const torrent = makeTorrent({ content, partBytes: 65_536, hash: await hashAt(tracker.url) });
    const trackers = [tracker.url];
    await using leecher = startNode();
    await using seeder = startNode();
    const { swarm } = leech(leecher, torrent, { trackers });
    await Bun.sleep(400);
    await seed(seeder, torrent, content, { trackers });
    expect(await within(3000, swarm.whenComplete)).toBe(true);
  });

  test("a source that goes and comes back at its old address is found again without a tracker", async () => {
    const content = randomBytes(16, 4 * MIB);
    const torrent = makeTorrent({ content, partBytes: 65_536 });
    let seeder: Node = startNode({ limitUpBytesPerSecond: 2 * MIB });
    const address = addressOfNode(seeder);
    await using leecher = startNode();
    await seed(seeder, torrent, content);
    const fetched = leech(leecher, torrent, { peers: [address] });
    await eventually(
      () => fetched.swarm.stats().partsDone,
      (parts) => parts > 5,
    );
    await seeder[Symbol.asyncDispose]();
    seeder = startNode({ listen: address });
    try {
      await seed(seeder, torrent, content);
      expect(await within(4000, fetched.swarm.whenComplete)).toBe(true);
      expectSame(await fetched.content(), content);
    } finally {
      await seeder[Symbol.asyncDispose]();
    }
  });

  test("SRV-5: Node lets callers that say nothing wait in bounded number, and serves the others afterwards", async () => {
    const content = randomBytes(17, MIB);
    const torrent = makeTorrent({ content, partBytes: 65_536 });
    await using seeder = startNode();
    await using leecher = startNode();
    await seed(seeder, torrent, content);
    let gone = 0;
    const callers: Socket[] = [];
    for (let number = 0; number < 200; number++) {
      const socket = connect(seeder.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.on("close", () => gone++);
      callers.push(socket);
    }
    await eventually(
      () => gone,
      (count) => count >= 200 - 64,
    );
    for (const socket of callers) socket.destroy();
    const fetched = leech(leecher, torrent, { peers: [addressOfNode(seeder)] });
    await fetched.swarm.whenComplete;
    expectSame(await fetched.content(), content);
  });

  test("dispose leaves within moments, whatever is under way", async () => {
    const content = randomBytes(18, 8 * MIB);
    const torrent = makeTorrent({ content, partBytes: 65_536 });
    const seeder = startNode({ limitUpBytesPerSecond: MIB });
    const leecher = startNode();
    const silent = connect(seeder.port, "127.0.0.1");
    silent.on("error", () => undefined);
    await seed(seeder, torrent, content);
    const { swarm } = leech(leecher, torrent, { peers: [addressOfNode(seeder)] });
    await eventually(
      () => swarm.stats().peers,
      (peers) => peers === 1,
    );
    const startMs = performance.now();
    await Promise.all([seeder[Symbol.asyncDispose](), leecher[Symbol.asyncDispose]()]);
    expect(performance.now() - startMs).toBeLessThan(3000);
    silent.destroy();
    const again = startNode({ listen: { host: "127.0.0.1", port: seeder.port } });
    await again[Symbol.asyncDispose]();
  });
});
