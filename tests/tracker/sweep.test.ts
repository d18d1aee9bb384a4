import { describe, expect, test } from "bun:test";
import { getLogger } from "@logtape/logtape";
import { StoreError } from "../../tracker/errors.ts";
import { IndexedSwarmStore } from "../../tracker/swarm-store/indexed.ts";
import type { SwarmStore } from "../../tracker/swarm-store/store.ts";
import { sweepForever } from "../../tracker/sweep.ts";
import { announceOf } from "../contract/swarm-store/announces.ts";
import { eventually, FakeClock, SeededRandom } from "../support/tracker.ts";

const log = getLogger("test-sweep");

/** Runs a sweep while `during` moves the clock, then ends it. */
async function sweepWhile(
  clock: FakeClock,
  store: SwarmStore,
  during: (tick: (ms: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const sweeping = sweepForever(clock, log, store, { signal: stop.signal });
  const asleep = async (): Promise<void> => {
    await eventually(
      () => clock.sleepers,
      (sleepers) => sleepers === 1,
    );
  };
  await asleep();
  await during(async (ms) => {
    await clock.advance(ms);
    await asleep();
  });
  stop.abort();
  await sweeping;
  expect(clock.sleepers).toBe(0);
}

/** The store, writing down what every sweep was asked and did. */
function recording(store: SwarmStore) {
  const sweeps: { readonly limit: number; readonly removed: number }[] = [];
  const recorded: SwarmStore = {
    announce: (announce) => store.announce(announce),
    totals: (now) => store.totals(now),
    sweep: async (options) => {
      const swept = await store.sweep(options);
      sweeps.push({ limit: options.limit, removed: swept.peers + swept.swarms });
      return swept;
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
  return { recorded, sweeps };
}

describe("sweepForever", () => {
  test("TRK-6: clears everything that expired, at most 1000 entries a tick, and stops when told", async () => {
    const clock = new FakeClock();
    const { recorded, sweeps } = recording(IndexedSwarmStore.inMemory(clock, new SeededRandom(1)));
    for (let port = 1; port <= 2500; port++) {
      const expires = clock.now() + 1000;
      await recorded.announce(
        announceOf({ create: true, port, want: 0, now: clock.now(), expires }),
      );
    }
    await sweepWhile(clock, recorded, async (tick) => {
      for (let ticks = 0; ticks < 20; ticks++) await tick(5000);
    });
    expect(sweeps.reduce((sum, { removed }) => sum + removed, 0)).toBe(2501);
    expect(sweeps.every(({ limit, removed }) => limit === 1000 && removed <= 1000)).toBe(true);
  });

  test("goes on after a store in trouble", async () => {
    const clock = new FakeClock();
    let calls = 0;
    const store: SwarmStore = {
      announce: async () => undefined,
      totals: async () => ({ swarms: 0, complete: 0, incomplete: 0 }),
      sweep: async () => {
        calls++;
        throw new StoreError("busy", "locked");
      },
      [Symbol.asyncDispose]: async () => {},
    };
    await sweepWhile(clock, store, async (tick) => {
      await tick(5000);
      await tick(5000);
    });
    expect(calls).toBe(3);
  });
});
