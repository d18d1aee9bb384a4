import { expect } from "bun:test";
import { Bitfield } from "../../protocol/bitfield.ts";
import { addressOf } from "../support/swarm-fixtures.ts";
import type { SimPeer } from "./peer.ts";
import { type SimOptions, SimSwarm } from "./swarm.ts";
import type { PeerTraits } from "./traits.ts";

/** Swarms of honest peers and others. */

const MIB = 2 ** 20;

export function expectWhole(sim: SimSwarm, peers: readonly SimPeer[]): void {
  for (const { engine } of peers) {
    expect(engine.isComplete).toBe(true);
    expect(engine.stats().bytesDone).toBe(sim.geometry.fileBytes);
  }
}

export interface Company {
  readonly sim: SimSwarm;
  readonly honest: readonly SimPeer[];
  readonly others: readonly SimPeer[];
}

/** One source, honest peers that want the file, and others that are not honest. */
export function company(
  options: SimOptions,
  counts: { readonly honest: number; readonly others: number },
  traits: (number: number) => Partial<PeerTraits> & { readonly have?: Bitfield },
): Company {
  const sim = new SimSwarm(options);
  sim.addSeeder();
  const others: SimPeer[] = [];
  const honest: SimPeer[] = [];
  for (let number = 0; number < counts.honest + counts.others; number++) {
    const isOther = others.length * counts.honest < honest.length * counts.others;
    const have = Bitfield.full(sim.geometry.partCount);
    if (isOther && others.length < counts.others) others.push(sim.add({ have, ...traits(number) }));
    else honest.push(sim.add());
  }
  return { sim, honest, others };
}

/** @returns how long the honest took */
export function complete({ sim, honest }: Company, limitMs?: number): number {
  sim.runUntilComplete(() => honest, limitMs);
  expectWhole(sim, honest);
  return Math.max(...honest.map(({ completeAtMs }) => completeAtMs ?? 0));
}

/** Fifty call a newcomer at once, before anybody else can, and give nothing; the tracker lists them, too. */
export function eclipse(
  seed: number,
  traits: Partial<PeerTraits>,
): { sim: SimSwarm; victim: SimPeer } {
  const sim = new SimSwarm({ seed, fileBytes: 4 * MIB });
  sim.tracker.isDown = true;
  const have = Bitfield.full(sim.geometry.partCount);
  const attackers = Array.from({ length: 60 }, () => sim.add({ have, stalls: "polite" }));
  const victim = sim.add(traits);
  const fakes = Array.from({ length: 400 }, (_, at) => addressOf(1000 + at));
  for (const attacker of attackers) {
    attacker.callsEvenWhenComplete(victim.address);
    sim.after(500, () => attacker.tellOthers(fakes));
  }
  sim.after(1000, () => {
    sim.addSeeder();
    sim.tracker.isDown = false;
  });
  return { sim, victim };
}
