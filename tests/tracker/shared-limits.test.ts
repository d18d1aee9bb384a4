import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Client, createClient } from "@libsql/client";
import { MIGRATIONS } from "../../migrations/index.ts";
import { migrate } from "../../tracker/migrate.ts";
import type { SharedSwarmStore } from "../../tracker/swarm-store/shared.ts";
import type { SwarmStore } from "../../tracker/swarm-store/store.ts";
import { announceOf, NOW, portsOf, swarmHash, TTL } from "../contract/swarm-store/announces.ts";
import { HranaServer } from "../support/hrana-server.ts";
import { openSharedStore, type SharedStoreOptions } from "../support/shared-store.ts";
import { makeTempDirectory, removeDirectory, SeededRandom } from "../support/tracker.ts";

const TOKEN = "a token";
/** A swarm does not expire in these tests but where it says so. */
const LONG = 3_600_000;

let directory: string;
let server: HranaServer;
let client: Client;
let seed = 0;

beforeEach(async () => {
  directory = await makeTempDirectory();
  server = new HranaServer({ path: join(directory, "shared.db"), token: TOKEN });
  client = createClient({ url: server.url, authToken: TOKEN });
});
afterEach(async () => {
  client.close();
  await server[Symbol.asyncDispose]();
  await removeDirectory(directory);
});

function open(options: Partial<SharedStoreOptions> = {}): Promise<SharedSwarmStore> {
  return openSharedStore(new SeededRandom(seed++), { url: server.url, token: TOKEN, ...options });
}

/** Makes a swarm.
 * @returns whether it may be */
async function make(store: SwarmStore, number: number, now = NOW): Promise<boolean> {
  const announce = announceOf({ create: true, swarm: swarmHash(number), now, expires: now + LONG });
  const error = await store.announce(announce).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error !== undefined) expect(error).toMatchObject({ code: "full" });
  return error === undefined;
}

async function census(): Promise<Record<string, unknown>> {
  const { rows } = await client.execute("SELECT swarms, peers, counted FROM census");
  return { ...rows[0] };
}

