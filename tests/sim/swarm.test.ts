import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { RULES } from "../../peer/swarm/rules.ts";
import { IN_FLIGHT_BYTES_MAX } from "../support/swarm-fixtures.ts";
import type { SimPeer } from "./peer.ts";
import { forSeeds, seedsOf } from "./seeds.ts";
import { type SimOptions, SimSwarm } from "./swarm.ts";
import type { PeerTraits } from "./traits.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(60_000);

const SEEDS = seedsOf(200);
const MIB = 2 ** 20;

function oneToFive(options: SimOptions): { sim: SimSwarm; leechers: SimPeer[] } {
  const sim = new SimSwarm(options);
  sim.addSeeder();
  const leechers = Array.from({ length: 5 }, () => sim.add());
  return { sim, leechers };
}

function expectWhole(sim: SimSwarm, peers: readonly SimPeer[]): void {
  for (const { engine } of peers) {
    expect(engine.isComplete).toBe(true);
    expect(engine.stats().bytesDone).toBe(sim.geometry.fileBytes);
  }
}

describe("Simulation", () => {
  test("Engine completes with one seeder and five leechers, who serve each other", () => {
    const ratios: number[] = [];
    forSeeds(200, (seed) => {
      const { sim, leechers } = oneToFive({ seed });
      sim.runUntilComplete(() => leechers);
      expectWhole(sim, leechers);
      const served = leechers.reduce((sum, peer) => sum + peer.engine.stats().bytesServed, 0);
      expect(served).toBeGreaterThan(sim.geometry.fileBytes);
      // The best that is possible: everybody's uplink busy all the time.
      const { fileBytes } = sim.geometry;
      const bestMs = Math.max(1000 * (fileBytes / (10 * MIB)), (5000 * fileBytes) / (60 * MIB));
      ratios.push(sim.nowMs / bestMs);
    });
    ratios.sort((left, right) => left - right);
    // The seeder sends some parts to several while nobody else has them; of so small a file that is much.
    expect(ratios[Math.floor(ratios.length / 2)]).toBeLessThan(3.2);
  });

  test("Engine comes near to the best time that is possible with a larger file", () => {
    forSeeds(4, (seed) => {
      const { sim, leechers } = oneToFive({ seed, fileBytes: 64 * MIB, partBytes: 2 ** 18 });
      sim.runUntilComplete(() => leechers);
      expect(sim.nowMs).toBeLessThan(1.6 * 6400);
    });
  });

  test("Engine replays a seed event by event", () => {
    const play = (seed: number): string[] => {
      const { sim, leechers } = oneToFive({ seed, keepsLog: true });
      sim.after(300, () => leechers[0]?.cutOne());
      sim.after(500, () => sim.restart(leechers[1] ?? sim.add(), 700));
      sim.runFor(8000);
      return sim.lines;
    };
    const seed = Number(process.env.SIM_SEED ?? 1);
    const first = play(seed);
    expect(first.length).toBeGreaterThan(1000);
    expect(play(seed)).toEqual(first);
    expect(play(seed + 1)).not.toEqual(first);
  });

  test("SIM-4: Engine is not held up by a holder a hundred times slower", () => {
    forSeeds(50, (seed) => {
      const sim = new SimSwarm({ seed });
      sim.addSeeder();
      sim.addSeeder({ upBytesPerSecond: 100_000 });
      const leecher = sim.add();
      sim.runUntilComplete(() => [leecher]);
      // 8 MiB at 10 MiB/s, and a moment to find out.
      expect(sim.nowMs).toBeLessThan(5000);
    });
  });

  describe("with a limit of its own of 1 KiB/s", () => {
    /** @returns how much longer it took than the limit says, and how often it was cut off */
    function play(seed: number, sources: number, rules = RULES) {
      const sim = new SimSwarm({ seed, fileBytes: MIB, partBytes: MIB / 4 });
      for (let number = 0; number < sources; number++) sim.addSeeder();
      const leecher = sim.add({ limitDownBytesPerSecond: 1024, rules });
      const leastMs = (1000 * sim.geometry.fileBytes) / 1024;
      let cuts = 0;
      while (leecher.completeAtMs === undefined && sim.nowMs < 2 * leastMs) {
        // Who has everything leaves those who have, too.
        cuts = leecher.cuts;
        sim.runFor(1000);
      }
      const { completeAtMs = Number.POSITIVE_INFINITY } = leecher;
      return { times: completeAtMs / leastMs, cuts };
    }

    test.each([1, 12])("Engine goes on steadily with %d sources", (sources) => {
      forSeeds(3, (seed) => {
        const { times, cuts } = play(seed, sources);
        expect(times).toBeLessThan(1.1);
        expect(cuts).toBe(0);
      });
    });

    test("Engine without a pace is cut off by some of twelve, and takes longer", () => {
      const without = play(1, 12, { ...RULES, paceMs: Number.POSITIVE_INFINITY });
      expect(without.cuts).toBeGreaterThan(0);
      expect(without.times).toBeGreaterThan(1.25);
    });
  });

  describe("with a limit of its own of 2 MiB/s, one source and six that are slow or silent", () => {
    /** @returns how many times as long as the limit says it took */
    function play(seed: number, slow: Partial<PeerTraits>, rules = RULES): number {
      const sim = new SimSwarm({ seed, fileBytes: 32 * MIB, partBytes: MIB });
      sim.addSeeder({ upBytesPerSecond: 100 * MIB });
      for (let number = 0; number < 6; number++) sim.addSeeder(slow);
      const leecher = sim.add({ limitDownBytesPerSecond: 2 * MIB, rules });
      sim.runUntilComplete(() => [leecher], 1_000_000);
      return sim.nowMs / 16_000;
    }

    test.each([
      ["slow", { upBytesPerSecond: 50_000 }],
      ["silent", { stalls: "polite" }],
    ] as const)("Engine is not held up by those that are %s", (_, slow) => {
      forSeeds(10, (seed) => {
        expect(play(seed, slow)).toBeLessThan(1.5);
      });
    });

    test("Engine without takeover is", () => {
      const rules = { ...RULES, takeOverFactor: Number.POSITIVE_INFINITY, duplicatesMax: 0 };
      expect(play(1, { upBytesPerSecond: 50_000 }, rules)).toBeGreaterThan(2);
    });
  });

  test("Engine completes through churn: cut lines, restarts, latecomers", () => {
    let lost = 0;
    forSeeds(200, (seed) => {
      const sim = new SimSwarm({ seed });
      sim.addSeeder();
      for (let number = 0; number < 5; number++) sim.add();
      for (let times = 0; times < 12; times++) {
        sim.after(sim.random() * 4000, () => {
          const online = sim.peers.filter((peer) => peer.isOnline);
          const peer = online[Math.floor(sim.random() * online.length)];
          lost++;
          if (peer === undefined || sim.random() < 0.6) peer?.cutOne();
          else sim.restart(peer, 200 + sim.random() * 3000);
        });
      }
      sim.after(2500, () => sim.add());
      sim.runFor(9000);
      sim.runUntilComplete(() => sim.peers.filter((peer) => peer.isOnline));
    });
    expect(lost).toBe(12 * SEEDS);
  });

  test("Engine keeps within its memory when parts are large, peers many and the disk slow", () => {
    forSeeds(10, (seed) => {
      const sim = new SimSwarm({ seed, fileBytes: 160 * MIB, partBytes: 8 * MIB });
      for (let number = 0; number < 8; number++) sim.addSeeder({ upBytesPerSecond: 100 * MIB });
      const leecher = sim.add({ diskMs: 300, downBytesPerSecond: 1000 * MIB });
      sim.runUntilComplete(() => [leecher]);
      expect(leecher.checker.requests).toBeGreaterThanOrEqual(20);
      expect(IN_FLIGHT_BYTES_MAX).toBeLessThan(sim.geometry.fileBytes);
    });
  });

  test("Engine completes files of small parts, of one part and with an end that is not whole", () => {
    for (const [fileBytes, partBytes] of [
      [100_003, 256],
      [1, 1],
      [MIB + 1, MIB],
      [5 * MIB + 77, 1000],
    ] as const) {
      forSeeds(5, (seed) => {
        const { sim, leechers } = oneToFive({ seed, fileBytes, partBytes });
        sim.runUntilComplete(() => leechers);
        expectWhole(sim, leechers);
      });
    }
  });
});
