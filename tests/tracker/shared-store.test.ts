import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { StoreError } from "../../tracker/errors.ts";
import { migrate } from "../../tracker/migrate.ts";
import { createDeadlineFetch } from "../../tracker/swarm-store/deadline-fetch.ts";
import { SHARED_OPTIONS, SharedSwarmStore } from "../../tracker/swarm-store/shared.ts";
import type { SwarmStore, SwarmView } from "../../tracker/swarm-store/store.ts";
import {
  announceOf,
  NOW,
  peersOf,
  portsOf,
  swarmHash,
  TTL,
} from "../contract/swarm-store/announces.ts";
import { HranaServer } from "../support/hrana-server.ts";
import { openSharedStore, type SharedStoreOptions } from "../support/shared-store.ts";
import {
  eventually,
  FakeClock,
  makeTempDirectory,
  removeDirectory,
  SeededRandom,
} from "../support/tracker.ts";

const TOKEN = "a token";
const { slack } = SHARED_OPTIONS;

let directory: string;
let server: HranaServer;
let seed = 0;

beforeEach(async () => {
  directory = await makeTempDirectory();
  server = new HranaServer({ path: join(directory, "shared.db"), token: TOKEN });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await removeDirectory(directory);
});

function open(options: Partial<SharedStoreOptions> = {}): Promise<SharedSwarmStore> {
  return openSharedStore(new SeededRandom(seed++), { url: server.url, token: TOKEN, ...options });
}

/** Who is there for a caller that leaves no trace of its own. */
function look(store: SwarmStore, now: number): Promise<SwarmView | undefined> {
  return store.announce(announceOf({ host: "10.9.9.9", port: 9, action: "remove", now }));
}

async function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return undefined;
  return error instanceof StoreError ? error.code : String(error);
}

async function fill(store: SwarmStore, peers: number, complete: number): Promise<void> {
  const ports = Array.from({ length: peers }, (_, at) => 1 + at);
  await store.announce(announceOf({ create: true, port: 1, complete: complete > 0 }));
  await Promise.all(
    ports.map((port) => store.announce(announceOf({ port, complete: port <= complete }))),
  );
}