describe("SharedSwarmStore, limited", () => {
  test("TRK-6: hears within ten seconds how much others put into the database", async () => {
    const limits = { swarmsMax: 3 };
    await using one = await open({ limits });
    await using other = await open({ limits });
    expect(await make(one, 1)).toBe(true);
    expect(await make(other, 2)).toBe(true);
    expect(await make(one, 3)).toBe(true);
    // Of the other one's swarm nobody has told yet.
    expect(await make(one, 4)).toBe(true);
    expect(await make(one, 5)).toBe(false);
    await make(other, 2, NOW + 10_000);
    await make(one, 1, NOW + 10_000);
    expect(await census()).toMatchObject({ swarms: 4, peers: 4 });
    expect(await make(other, 6, NOW + 10_001)).toBe(true);
    await make(other, 2, NOW + 20_000);
    expect(await make(other, 7, NOW + 20_001)).toBe(false);
    await make(one, 1, NOW + 20_000);
    expect(await census()).toMatchObject({ swarms: 5, peers: 5 });
  });

  test("TRK-6: a tracker that begins knows from its first announce on", async () => {
    const limits = { swarmsMax: 3 };
    await using one = await open({ limits });
    for (const number of [1, 2, 3]) await make(one, number);
    await make(one, 1, NOW + 10_000);
    await using other = await open({ limits });
    await other.announce(announceOf({ now: NOW + 10_000 }));
    expect(await make(other, 4, NOW + 10_000)).toBe(false);
  });

  test("counts anew every ten minutes, every minute where there is little room, and a wrong clock's count", async () => {
    await using store = await open({ limits: { swarmsMax: 100 } });
    for (const number of [1, 2, 3]) await make(store, number);
    const setTo = async (swarms: number, counted: number) => {
      await client.execute({
        sql: "UPDATE census SET swarms = ?, counted = ?",
        args: [swarms, counted],
      });
    };
    const swarmsAt = async (now: number) => {
      await make(store, 1, now);
      return (await census()).swarms;
    };
    await setTo(50, NOW);
    expect(await swarmsAt(NOW + 599_999)).toBe(53);
    expect(await swarmsAt(NOW + 610_000)).toBe(3);
    await setTo(80, NOW + 610_000);
    expect(await swarmsAt(NOW + 620_000)).toBe(80);
    expect(await swarmsAt(NOW + 669_999)).toBe(80);
    expect(await swarmsAt(NOW + 680_000)).toBe(3);
    await setTo(50, NOW + 10 * LONG);
    expect(await swarmsAt(NOW + 690_000)).toBe(50);
    expect(await swarmsAt(NOW + 700_000)).toBe(3);
  });

  test("keeps the count right through moves, departures, expiry and evictions", async () => {
    await using store = await open({ limits: { peersPerNetworkMax: 4 } });
    const peer = "a".repeat(32);
    await store.announce(announceOf({ create: true, port: 1, peer }));
    for (let port = 2; port <= 8; port++)
      await store.announce(announceOf({ port, now: NOW + port }));
    await store.announce(announceOf({ port: 7, peer, now: NOW + 9 }));
    await store.announce(announceOf({ port: 8, action: "remove", now: NOW + 9 }));
    await store.announce(announceOf({ host: "10.0.0.2", now: NOW + 9 }));
    const now = NOW + TTL + 9;
    await store.announce(announceOf({ create: true, host: "10.0.0.2", now }));
    await store.sweep({ now, limit: 100 });
    await store.announce(announceOf({ host: "10.0.0.2", now: now + 10_000 }));
    expect(await census()).toMatchObject({ swarms: 1, peers: 1 });
    expect(await store.totals(now)).toMatchObject({ incomplete: 1 });
  });

  test("a burst goes over a limit by what was under way, and every later peer makes room", async () => {
    await using store = await open({ limits: { peersPerSwarmMax: 20 } });
    const add = (port: number) => store.announce(announceOf({ create: true, port }));
    await add(1);
    await Promise.all(Array.from({ length: 60 }, (_, at) => add(2 + at)));
    expect((await add(100))?.incomplete).toBe(61);
    await Promise.all(Array.from({ length: 60 }, (_, at) => add(200 + at)));
    expect((await add(300))?.incomplete).toBe(61);
  });

  test("TRK-6: holds where each request has a transaction of its own", async () => {
    const limits = { peersPerNetworkMax: 8, swarmsMax: 5 };
    await using store = await open({ lanes: undefined, limits });
    await make(store, 1);
    const ports = Array.from({ length: 40 }, (_, at) => 2 + at);
    await Promise.all(ports.map((port) => store.announce(announceOf({ port }))));
    expect(
      portsOf(await store.announce(announceOf({ host: "10.9.9.9", now: NOW + 1000 }))),
    ).toHaveLength(8);
    for (const number of [2, 3, 4, 5]) expect(await make(store, number)).toBe(true);
    expect(await make(store, 6)).toBe(false);
  });

  test("asks about a network only when it may have many in the swarm: a burst is bounded all the same", async () => {
    await using store = await open({ limits: { peersPerNetworkMax: 8 } });
    await store.announce(announceOf({ create: true, host: "10.0.0.2" }));
    const statementsOf = async (port: number): Promise<number> => {
      server.resetCounters();
      await store.announce(announceOf({ port }));
      return server.counters.statements;
    };
    const asked: number[] = [];
    for (let port = 1; port <= 6; port++) asked.push(await statementsOf(port));
    const few = asked[0] ?? 0;
    expect(asked).toEqual([few, few, few, few, few + 1, few + 1]);
    const ports = Array.from({ length: 60 }, (_, at) => 100 + at);
    await Promise.all(ports.map((port) => store.announce(announceOf({ port }))));
    expect(await store.totals(NOW)).toMatchObject({ incomplete: 9 });
  });

  test("makes room in a swarm of 30,000 at the price of a small one", async () => {
    const limits = { peersPerNetworkMax: 8, peersPerSwarmMax: 30_000 };
    await using store = await open({ limits });
    await store.announce(announceOf({ create: true, port: 1 }));
    await client.execute(`INSERT INTO peers (swarm, random, network, host, port, complete, expires)
      WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i <= 30000)
      SELECT 1, abs(random()) % 4294967296, '10.1.' || (i / 250) || '.' || (i % 250), '10.1.' || (i / 250) || '.' || (i % 250), i, 0, ${NOW + TTL} FROM n`);
    await using other = await open({ limits });
    await other.announce(announceOf({ host: "10.9.9.9", action: "remove" }));
    server.resetCounters();
    for (let number = 1; number <= 20; number++) {
      const view = await other.announce(announceOf({ host: `10.8.0.${number}` }));
      expect(view?.incomplete).toBe(30_001);
    }
    expect(server.counters.rowsRead / 20).toBeLessThan(60);
    // A row that goes, one that comes.
    expect(server.counters.rowsWritten).toBe(40);
  });
});

describe("migration 0003_census", () => {
  test("keeps the peers of a database that trackers before it have filled", async () => {
    await migrate(client, MIGRATIONS.slice(0, 3));
    await client.execute(
      `INSERT INTO swarms (id, hash, expires) VALUES (1, '${swarmHash(1)}', ${NOW + LONG})`,
    );
    await client.execute(`INSERT INTO peers (swarm, random, host, port, complete, expires)
      VALUES (1, 5, '10.0.0.1', 1, 1, ${NOW + TTL}), (1, 6, '10.0.0.1', 2, 0, ${NOW + TTL})`);
    await using store = await open({ limits: { peersPerNetworkMax: 2 } });
    expect(await store.announce(announceOf({ port: 1, now: NOW + 1 }))).toMatchObject({
      complete: 1,
      incomplete: 1,
    });
    expect(portsOf(await store.announce(announceOf({ port: 3, now: NOW + 2 })))).toEqual([1]);
    await store.announce(announceOf({ port: 3, now: NOW + 20_000 }));
    expect(await census()).toMatchObject({ swarms: 1, peers: 2 });
  });
});
