import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { say } from "./seeds.ts";
import { HUNDREDS, type Outcome, STORIES, type Story } from "./stories.ts";

// Time enough for a machine that has other things to do: what is measured is virtual.
setDefaultTimeout(600_000);

const SCALE = Number(process.env.SIM_SCALE ?? 1);
const FIRST_SEED = Number(process.env.SIM_SEED ?? 1);
const SEEDS = Array.from({ length: Math.max(1, Math.round(SCALE)) }, (_, at) => FIRST_SEED + at);

const played = new Map<string, Outcome>();

/** The same seed gives the same outcome: it is played once. */
function play(story: Story, seed: number): Outcome {
  const key = `${seed} ${story.name}`;
  const outcome = played.get(key) ?? story.play(seed);
  played.set(key, outcome);
  return outcome;
}

function ratiosOf(story: Story): number[] {
  return SEEDS.map((seed) => {
    const { boundMs, reachedMs } = play(story, seed);
    expect({ seed, isBelowBound: reachedMs < 0.98 * boundMs }).toEqual({
      seed,
      isBelowBound: false,
    });
    return reachedMs / boundMs;
  });
}

describe("Swarms beside the time that none could beat", () => {
  for (const story of STORIES) {
    test(`Engine: ${story.name}`, () => {
      const ratios = ratiosOf(story);
      say(`${story.name}: ${ratios.map((ratio) => ratio.toFixed(2)).join(" ")}`);
      for (const ratio of ratios) expect(ratio).toBeLessThanOrEqual(story.limit);
    });

    for (const control of story.controls) {
      test(`Engine: ${story.name}, without ${control.without}`, () => {
        const whole = play(story, FIRST_SEED);
        const without = story.play(FIRST_SEED, control.change);
        const worse = without.reachedMs / whole.reachedMs;
        say(`without ${control.without}: ${worse.toFixed(2)} times as long`);
        expect(worse).toBeGreaterThanOrEqual(control.worseMin);
      });
    }
  }

  test(`Engine: ${HUNDREDS.name}`, () => {
    const [ratio = Number.POSITIVE_INFINITY] = ratiosOf(HUNDREDS);
    say(`${HUNDREDS.name}: ${ratio.toFixed(2)}`);
    expect(ratio).toBeLessThanOrEqual(HUNDREDS.limit);
  });
});
