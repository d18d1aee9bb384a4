import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import fc from "fast-check";
import type { ToldPeer } from "../../protocol/announce.ts";
import { type Random, systemClock } from "../../tracker/clock.ts";
import { IndexedSwarmStore } from "../../tracker/swarm-store/indexed.ts";
import type { Announce, SwarmStore } from "../../tracker/swarm-store/store.ts";
import { DEFAULT_LIMITS, type SizeLimits } from "../../tracker/swarm-store/store-limits.ts";
import { HranaServer } from "../support/hrana-server.ts";
import { openSharedStore } from "../support/shared-store.ts";
import { makeTempDirectory, removeDirectory, SeededRandom } from "../support/tracker.ts";
import { announceOf, NOW, peerId, peersOf, swarmHash, TTL } from "./swarm-store/announces.ts";
import { describeStoreLimits } from "./swarm-store/limits.ts";
import { describeSwarmStore } from "./swarm-store/suite.ts";

const TOKEN = "a token";

let directory: string;
const servers = new AsyncDisposableStack();
let files = 0;

beforeAll(async () => {
  directory = await makeTempDirectory();
});
afterAll(async () => {
  await servers.disposeAsync();
  await removeDirectory(directory);
});

function newPath(): string {
  return join(directory, `${files++}.db`);
}

async function openRemote(
  random: Random,
  { latencyMs = 0, limits = {} }: { latencyMs?: number; limits?: Partial<SizeLimits> } = {},
): Promise<SwarmStore> {
  const server = servers.use(new HranaServer({ path: newPath(), token: TOKEN }));
  server.latencyMs = latencyMs;
  return openSharedStore(random, { url: server.url, token: TOKEN, limits });
}

describeSwarmStore("SharedSwarmStore on a file", (random) =>
  openSharedStore(random, { url: `file:${newPath()}` }),
);
describeSwarmStore("SharedSwarmStore over HTTP", (random) => openRemote(random));
describeSwarmStore("SharedSwarmStore over HTTP, 4 ms away", (random) =>
  openRemote(random, { latencyMs: 4 }),
);
describeStoreLimits("SharedSwarmStore over HTTP", (random, limits) =>
  openRemote(random, { limits }),
);

const HOSTS = ["10.0.0.1", "peer.example"];
const NEIGHBOURS = ["10.0.0.1", "2001:db8::1", "2001:db8::2"];

/** What comes one after the other: an announce, after some time, and then perhaps a sweep. */
function operationsOf(hosts: readonly string[], passes: readonly number[]) {
  const host = fc.constantFrom(...hosts);
  const port = fc.integer({ min: 1, max: 4 });
  const operation = fc.record({
    swarm: fc.integer({ min: 1, max: 2 }).map(swarmHash),
    host,
    port,
    peer: fc.option(fc.integer({ min: 1, max: 4 }).map(peerId), { nil: undefined }),
    action: fc.constantFrom<Announce["action"]>("add", "add", "remove"),
    complete: fc.constantFrom(true, false, undefined),
    create: fc.boolean(),
    zone: fc.constantFrom<Announce["zone"]>("public", "private", "loopback"),
    only: fc.constantFrom<Announce["only"]>("all", "incomplete"),
    reached: fc.array(fc.record({ host, port }), { maxLength: 2 }),
    passes: fc.constantFrom(...passes),
    sweeps: fc.boolean(),
  });
  return fc.array(operation, { maxLength: 40 });
}

describe("IndexedSwarmStore and SharedSwarmStore", () => {
  test.each([
    ["any sequence of announces, sweeps and passing time", {}, HOSTS, 0],
    // Of two that were heard of in the same millisecond, either may go.
    ["any sequence where networks are limited", { peersPerNetworkMax: 2 }, NEIGHBOURS, 2],
  ] as const)(
    "agree on %s",
    async (_what, limits, hosts, passesMin) => {
      const operations = operationsOf(hosts, [passesMin, passesMin + 1, 999, TTL / 3, TTL]);
      const runs = fc.asyncProperty(operations, async (given) => {
        const all = { ...DEFAULT_LIMITS, ...limits };
        await using memory = IndexedSwarmStore.inMemory(systemClock, new SeededRandom(1), all);
        await using remote = await openRemote(new SeededRandom(2), { limits });
        let now = NOW;
        for (const { passes, sweeps, ...fields } of given) {
          now += passes;
          const announce = announceOf({ ...fields, now });
          expect(sorted(await remote.announce(announce))).toEqual(
            sorted(await memory.announce(announce)),
          );
          expect(await remote.totals(now)).toEqual(await memory.totals(now));
          if (sweeps)
            await Promise.all([remote, memory].map((store) => store.sweep({ now, limit: 3 })));
        }
      });
      await fc.assert(runs, { numRuns: 60 });
    },
    60_000,
  );
});

function sorted(view: Awaited<ReturnType<SwarmStore["announce"]>>) {
  const key = ({ host, port, verified }: ToldPeer): string => `${host} ${port} ${verified}`;
  return view && { ...view, peersJson: peersOf(view)?.map(key).sort() };
}
