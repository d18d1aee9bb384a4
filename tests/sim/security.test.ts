import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { RULES, type Rules } from "../../peer/swarm/rules.ts";
import { formatAddress } from "../../protocol/address.ts";
import { Bitfield } from "../../protocol/bitfield.ts";
import { company, complete, eclipse, expectWhole } from "./company.ts";
import { forSeeds, say, seedsOf } from "./seeds.ts";
import { type SimOptions, SimSwarm } from "./swarm.ts";
import type { PeerTraits } from "./traits.ts";

// Time enough for a machine that has other things to do: what is measured is virtual.
setDefaultTimeout(600_000);

const MIB = 2 ** 20;

const playedAlone = new Map<string, number>();

/** @returns how long five honest peers and a source take without anybody else */
function completeAlone(options: SimOptions): number {
  const key = JSON.stringify(options);
  const ms =
    playedAlone.get(key) ?? complete(company(options, { honest: 5, others: 0 }, () => ({})));
  playedAlone.set(key, ms);
  return ms;
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0;
}

describe("Simulation of attacks", () => {
  for (const [share, seeds] of [
    [0.3, 2000],
    [0.01, 100],
    [0.5, 100],
    [0.9, 100],
  ] as const) {
    test(`SIM-1: Engine completes among ten of whom some lie ${100 * share} % of the time, bans them and nobody else`, () => {
      let wrongParts = 0;
      let bans = 0;
      forSeeds(seeds, (seed) => {
        const swarm = company({ seed, fileBytes: 4 * MIB }, { honest: 6, others: 3 }, () => ({
          lies: share,
        }));
        const liars = new Set(swarm.others.map(({ address }) => formatAddress(address)));
        complete(swarm);
        for (const peer of swarm.honest) {
          expect(peer.suspects).toEqual([]);
          expect([...peer.banned].filter((address) => !liars.has(address))).toEqual([]);
          // Each liar costs a peer what it owed when it was found out, and once more when the third of one part is spared.
          expect(peer.engine.stats().badParts).toBeLessThanOrEqual(2 * liars.size);
          wrongParts += peer.engine.stats().badParts;
          bans += peer.banned.size;
        }
      });
      // Negative control: lies did happen, and were answered.
      expect(wrongParts).toBeGreaterThan(share < 0.1 ? 0 : seedsOf(seeds));
      expect(bans).toBeGreaterThan(share < 0.1 ? 0 : seedsOf(seeds));
    });
  }

  test("SIM-2: Engine bans at most two for a part whose digest is wrong, and says that it suspects it", () => {
    forSeeds(200, (seed) => {
      const wrongParts = new Set([seed % 32]);
      const sim = new SimSwarm({ seed, fileBytes: 4 * MIB, wrongParts });
      for (let number = 0; number < 5; number++) sim.addSeeder();
      const leecher = sim.add();
      sim.runFor(60_000);
      expect(leecher.suspects).toEqual([...wrongParts]);
      expect(leecher.banned.size).toBeLessThanOrEqual(2);
      // Everything but that part is there: it and what was asked for with it.
      expect(leecher.engine.stats().partsDone).toBeGreaterThanOrEqual(sim.geometry.partCount - 2);
    });
  });

  test("SIM-2: Engine on a machine that spoils a part bans at most two, and the others complete", () => {
    forSeeds(200, (seed) => {
      const sim = new SimSwarm({ seed, fileBytes: 4 * MIB });
      for (let number = 0; number < 4; number++) sim.addSeeder();
      const spoiler = sim.add({ spoils: seed % 32 });
      const others = [sim.add(), sim.add()];
      sim.runUntilComplete(() => others);
      sim.runFor(60_000);
      expectWhole(sim, others);
      expect(spoiler.suspects).toEqual([seed % 32]);
      expect(spoiler.banned.size).toBeLessThanOrEqual(2);
      for (const other of others) expect(other.banned.size).toBe(0);
    });
  });

  test("SIM-3: Engine completes in both halves of a swarm that an altered torrent splits, and bans nobody", () => {
    let refused = 0;
    forSeeds(200, (seed) => {
      const sim = new SimSwarm({ seed, fileBytes: 4 * MIB });
      sim.addSeeder();
      sim.addSeeder({ torrent: "altered" });
      const peers = Array.from({ length: 10 }, (_, at) =>
        sim.add({ torrent: at % 2 === 0 ? "this" : "altered" }),
      );
      sim.runUntilComplete(() => peers);
      expectWhole(sim, peers);
      for (const peer of peers) {
        expect(peer.banned.size).toBe(0);
        const { unreachable } = peer.engine.waitingFor(0);
        refused += unreachable.filter(({ reason }) => reason === "another torrent").length;
        for (const address of peer.partners) {
          const partner = sim.peers.find((other) => formatAddress(other.address) === address);
          expect(partner?.traits.torrent).toBe(peer.traits.torrent);
        }
      }
    });
    // Negative control: both kinds did meet.
    expect(refused).toBeGreaterThan(seedsOf(200));
  });

  for (const stalls of ["hello", "bitmap", "polite", "mute", "midway"] as const) {
    test(`SIM-4: Engine is not held up when half of all peers fall silent (${stalls})`, () => {
      const took: number[] = [];
      const tookWithout: number[] = [];
      forSeeds(200, (seed) => {
        const options = { seed, fileBytes: 32 * MIB, partBytes: 2 ** 18 };
        const swarm = company(options, { honest: 5, others: 5 }, () => ({ stalls }));
        took.push(complete(swarm, 200_000));
        tookWithout.push(completeAlone(options));
        for (const peer of swarm.honest) expect(peer.banned.size).toBe(0);
        // A block to each who calls, at most.
        for (const staller of swarm.others)
          expect(staller.engine.stats().bytesServed).toBeLessThan(2 * MIB);
      });
      const ratio = median(took) / median(tookWithout);
      say(`${stalls}: ${ratio.toFixed(2)} times as long as among honest peers only`);
      expect(ratio).toBeLessThanOrEqual(1.5);
    });
  }

  test("SIM-4: Engine without takeover and endgame is held up by those who fall silent", () => {
    const rules = { ...RULES, takeOverFactor: Number.POSITIVE_INFINITY, duplicatesMax: 0 };
    const ratios: number[] = [];
    forSeeds(20, (seed) => {
      const options = { seed, fileBytes: 32 * MIB, partBytes: 2 ** 18 };
      const play = (traits: Partial<PeerTraits>) =>
        complete(
          company({ ...options, traits }, { honest: 5, others: 5 }, () => ({ stalls: "polite" })),
          400_000,
        );
      ratios.push(play({ rules }) / play({}));
    });
    expect(median(ratios)).toBeGreaterThan(2);
  });

  for (const [name, traits] of [
    ["say that they have everything", { boasts: true }],
    ["are always busy", { refuses: "busy" }],
    ["have nothing of what they said", { refuses: "missing" }],
  ] as const) {
    test(`SIM-5: Engine completes among ten of whom half ${name}`, () => {
      const took: number[] = [];
      const tookWithout: number[] = [];
      forSeeds(250, (seed) => {
        const options = { seed, fileBytes: 8 * MIB };
        const swarm = company(options, { honest: 5, others: 5 }, () => ({
          ...traits,
          have: new Bitfield(64),
          ...("boasts" in traits ? {} : { boasts: true }),
        }));
        took.push(complete(swarm, 200_000));
        tookWithout.push(completeAlone(options));
      });
      const ratio = median(took) / median(tookWithout);
      say(`${name}: ${ratio.toFixed(2)} times as long as among honest peers only`);
      expect(ratio).toBeLessThanOrEqual(1.5);
    });
  }

  test("SIM-5: Engine completes within twice the time among all kinds at once", () => {
    const took: number[] = [];
    const tookWithout: number[] = [];
    const kinds = [
      { stalls: "polite" },
      { lies: 0.5 },
      { boasts: true, refuses: "missing" },
      { stalls: "midway" },
      { refuses: "busy" },
    ] as const;
    forSeeds(250, (seed) => {
      const options = { seed, fileBytes: 32 * MIB, partBytes: 2 ** 18 };
      const swarm = company(options, { honest: 5, others: 5 }, (number) => ({
        ...kinds[Math.floor(number / 2) % kinds.length],
      }));
      took.push(complete(swarm, 200_000));
      tookWithout.push(completeAlone(options));
    });
    const ratio = median(took) / median(tookWithout);
    say(`all kinds: ${ratio.toFixed(2)} times as long as among honest peers only`);
    expect(ratio).toBeLessThanOrEqual(2);
  });

  test("SIM-6: Engine completes when the tracker is gone from any moment on, for good or for a while", () => {
    let announces = 0;
    forSeeds(500, (seed) => {
      const sim = new SimSwarm({ seed });
      sim.addSeeder();
      const peers = Array.from({ length: 6 }, () => sim.add());
      const [first = peers[0]] = peers;
      const share = [0.01, 0.1, 0.5, 0.99][seed % 4] ?? 0.5;
      const isBackLater = seed % 8 < 4;
      const watch = () => {
        const done = (first?.engine.stats().bytesDone ?? 0) / sim.geometry.fileBytes;
        if (done >= share && !sim.tracker.isDown) {
          sim.tracker.isDown = true;
          announces = sim.tracker.announces;
        }
        if (isBackLater && done >= 0.9 && share < 0.9) sim.tracker.isDown = false;
        else sim.after(20, watch);
      };
      watch();
      sim.after(1500, () => peers[3]?.cutOne());
      sim.runUntilComplete(() => peers, 60_000);
      expectWhole(sim, peers);
      // Negative control: it was up before.
      expect(announces).toBeGreaterThanOrEqual(peers.length);
    });
  });

  test("SIM-6: Engine that joins while the tracker is down gets nothing before it is back", () => {
    const sim = new SimSwarm({ seed: FIRST });
    sim.addSeeder();
    sim.tracker.isDown = true;
    const late = sim.add();
    sim.runFor(30_000);
    expect(late.engine.stats().bytesDone).toBe(0);
    sim.tracker.isDown = false;
    sim.runUntilComplete(() => [late], 60_000);
  });

  test("SIM-7: Engine finds the one honest peer although sixty others call it first and tell of four hundred more", () => {
    let connected = 0;
    forSeeds(100, (seed) => {
      const { sim, victim } = eclipse(seed, {});
      sim.runFor(900);
      connected += victim.engine.stats().peers;
      sim.runUntilComplete(() => [victim], 400_000);
      expectWhole(sim, [victim]);
    });
    // The attack did happen.
    expect(connected).toBeGreaterThan(30 * seedsOf(100));
  });

  test("SIM-7: Engine that gave callers all its places and kept whom it has would be cut off", () => {
    const completeAt = (rules: Partial<Rules>) => {
      const { sim, victim } = eclipse(1, { rules: { ...RULES, ...rules } });
      sim.runFor(400_000);
      return victim.completeAtMs;
    };
    expect(completeAt({})).toBeLessThan(120_000);
    expect(completeAt({ callersShare: 1, giveUpMs: Number.POSITIVE_INFINITY })).toBeUndefined();
  });
});

const FIRST = Number(process.env.SIM_SEED ?? 1);
