import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import fc from "fast-check";
import type { Random } from "../../tracker/clock.ts";
import { systemClock } from "../../tracker/clock.ts";
import { MemorySwarmStore } from "../../tracker/swarm-store/memory.ts";
import { openSwarmStore } from "../../tracker/swarm-store/open.ts";
import type { Announce, SwarmStore } from "../../tracker/swarm-store/store.ts";
import { makeTempDirectory, removeDirectory, SeededRandom } from "../support/tracker.ts";
import {
  announceOf,
  describeSwarmStore,
  NOW,
  peerId,
  peersOf,
  swarmHash,
  TTL,
} from "./swarm-store.ts";

let directory: string;
let files = 0;

beforeAll(async () => {
  directory = await makeTempDirectory();
});
afterAll(() => removeDirectory(directory));

function openFile(random: Random, path: string): Promise<SwarmStore> {
  const { signal } = new AbortController();
  return openSwarmStore(systemClock, random, { url: `file:${path}`, token: undefined, signal });
}

function openNewFile(random: Random): Promise<SwarmStore> {
  return openFile(random, join(directory, `${files++}.db`));
}

describeSwarmStore("MemorySwarmStore", async (random) => new MemorySwarmStore(random));
describeSwarmStore("LibsqlSwarmStore", openNewFile);

describe("LibsqlSwarmStore on a file", () => {
  test("keeps swarms, peers and their expiry when it is opened again", async () => {
    const path = join(directory, "kept.db");
    const before = await openFile(new SeededRandom(1), path);
    await before.announce(announceOf({ create: true, peer: peerId(1), port: 1, complete: true }));
    await before.announce(announceOf({ port: 2, now: NOW + 10 }));
    await before[Symbol.asyncDispose]();

    await using after = await openFile(new SeededRandom(2), path);
    const moved = announceOf({ peer: peerId(1), port: 3, now: NOW + 20 });
    expect(await after.announce(moved)).toEqual({
      complete: 1,
      incomplete: 1,
      peersJson: '[{"host":"10.0.0.1","port":2}]',
    });
    const late = await after.announce(announceOf({ port: 4, now: NOW + 10 + TTL }));
    expect(peersOf(late)).toEqual([{ host: "10.0.0.1", port: 3 }]);
  });

  test("two stores on one file see each other's announces", async () => {
    const path = join(directory, "shared.db");
    await using one = await openFile(new SeededRandom(1), path);
    await using other = await openFile(new SeededRandom(2), path);
    await one.announce(announceOf({ create: true, port: 1 }));
    const view = await other.announce(announceOf({ port: 2 }));
    expect(peersOf(view)).toEqual([{ host: "10.0.0.1", port: 1 }]);
  });
});

const operation = fc.record({
  swarm: fc.integer({ min: 1, max: 2 }).map(swarmHash),
  host: fc.constantFrom("10.0.0.1", "peer.example"),
  port: fc.integer({ min: 1, max: 4 }),
  peer: fc.option(fc.integer({ min: 1, max: 4 }).map(peerId), { nil: undefined }),
  action: fc.constantFrom<Announce["action"]>("add", "add", "remove"),
  complete: fc.constantFrom(true, false, undefined),
  create: fc.boolean(),
  zone: fc.constantFrom<Announce["zone"]>("public", "private", "loopback"),
  only: fc.constantFrom<Announce["only"]>("all", "incomplete"),
  passes: fc.constantFrom(0, 1, TTL / 3, TTL),
  sweeps: fc.boolean(),
});

describe("MemorySwarmStore and LibsqlSwarmStore", () => {
  test("agree on any sequence of announces, sweeps and passing time", async () => {
    const runs = fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
      await using memory = new MemorySwarmStore(new SeededRandom(1));
      await using file = await openNewFile(new SeededRandom(2));
      let now = NOW;
      for (const { passes, sweeps, ...fields } of operations) {
        now += passes;
        const announce = announceOf({ ...fields, now });
        expect(sorted(await file.announce(announce))).toEqual(
          sorted(await memory.announce(announce)),
        );
        expect(await file.totals(now)).toEqual(await memory.totals(now));
        if (sweeps)
          await Promise.all([file, memory].map((store) => store.sweep({ now, limit: 3 })));
      }
    });
    await fc.assert(runs, { numRuns: 60 });
  }, 60_000);
});

function sorted(view: Awaited<ReturnType<SwarmStore["announce"]>>) {
  const key = ({ host, port }: { host: string; port: number }): string => `${host} ${port}`;
  return view && { ...view, peersJson: peersOf(view)?.map(key).sort() };
}
