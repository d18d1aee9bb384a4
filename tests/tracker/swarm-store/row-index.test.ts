import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RowIndex } from "../../../tracker/swarm-store/row-index.ts";
import { Rows } from "../../../tracker/swarm-store/rows.ts";

const [GROUP, NAME] = [0, 1];

/** An index beside a map. */
class Pair {
  readonly #rows = new Rows(2);
  readonly #index = new RowIndex(this.#rows, { group: GROUP, name: NAME });
  readonly #model = new Map<string, number>();

  put(group: number, name: number): void {
    const row = this.#rows.take();
    this.#rows.set(row, GROUP, group);
    this.#rows.set(row, NAME, name);
    expect(this.#index.put(row)).toBe(this.#expected(group, name));
    this.#model.set(`${group} ${name}`, row);
  }

  remove(group: number, name: number): void {
    const row = this.#expected(group, name);
    if (row !== 0) this.#index.remove(row);
    this.#model.delete(`${group} ${name}`);
  }

  find(group: number, name: number): void {
    expect(this.#index.find(group, name)).toBe(this.#expected(group, name));
  }

  compare(): void {
    for (const key of this.#model.keys()) {
      const [group = 0, name = 0] = key.split(" ").map(Number);
      this.find(group, name);
    }
  }

  #expected(group: number, name: number): number {
    return this.#model.get(`${group} ${name}`) ?? 0;
  }
}

describe("Rows", () => {
  test("rows keep what stands in them, whatever their number", () => {
    const rows = new Rows(3);
    const taken = Array.from({ length: 10_000 }, () => rows.take());
    expect(taken[0]).toBe(1);
    for (const row of taken)
      for (const column of [0, 1, 2]) rows.set(row, column, row + column / 4);
    for (const row of taken)
      for (const column of [0, 1, 2]) {
        expect(rows.get(row, column)).toBe(row + column / 4);
      }
  });

  test("a row that was given back is taken again", () => {
    const rows = new Rows(1);
    const [first, second] = [rows.take(), rows.take()];
    rows.give(first);
    expect(rows.take()).toBe(first);
    expect(rows.take()).toBe(second + 1);
    expect(rows.last).toBe(second + 1);
  });
});

describe("RowIndex", () => {
  test("agrees with a map whatever comes, is replaced and goes", () => {
    // Few names that meet in the last bits, so that many rows want the same slots.
    const step = fc.record({
      action: fc.constantFrom("put", "put", "remove", "find"),
      group: fc.nat(3),
      name: fc.nat(200).map((number) => (number % 7) * 2 ** 33 + Math.floor(number / 7)),
    });
    const runs = fc.property(fc.array(step, { maxLength: 3000, minLength: 100 }), (steps) => {
      const pair = new Pair();
      for (const { action, group, name } of steps) pair[action](group, name);
      pair.compare();
    });
    fc.assert(runs, { numRuns: 100 });
  });

  test("finds all of a hundred thousand, and none that went", () => {
    const rows = new Rows(2);
    const index = new RowIndex(rows, { group: GROUP, name: NAME });
    const nameOf = (number: number): number =>
      (Math.imul(number, 0x85ebca6b) >>> 0) * 2 ** 20 + (Math.imul(number, 0xc2b2ae35) >>> 12);
    for (let number = 0; number < 100_000; number++) {
      const row = rows.take();
      rows.set(row, GROUP, number % 10);
      rows.set(row, NAME, nameOf(number));
      index.put(row);
    }
    for (let number = 0; number < 100_000; number += 2) {
      index.remove(index.find(number % 10, nameOf(number)));
    }
    for (let number = 0; number < 100_000; number++) {
      const expected = number % 2 === 0 ? 0 : number + 1;
      expect(index.find(number % 10, nameOf(number))).toBe(expected);
    }
  });

  test("a row that was replaced takes nobody out", () => {
    const rows = new Rows(2);
    const index = new RowIndex(rows, { group: GROUP, name: NAME });
    const [former, later] = [rows.take(), rows.take()];
    for (const row of [former, later]) rows.set(row, NAME, 5);
    index.put(former);
    expect(index.put(later)).toBe(former);
    index.remove(former);
    expect(index.find(0, 5)).toBe(later);
  });
});
