import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, type Random, systemClock } from "../../tracker/clock.ts";
import { StoreError } from "../../tracker/errors.ts";
import { IndexedSwarmStore } from "../../tracker/swarm-store/indexed.ts";
import { createLocalClient } from "../../tracker/swarm-store/local-database.ts";
import { openSwarmStore } from "../../tracker/swarm-store/open.ts";
import type { SwarmStore, SwarmView } from "../../tracker/swarm-store/store.ts";
import { DEFAULT_LIMITS, type StoreLimits } from "../../tracker/swarm-store/store-limits.ts";
import {
  eventually,
  FakeClock,
  holdLock,
  makeTempDirectory,
  removeDirectory,
  SeededRandom,
} from "../support/tracker.ts";
import { announceOf, NOW, peerId, portsOf, TTL } from "./swarm-store/announces.ts";
import { describeStoreLimits } from "./swarm-store/limits.ts";
import { describeSwarmStore } from "./swarm-store/suite.ts";

let directory: string;
let files = 0;

beforeAll(async () => {
  directory = await makeTempDirectory();
});
afterAll(() => removeDirectory(directory));

function openFile(
  random: Random,
  path: string,
  clock: Clock = new FakeClock(NOW),
  limits: Partial<StoreLimits> = {},
): Promise<SwarmStore> {
  const { signal } = new AbortController();
  return openSwarmStore(clock, random, { url: `file:${path}`, token: undefined, signal, limits });
}

function openNewFile(random: Random): Promise<SwarmStore> {
  return openFile(random, join(directory, `${files++}.db`));
}

describeSwarmStore("IndexedSwarmStore in memory", async (random) =>
  IndexedSwarmStore.inMemory(systemClock, random),
);
describeSwarmStore("IndexedSwarmStore on a file", openNewFile);
describeStoreLimits("IndexedSwarmStore in memory", async (random, limits) =>
  IndexedSwarmStore.inMemory(systemClock, random, { ...DEFAULT_LIMITS, ...limits }),
);
describeStoreLimits("IndexedSwarmStore on a file", (random, limits) =>
  openFile(random, join(directory, `${files++}.db`), new FakeClock(NOW), limits),
);

