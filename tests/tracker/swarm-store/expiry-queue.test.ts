import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ExpiryQueue, OF_OBJECTS } from "../../../tracker/swarm-store/expiry-queue.ts";

interface Item {
  readonly name: number;
  expires: number;
  gone: boolean;
}

/** A queue beside a plain list of what lives. */
class Pair {
  readonly #queue = new ExpiryQueue<Item>(OF_OBJECTS);
  #living: Item[] = [];
  #now = 0;
  #names = 0;

  add(ms: number): void {
    const item = { name: this.#names++, expires: this.#now + ms, gone: false };
    this.#living.push(item);
    this.#queue.add(item);
  }

  renew(ms: number, which: number): void {
    const item = this.#living[which % Math.max(this.#living.length, 1)];
    if (item !== undefined) item.expires = Math.max(item.expires, this.#now + ms);
  }

  go(_ms: number, which: number): void {
    const [item] = this.#living.splice(which % Math.max(this.#living.length, 1), 1);
    if (item === undefined) return;
    item.gone = true;
    this.#queue.forget();
  }

  take(ms: number): void {
    this.#now += ms;
    const taken: Item[] = [];
    for (;;) {
      const one = this.#queue.takeExpired(this.#now);
      if (one === undefined) break;
      taken.push(one);
    }
    const times = taken.map(({ expires }) => expires);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(new Set(taken)).toEqual(
      new Set(this.#living.filter(({ expires }) => expires <= this.#now)),
    );
    this.#living = this.#living.filter((item) => !taken.includes(item));
  }
}

describe("ExpiryQueue", () => {
  test("gives what expired, earliest first, and nothing before its time", () => {
    const queue = new ExpiryQueue<Item>(OF_OBJECTS);
    for (const expires of [30, 10, 20]) queue.add({ name: expires, expires, gone: false });
    expect(queue.hasExpired(9)).toBe(false);
    expect(queue.takeExpired(9)).toBeUndefined();
    expect(queue.hasExpired(10)).toBe(true);
    expect(queue.takeExpired(25)?.name).toBe(10);
    expect(queue.takeExpired(25)?.name).toBe(20);
    expect(queue.takeExpired(25)).toBeUndefined();
    expect(queue.takeExpired()?.name).toBe(30);
    expect(queue.takeExpired()).toBeUndefined();
  });

  test("agrees with a sorted list whatever lives on, goes and comes", () => {
    const step = fc.record({
      action: fc.constantFrom("add", "add", "renew", "go", "take"),
      which: fc.nat(1_000_000),
      ms: fc.nat(50),
    });
    const runs = fc.property(fc.array(step, { maxLength: 4000, minLength: 100 }), (steps) => {
      const pair = new Pair();
      for (const { action, which, ms } of steps) pair[action](ms, which);
    });
    fc.assert(runs, { numRuns: 60 });
  });

  test("does not keep a crowd that came and went", () => {
    const queue = new ExpiryQueue<Item>(OF_OBJECTS);
    const kept = { name: 0, expires: 1, gone: false };
    queue.add(kept);
    const weak: WeakRef<Item>[] = [];
    for (let name = 1; name <= 20_000; name++) {
      const item = { name, expires: 1e9, gone: false };
      queue.add(item);
      item.gone = true;
      queue.forget();
      weak.push(new WeakRef(item));
    }
    Bun.gc(true);
    expect(weak.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(3000);
    expect(queue.takeExpired(1)).toBe(kept);
  });
});
