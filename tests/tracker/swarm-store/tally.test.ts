import { expect, test } from "bun:test";
import fc from "fast-check";
import { Tally } from "../../../tracker/swarm-store/tally.ts";

test("Tally counts as a Map does, round after round, up to as many different values as it was made for", () => {
  const tally = new Tally(8);
  const value = fc.oneof(
    fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  );
  const rounds = fc
    .uniqueArray(value, { minLength: 1, maxLength: 8 })
    .chain((values) => fc.array(fc.constantFrom(...values), { maxLength: 40 }));
  fc.assert(
    fc.property(rounds, (added) => {
      tally.clear();
      const expected = new Map<number, number>();
      for (const one of added) {
        const count = (expected.get(one) ?? 0) + 1;
        expected.set(one, count);
        expect(tally.add(one)).toBe(count);
      }
    }),
    { numRuns: 500 },
  );
});