describe("SharedSwarmStore", () => {
  test("sees what another one committed a second later at most, and its own at once", async () => {
    await using one = await open();
    await using other = await open();
    await one.announce(announceOf({ create: true, port: 1 }));
    expect(portsOf(await look(other, NOW))).toEqual([1]);
    await one.announce(announceOf({ port: 2 }));
    expect(portsOf(await look(one, NOW))).toEqual([1, 2]);
    expect(portsOf(await look(other, NOW + 999))).toEqual([1]);
    expect(portsOf(await look(other, NOW + 1000))).toEqual([1, 2]);
    await one.announce(announceOf({ port: 1, action: "remove", now: NOW + 1000 }));
    expect(await look(other, NOW + 2000)).toMatchObject({ incomplete: 1 });
  });

  test("writes nothing for an announce that changes nothing, until a quarter of the TTL has passed", async () => {
    await using store = await open({ slack });
    await store.announce(announceOf({ create: true, port: 1, complete: false }));
    // Tells the census.
    await store.announce(announceOf({ port: 1, now: NOW + 10_000 }));
    server.resetCounters();
    for (const after of [0, 1, TTL / 8, TTL / 4]) {
      await store.announce(announceOf({ port: 1, now: NOW + after }));
      await store.announce(announceOf({ port: 1, complete: false, now: NOW + after }));
    }
    expect(server.counters.rowsWritten).toBe(0);
    await store.announce(announceOf({ port: 1, now: NOW + TTL / 4 + 1 }));
    expect(server.counters.rowsWritten).toBe(2);
  });

  test("without the slack writes at every announce", async () => {
    await using store = await open({ slack: 0 });
    await store.announce(announceOf({ create: true, port: 1, complete: false }));
    server.resetCounters();
    await store.announce(announceOf({ port: 1, now: NOW + 1 }));
    expect(server.counters.rowsWritten).toBe(2);
  });

  test("writes what is new whatever the slack: another state, zone, id or address", async () => {
    await using store = await open({ slack });
    await store.announce(announceOf({ create: true, port: 1 }));
    for (const fields of [
      { complete: true },
      { complete: true, zone: "private" },
      { complete: true, zone: "private", peer: "a".repeat(32) },
      { complete: true, zone: "private", peer: "a".repeat(32), host: "10.0.0.2" },
    ] as const) {
      server.resetCounters();
      await store.announce(announceOf({ port: 1, ...fields }));
      expect(server.counters.rowsWritten).toBe(1);
    }
    expect(await look(store, NOW)).toMatchObject({ complete: 1, incomplete: 0 });
  });

  test("never forgets before the time, and a quarter of the TTL after it at most", async () => {
    await using store = await open({ slack });
    await using other = await open({ slack });
    await store.announce(announceOf({ create: true, port: 1 }));
    // Not written, since what is stored reaches so far.
    await store.announce(announceOf({ port: 1, now: NOW + TTL / 4 }));
    expect(portsOf(await look(other, NOW + TTL / 4 + TTL - 1))).toEqual([1]);
    expect(portsOf(await look(store, NOW + TTL / 4 + TTL))).toEqual([]);
    expect(portsOf(await look(other, NOW + TTL / 4 + TTL))).toEqual([]);
  });

  test("believes the database, not its memory, about what need not be written", async () => {
    await using one = await open({ slack });
    await using other = await open({ slack });
    await one.announce(announceOf({ create: true, port: 1 }));
    await other.announce(announceOf({ port: 1, action: "remove" }));
    await one.announce(announceOf({ port: 1 }));
    expect(portsOf(await look(other, NOW + 1000))).toEqual([1]);
  });

  test("draws from a pool of a large swarm, another each second, and counts all of it", async () => {
    await using store = await open();
    await fill(store, 1000, 300);
    await using other = await open();
    const seen = new Set<number>();
    for (let second = 0; second < 5; second++) {
      const view = await look(other, NOW + second * 1000);
      expect(view).toMatchObject({ complete: 300, incomplete: 700 });
      expect(peersOf(view)).toHaveLength(50);
      for (const port of portsOf(view)) seen.add(port);
    }
    expect(seen.size).toBeGreaterThan(150);
    const within = new Set<number>();
    for (let draw = 0; draw < 100; draw++) {
      for (const port of portsOf(await look(other, NOW + 4000))) within.add(port);
    }
    expect(within.size).toBe(200);
  });

  test("TRK-8: tells of the few honest ones in a crowd of one network, and of both kinds by halves", async () => {
    await using store = await open();
    await store.announce(announceOf({ create: true, host: "10.1.0.1", port: 1 }));
    const fakes = Array.from({ length: 190 }, (_, at) =>
      store.announce(announceOf({ host: `10.7.7.${at}`, port: 7, complete: at % 2 === 0 })),
    );
    const honest = [1, 2, 3, 4, 5].map((net) =>
      store.announce(announceOf({ host: `10.2.${net}.1`, port: 2, complete: net === 1 })),
    );
    await Promise.all([...fakes, ...honest]);
    for (let draw = 0; draw < 20; draw++) {
      const ports = portsOf(await look(store, NOW));
      expect(ports).toHaveLength(50);
      expect(ports.filter((port) => port !== 7)).toHaveLength(6);
    }
  });

  test("counts on between two counts of a large swarm", async () => {
    await using store = await open();
    await fill(store, 600, 100);
    await using other = await open();
    const announce = (fields: Parameters<typeof announceOf>[0]) =>
      other.announce(announceOf(fields));
    expect(await look(other, NOW)).toMatchObject({ complete: 100, incomplete: 500 });
    expect(await announce({ port: 5000 })).toMatchObject({ complete: 100, incomplete: 501 });
    expect(await announce({ port: 5000, complete: true })).toMatchObject({
      complete: 101,
      incomplete: 500,
    });
    expect(await announce({ port: 1 })).toMatchObject({ complete: 101, incomplete: 500 });
    expect(await announce({ port: 1, complete: false })).toMatchObject({
      complete: 100,
      incomplete: 501,
    });
    expect(await announce({ port: 600, action: "remove" })).toMatchObject({
      complete: 100,
      incomplete: 500,
    });
    expect(await look(other, NOW + 1000)).toMatchObject({ complete: 100, incomplete: 500 });
  });

  test("reads a swarm of 30,000 once a second and counts it once in three", async () => {
    await using store = await open();
    await store.announce(announceOf({ create: true, port: 1 }));
    const client = createClient({ url: server.url, authToken: TOKEN });
    await client.execute(`INSERT INTO peers (swarm, random, host, port, complete, expires)
      WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
      SELECT 1, abs(random()) % 4294967296, '10.1.' || (i / 250) || '.' || (i % 250), i, 0, ${NOW + TTL} FROM n`);
    client.close();
    await using other = await open();
    await look(other, NOW);
    const reads: number[] = [];
    for (let tenth = 1; tenth <= 40; tenth++) {
      server.resetCounters();
      expect((await look(other, NOW + tenth * 100))?.incomplete).toBe(30_000);
      reads.push(server.counters.rowsRead);
    }
    expect(reads.filter((rows) => rows > 30_000)).toHaveLength(1);
    expect(reads.filter((rows) => rows > 200)).toHaveLength(4);
    expect(reads.filter((rows) => rows < 10)).toHaveLength(36);
  });

  test("sends many announces in one request, and several requests at once", async () => {
    await using store = await open();
    for (let swarm = 1; swarm <= 40; swarm++) {
      await store.announce(announceOf({ create: true, swarm: swarmHash(swarm) }));
    }
    server.resetCounters();
    await server.setOutage("hang");
    const calls = Array.from({ length: 2000 }, (_, at) =>
      store.announce(announceOf({ swarm: swarmHash(1 + (at % 40)), port: 2 + at })),
    );
    const settled = Promise.allSettled(calls);
    await eventually(
      () => server.unanswered,
      (unanswered) => unanswered === 4,
    );
    await server.setOutage("refuse");
    expect((await settled).every(({ status }) => status === "rejected")).toBe(true);
    await server.setOutage("none");
    server.resetCounters();
    const views = await Promise.all(
      Array.from({ length: 2000 }, (_, at) =>
        store.announce(announceOf({ swarm: swarmHash(1 + (at % 40)), port: 2 + at })),
      ),
    );
    expect(views.at(-1)?.incomplete).toBe(51);
    expect(server.counters.requests).toBeLessThanOrEqual(8);
  });
});

