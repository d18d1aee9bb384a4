import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry } from "../../protocol/geometry.ts";
import type { SimPeer } from "./peer.ts";
import { Reader } from "./reader.ts";
import { type SimOptions, SimSwarm } from "./swarm.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(60_000);

const SEEDS = Math.max(1, Math.round(60 * Number(process.env.SIM_SCALE ?? 1)));
const FIRST_SEED = Number(process.env.SIM_SEED ?? 1);
const MIB = 2 ** 20;

interface Piping {
  readonly sim: SimSwarm;
  readonly peer: SimPeer;
  readonly reader: Reader;
}

/** A swarm, and somebody who joins it to read what comes.
 * @param setUp adds who is there before */
function pipeInto(
  options: SimOptions & { readonly places: number; readonly readerBytesPerSecond: number },
  setUp: (sim: SimSwarm) => void,
): Piping {
  const sim = new SimSwarm(options);
  setUp(sim);
  const reader = new Reader(options.readerBytesPerSecond, (run) => lengthOf(sim.geometry, run));
  const peer = sim.add({ pipe: { places: options.places, reader } });
  return { sim, peer, reader };
}

function lengthOf(geometry: Geometry, run: Parameters<Geometry["runRange"]>[0]): number {
  return geometry.runRange(run).length;
}

function expectRead({ sim, reader }: Piping, limitMs: number): void {
  const { partCount } = sim.geometry;
  for (let ms = 0; ms < limitMs && reader.next < partCount; ms += 1000) sim.runFor(1000);
  expect(reader.next).toBe(partCount);
  expect(reader.waiting).toEqual([]);
}

function forSeeds(play: (seed: number) => void): void {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    try {
      play(seed);
    } catch (cause) {
      throw new Error(`SIM_SEED=${seed} SIM_SCALE=0.01: ${cause}`, { cause });
    }
  }
}

describe("Simulation of a pipe", () => {
  test("Engine gives a reader of any speed everything in order, within its places, from peers of all kinds", () => {
    forSeeds((seed) => {
      const places = [1, 2, 3, 6, 30][seed % 5] ?? 1;
      const readerBytesPerSecond = [0.2, 2, 1000][seed % 3] ?? 1;
      const piping = pipeInto(
        { seed, fileBytes: 4 * MIB + 77, places, readerBytesPerSecond: readerBytesPerSecond * MIB },
        (sim) => {
          sim.addSeeder();
          sim.addSeeder({ upBytesPerSecond: 20_000 });
          sim.addSeeder({ stalls: seed % 2 === 0 ? "mute" : "polite" });
          for (let number = 0; number < 3; number++) sim.add();
        },
      );
      expectRead(piping, 400_000);
      expect(piping.reader.waitingMax).toBeLessThanOrEqual(places);
    });
  });

  test("Engine into a pipe goes on among liars, and bans them", () => {
    forSeeds((seed) => {
      const piping = pipeInto(
        { seed, fileBytes: 4 * MIB, places: 5, readerBytesPerSecond: 3 * MIB },
        (sim) => {
          sim.addSeeder();
          sim.addSeeder({ lies: 1 });
          sim.addSeeder({ lies: 0.5 });
        },
      );
      expectRead(piping, 300_000);
    });
  });

  test("Engine goes on at once when a reader does who slept for long, and blames nobody meanwhile", () => {
    forSeeds((seed) => {
      const piping = pipeInto(
        { seed, fileBytes: 24 * MIB, places: 8, readerBytesPerSecond: 100 * MIB },
        (sim) => {
          sim.addSeeder();
          sim.addSeeder();
        },
      );
      const { sim, peer, reader } = piping;
      sim.runFor(500);
      reader.isAsleep = true;
      sim.runFor(300_000);
      const asleepAt = reader.next;
      expect(asleepAt).toBeLessThan(sim.geometry.partCount);
      expect(reader.waiting.length).toBeLessThanOrEqual(8);
      expect([peer.banned.size, peer.engine.stats().peers]).toEqual([0, 2]);
      reader.isAsleep = false;
      reader.read(peer);
      expectRead(piping, 10_000);
    });
  });

  test("Engine into a pipe does not hand a part to and fro between one that is slow and one that sends nothing", () => {
    forSeeds((seed) => {
      const piping = pipeInto(
        { seed, fileBytes: MIB, places: [1, 3, 9][seed % 3] ?? 1, readerBytesPerSecond: MIB },
        (sim) => {
          sim.addSeeder({ upBytesPerSecond: 20_000 });
          sim.addSeeder({ stalls: "polite" });
        },
      );
      // The slow one alone takes 53 s.
      expectRead(piping, 200_000);
    });
  });

  test("Engine into a pipe survives peers that come and go", () => {
    forSeeds((seed) => {
      const piping = pipeInto(
        { seed, fileBytes: 6 * MIB, places: 4, readerBytesPerSecond: 4 * MIB },
        (sim) => {
          sim.addSeeder({ upBytesPerSecond: 2 * MIB });
          sim.add();
          for (let number = 0; number < 6; number++) {
            sim.after(sim.random() * 3000, () => {
              const others = sim.peers.filter((other) => other.isOnline);
              others[Math.floor(sim.random() * others.length)]?.cutOne();
            });
          }
        },
      );
      expectRead(piping, 300_000);
    });
  });

  test("Engine into a pipe finds a place for the first part, though its only holder comes late", () => {
    forSeeds((seed) => {
      const piping = pipeInto(
        {
          seed,
          fileBytes: 4 * MIB,
          places: [1, 2, 3, 5, 8][seed % 5] ?? 1,
          readerBytesPerSecond: 100 * MIB,
        },
        (sim) => {
          const { partCount } = sim.geometry;
          const have = Bitfield.full(partCount);
          for (const part of [0, 9, 20]) have.clear(part);
          sim.add({ have });
          sim.after(5000, () => sim.addSeeder({ upBytesPerSecond: MIB }));
        },
      );
      expectRead(piping, 120_000);
    });
  });

  test("Engine asks others for nothing that a reader is far from, and offers them nothing", () => {
    const piping = pipeInto(
      { seed: FIRST_SEED, fileBytes: 8 * MIB, places: 4, readerBytesPerSecond: MIB },
      (sim) => {
        sim.addSeeder();
      },
    );
    const { sim, peer } = piping;
    const late = sim.add({ upBytesPerSecond: 1 });
    sim.runFor(2000);
    expect(peer.engine.stats().bytesDone).toBeLessThan(4 * MIB);
    expectRead(piping, 60_000);
    sim.runUntilComplete(() => [late]);
    expect(peer.engine.stats().bytesServed).toBe(0);
  });
});
