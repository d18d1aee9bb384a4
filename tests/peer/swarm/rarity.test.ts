import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RarityOrder } from "../../../peer/swarm/rarity.ts";
import { InvariantError } from "../../../protocol/errors.ts";
import type { SpanIndex } from "../../../protocol/geometry.ts";
import { Random } from "../../support/fixtures.ts";
import { geometryOf, spanOf } from "../../support/swarm-fixtures.ts";

const SPANS = 12;
const geometry = geometryOf(SPANS);

type Step = readonly ["open" | "close" | "increment" | "decrement", number];

const steps = fc.array(
  fc.tuple(
    fc.constantFrom("open" as const, "close" as const, "increment" as const, "decrement" as const),
    fc.nat({ max: SPANS - 1 }),
  ),
  { maxLength: 120 },
);

/** The same said plainly: a set and a list of counts. */
class NaiveRarity {
  readonly open = new Set<number>();
  readonly holders: number[] = new Array<number>(SPANS).fill(0);

  apply([what, span]: Step): void {
    const holders = this.holders[span] ?? 0;
    if (what === "open") this.open.add(span);
    else if (what === "close") this.open.delete(span);
    else this.holders[span] = what === "increment" ? holders + 1 : holders - 1;
  }
}

function expectSame(order: RarityOrder, naive: NaiveRarity): void {
  const spans = rarestFirst(order);
  expect(new Set(spans.map(Number))).toEqual(naive.open);
  expect(spans.length).toBe(order.openCount);
  const counts = spans.map((span) => naive.holders[span] ?? 0);
  expect(counts).toEqual(counts.toSorted((left, right) => left - right));
  for (const span of geometry.spans()) {
    expect(order.isOpen(span)).toBe(naive.open.has(span));
    expect(order.holders(span)).toBe(naive.holders[span] ?? 0);
  }
}

function createOrder(seed = 1): RarityOrder {
  const random = new Random(seed);
  return new RarityOrder(SPANS, (below) => random.below(below));
}

/** @returns the open spans, the rarest first */
function rarestFirst(order: RarityOrder): SpanIndex[] {
  return Array.from({ length: order.openCount }, (_, rank) => order.at(rank));
}

describe("RarityOrder", () => {
  test("RarityOrder agrees with a naive model after any changes", () => {
    fc.assert(
      fc.property(steps, fc.nat(), (changes, seed) => {
        const order = createOrder(seed);
        const naive = new NaiveRarity();
        for (const change of changes) {
          const [what, index] = change;
          if (what === "decrement" && naive.holders[index] === 0) continue;
          order[what](spanOf(geometry, index));
          naive.apply(change);
          expectSame(order, naive);
        }
      }),
      { numRuns: 400 },
    );
  });

  test("at gives every order of equals about as often as any other", () => {
    const counts = new Map<string, number>();
    const rounds = 3000;
    for (let seed = 0; seed < rounds; seed++) {
      const order = createOrder(seed);
      for (const span of [0, 1, 2]) order.open(spanOf(geometry, span));
      // One that leaves and comes back must not stand at a place of its own.
      order.increment(spanOf(geometry, 1));
      order.decrement(spanOf(geometry, 1));
      const key = rarestFirst(order).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - rounds / 6)).toBeLessThan(150);
  });

  test("at keeps the order of counts for spans that were counted before they opened", () => {
    const order = createOrder();
    for (let times = 0; times < 5; times++) order.increment(spanOf(geometry, 3));
    order.open(spanOf(geometry, 3));
    order.open(spanOf(geometry, 4));
    expect(rarestFirst(order).map(Number)).toEqual([4, 3]);
  });

  test("decrement of a span that nobody holds is a bug of ours", () => {
    expect(() => createOrder().decrement(spanOf(geometry, 0))).toThrow(InvariantError);
  });
});
