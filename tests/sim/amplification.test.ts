import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { addressOf } from "../support/swarm-fixtures.ts";
import type { SimPeer } from "./peer.ts";
import { forSeeds, say, seedsOf } from "./seeds.ts";
import { SimSwarm } from "./swarm.ts";

// Time enough for a machine that has other things to do: what is measured is virtual.
setDefaultTimeout(600_000);

const MINUTE_MS = 60_000;
const DOWNLOADERS = 100;
/** How often the attacker announces: his entries never expire. */
const PLANTED_EVERY_MS = 60_000;

/** A hundred downloaders who find nobody that has the file, and so go on looking, and a tracker at which an attacker announces
 * machines that have no part in it.
 * @returns when each of them was called, by caller and called */
function callsAt(
  victims: readonly Address[],
  options: { readonly seed: number; readonly forMs: number; readonly isTrusting: boolean },
): ReadonlyMap<string, readonly number[]> {
  const sim = new SimSwarm({ seed: options.seed });
  sim.tracker.isTrusting = options.isTrusting;
  const hosts = new Set(victims.map(formatAddress));
  const calls = new Map<string, number[]>();
  sim.onDial = (from: SimPeer, to: Address) => {
    if (!hosts.has(formatAddress(to))) return;
    const key = `${from.name} ${formatAddress(to)}`;
    calls.set(key, [...(calls.get(key) ?? []), sim.nowMs]);
  };
  const plant = () => {
    sim.tracker.plant(victims, sim.nowMs);
    sim.after(PLANTED_EVERY_MS, plant);
  };
  plant();
  for (let number = 0; number < DOWNLOADERS; number++) sim.after(100 * number, () => sim.add());
  sim.runFor(options.forMs);
  return calls;
}

describe("Simulation of an amplification", () => {
  test("SIM-9: a hundred downloaders call a machine that an attacker announced three times each in ten minutes at the most", () => {
    forSeeds(1, (seed) => {
      const calls = callsAt([addressOf(9999)], { seed, forMs: 12 * MINUTE_MS, isTrusting: true });
      // The attack works as far as it is let: nearly all are told of the machine, and do call it.
      expect(calls.size).toBeGreaterThan(DOWNLOADERS / 2);
      let most = 0;
      for (const times of calls.values()) {
        for (const from of times) {
          const within = times.filter((at) => at >= from && at < from + 10 * MINUTE_MS);
          most = Math.max(most, within.length);
        }
      }
      expect(most).toBeLessThanOrEqual(3);
    });
  });

  test("SIM-9: machines that nobody reached are called less while there are others, as the tracker knows of whom", () => {
    const victims = Array.from({ length: 200 }, (_, at) => addressOf(9000 + at));
    const total = { trusting: 0, not: 0 };
    forSeeds(1, (seed) => {
      for (const isTrusting of [true, false]) {
        const calls = callsAt(victims, { seed, forMs: 2 * MINUTE_MS, isTrusting });
        for (const times of calls.values()) total[isTrusting ? "trusting" : "not"] += times.length;
      }
    });
    const perDownloader = (count: number) => (count / DOWNLOADERS / seedsOf(1)).toFixed(1);
    say(
      `calls a downloader in vain: ${perDownloader(total.trusting)} of ${perDownloader(total.not)}`,
    );
    expect(total.trusting).toBeLessThan(total.not);
  });
});