describe("IndexedSwarmStore on a file", () => {
  test("keeps swarms, peers and what they said when it is opened again", async () => {
    const path = join(directory, "kept.db");
    const before = await openFile(new SeededRandom(1), path);
    await before.announce(announceOf({ create: true, peer: peerId(1), port: 1, complete: true }));
    await before.announce(announceOf({ port: 2, now: NOW + 10 }));
    await before.announce(announceOf({ port: 3 }));
    await before.announce(announceOf({ port: 3, action: "remove" }));
    await before[Symbol.asyncDispose]();

    await using after = await openFile(new SeededRandom(2), path);
    const moved = announceOf({ peer: peerId(1), port: 3, now: NOW + 20 });
    const met = await after.announce(moved);
    expect(met).toMatchObject({ complete: 1, incomplete: 1 });
    expect(JSON.parse(met?.peersJson ?? "")).toEqual([{ host: "10.0.0.1", port: 2 }]);
    const kept = await after.announce(announceOf({ port: 4, now: NOW + 10 + TTL - 1 }));
    expect(portsOf(kept)).toEqual([2, 3]);
    const late = await after.announce(announceOf({ port: 5, now: NOW + 10 + 1.25 * TTL }));
    expect(portsOf(late)).toEqual([4]);
  });

  test("TRK-11: lets nobody live for years whom a wrong clock wrote down, unless nobody limits it", async () => {
    const path = join(directory, "years.db");
    const before = await openFile(new SeededRandom(1), path, new FakeClock(NOW + 1000 * TTL));
    await before.announce(announceOf({ create: true, port: 1, now: NOW + 1000 * TTL }));
    await before[Symbol.asyncDispose]();
    for (const [lifetimeMsMax, incomplete] of [
      [1.25 * TTL, 0],
      [Number.POSITIVE_INFINITY, 1],
    ] as const) {
      await using after = await openFile(new SeededRandom(2), path, new FakeClock(NOW), {
        lifetimeMsMax,
      });
      expect(await after.totals(NOW)).toMatchObject({ incomplete: 1 });
      expect(await after.totals(NOW + 2 * TTL)).toMatchObject({ incomplete });
    }
  });

  test("writes nothing for what the log says already, and again before that ends", async () => {
    const path = join(directory, "again.db");
    await using store = await openFile(new SeededRandom(1), path);
    const last = (): Promise<number> => lastRow(path);
    await store.announce(announceOf({ create: true, port: 1 }));
    expect(await last()).toBe(1);
    await store.announce(announceOf({ port: 1, now: NOW + TTL / 4 }));
    expect(await last()).toBe(1);
    await store.announce(announceOf({ port: 1, now: NOW + TTL / 4 + 1 }));
    expect(await last()).toBe(2);
    await store.announce(announceOf({ port: 1, now: NOW + TTL / 4 + 2, complete: true }));
    expect(await last()).toBe(3);
  });

  test("erases rows that say nothing any more", async () => {
    const path = join(directory, "erased.db");
    await using store = await openFile(new SeededRandom(1), path);
    for (const complete of [false, true, false]) {
      await store.announce(announceOf({ create: true, port: 1, complete }));
      await store.announce(announceOf({ create: true, port: 2, complete }));
    }
    await store.announce(announceOf({ port: 2, action: "remove" }));
    await store.sweep({ now: NOW, limit: 100 });
    expect(await countRows(path)).toBe(2);
    await store.sweep({ now: NOW + 2 * TTL, limit: 100 });
    expect(await countRows(path)).toBe(0);
  });

  test("erases later what a locked file does not let it erase", async () => {
    const path = join(directory, "later.db");
    await using store = await openFile(new SeededRandom(1), path);
    for (const complete of [false, true]) {
      await store.announce(announceOf({ create: true, port: 1, complete }));
    }
    {
      await using _lock = await holdLock(path);
      const error = await store.sweep({ now: NOW, limit: 100 }).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: "busy" });
    }
    expect(await countRows(path)).toBe(2);
    await store.sweep({ now: NOW, limit: 100 });
    expect(await countRows(path)).toBe(1);
  }, 20_000);

  test("sees what another process on the same file announced, a moment later", async () => {
    const path = join(directory, "shared.db");
    const clock = new FakeClock(NOW);
    await using one = await openFile(new SeededRandom(1), path);
    await using other = await openFile(new SeededRandom(2), path, clock);
    const look = (): Promise<SwarmView | undefined> =>
      other.announce(announceOf({ port: 9, action: "remove" }));
    await one.announce(announceOf({ create: true, port: 1, complete: true }));
    expect(await look()).toBeUndefined();
    await clock.advance(250);
    const seen = await eventually(look, (view) => view !== undefined);
    expect(seen).toMatchObject({ complete: 1 });
    await one.announce(announceOf({ port: 1, action: "remove" }));
    await clock.advance(250);
    await eventually(look, (view) => view?.complete === 0);
  });

  test("writes everything again when its file was lost under it", async () => {
    const folder = join(directory, "lost");
    await mkdir(folder);
    const path = join(folder, "tracker.db");
    const clock = new FakeClock(NOW);
    await using store = await openFile(new SeededRandom(1), path, clock);
    for (let port = 1; port <= 3; port++) await store.announce(announceOf({ create: true, port }));
    await removeDirectory(folder);
    let port = 10;
    const announceNext = async (): Promise<unknown> => {
      await clock.advance(250);
      return await store.announce(announceOf({ port: port++ })).catch((error: unknown) => error);
    };
    await eventually(announceNext, (answer) => answer instanceof StoreError);
    const again = await store.announce(announceOf({ port: 1 })).catch((error: unknown) => error);
    expect(again).toBeInstanceOf(StoreError);
    await mkdir(folder);
    for (let port = 1; port <= 3; port++) await store.announce(announceOf({ port }));
    await using copy = await openFile(new SeededRandom(2), path);
    const view = await copy.announce(announceOf({ port: 5 }));
    expect(portsOf(view)).toEqual([1, 2, 3]);
  });
});

async function countRows(path: string): Promise<number> {
  return await ask(path, "SELECT count(*) FROM peer_log");
}

async function lastRow(path: string): Promise<number> {
  return await ask(path, "SELECT max(seq) FROM peer_log");
}

async function ask(path: string, sql: string): Promise<number> {
  const client = createLocalClient(`file:${path}`);
  const { rows } = await client.execute(sql);
  client.close();
  return Number(rows[0]?.[0]);
}
