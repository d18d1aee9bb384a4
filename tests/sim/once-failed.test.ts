import { describe, expect, test } from "bun:test";
import { company, complete, eclipse } from "./company.ts";

/** Stories that once ended badly, each with its seed and what had been wrong. They are played for ever. */

const MIB = 2 ** 20;

describe("Seeds that once failed", () => {
  for (const [seed, lies] of [
    [38, 0.5],
    [228, 0.3],
  ] as const) {
    // What two had been asked for at the end was taken over from one of them when a third left: asked of two, though it was
    // not the end any more.
    test(`Engine asks one at a time again when the end turns out not to be it, seed ${seed}`, () => {
      const options = { seed, fileBytes: 4 * MIB };
      complete(company(options, { honest: 6, others: 3 }, () => ({ lies })));
    });
  }

  // Fifty that gave nothing counted as sources, so that the tracker was not asked again, and kept their places for ever.
  test("Engine is not cut off by those who call first, seed 1", () => {
    const { sim, victim } = eclipse(1, {});
    sim.runUntilComplete(() => [victim], 120_000);
    expect(victim.engine.isComplete).toBe(true);
  });
});
