/** The seeds of a run: the gate's counts, times SIM_SCALE for a long run; SIM_SEED begins elsewhere or repeats one. */

const SCALE = Number(process.env.SIM_SCALE ?? 1);
const FIRST_SEED = Number(process.env.SIM_SEED ?? 1);

/** @returns how many of the gate's seeds are played in this run */
export function seedsOf(count: number): number {
  return Math.max(1, Math.round(count * SCALE));
}

/** Plays one story for many seeds.
 * @throws with the seed, and how to play it alone, when one fails */
export function forSeeds(count: number, play: (seed: number) => void): void {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + seedsOf(count); seed++) {
    try {
      play(seed);
    } catch (cause) {
      throw new Error(`SIM_SEED=${seed} SIM_SCALE=0.0001: ${cause}`, { cause });
    }
  }
}

/** Says a figure, for whoever reads the run. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