describe("SharedSwarmStore in an outage", () => {
  test.each(["refuse", "unavailable"] as const)(
    "TRK-10: says that the database is unavailable when it is (%s), and works on afterwards",
    async (outage) => {
      await using store = await open();
      await store.announce(announceOf({ create: true, port: 1 }));
      await server.setOutage(outage);
      expect(await codeOf(store.announce(announceOf({ port: 2 })))).toBe("unavailable");
      expect(await codeOf(store.totals(NOW))).toBe("unavailable");
      expect(await codeOf(store.sweep({ now: NOW, limit: 1 }))).toBe("unavailable");
      await server.setOutage("none");
      expect(portsOf(await store.announce(announceOf({ port: 3 })))).toEqual([1]);
      expect(portsOf(await look(store, NOW + 1000))).toEqual([1, 3]);
    },
  );

  test("TRK-10: gives up a database that never answers; what it did all the same is whole", async () => {
    const clock = new FakeClock();
    const fetch = createDeadlineFetch(clock, 5000);
    const client = createClient({ url: server.url, authToken: TOKEN, fetch });
    await migrate(client);
    const database = drizzle(client);
    const random = new SeededRandom(1);
    await using store = new SharedSwarmStore(clock, random, { client, database });
    await server.setOutage("swallow");
    const lost = codeOf(store.announce(announceOf({ create: true, port: 1 })));
    await eventually(
      () => server.unanswered,
      (unanswered) => unanswered === 1,
    );
    await server.setOutage("hang");
    const hung = codeOf(store.announce(announceOf({ create: true, swarm: swarmHash(2) })));
    await eventually(
      () => server.unanswered,
      (unanswered) => unanswered === 2 || clock.sleepers === 1,
    );
    expect(await Promise.race([lost, hung, clock.turn().then(() => "waits")])).toBe("waits");
    await clock.advance(5000);
    expect(await lost).toBe("unavailable");
    await eventually(
      async () => {
        await clock.advance(5000);
        return Promise.race([hung, clock.turn().then(() => "waits")]);
      },
      (outcome) => outcome === "unavailable",
    );
    await server.setOutage("none");
    expect(await look(store, NOW)).toMatchObject({ complete: 0, incomplete: 1 });
    expect(await store.totals(NOW)).toEqual({ swarms: 1, complete: 0, incomplete: 1 });
  });

  test("TRK-10: a transaction that the database breaks off leaves no trace", async () => {
    await using store = await open();
    await store.announce(announceOf({ create: true, port: 1 }));
    const client = createClient({ url: server.url, authToken: TOKEN });
    await client.execute(
      "CREATE TRIGGER no_more BEFORE INSERT ON peers WHEN new.port = 13 BEGIN SELECT raise(ABORT, 'no'); END",
    );
    const calls = [12, 13, 14].map((port) =>
      codeOf(store.announce(announceOf({ create: true, swarm: swarmHash(2), port }))),
    );
    expect(await Promise.all(calls)).toEqual(["failed", "failed", "failed"]);
    const { rows } = await client.execute("SELECT count(*) FROM swarms");
    client.close();
    expect(rows[0]?.[0]).toBe(1);
    expect(await store.totals(NOW)).toEqual({ swarms: 1, complete: 0, incomplete: 1 });
  });

  test("is refused without the right token", async () => {
    expect(await codeOf(open({ token: "another" }))).toMatch(/AUTH_REJECTED/);
  });
});
