import { describe, expect, test } from "bun:test";
import { RecentMap } from "../../tracker/recent-map.ts";

describe("RecentMap", () => {
  test("never has more than its size, and keeps what is used", () => {
    const map = new RecentMap<number>(10);
    map.set("used", 1);
    for (let at = 0; at < 1000; at++) {
      map.set(`k${at}`, at);
      expect(map.get("used")).toBe(1);
      expect(map.size).toBeLessThanOrEqual(10);
      // Half as many are there in any case.
      for (let back = 0; back < 4 && back <= at; back++)
        expect(map.get(`k${at - back}`)).toBe(at - back);
    }
    expect(map.get("k0")).toBeUndefined();
  });

  test("takes a new value in place of an old one, wherever that was", () => {
    const map = new RecentMap<number>(4);
    map.set("a", 1);
    map.set("a", 2);
    expect(map.get("a")).toBe(2);
    map.set("b", 1);
    map.set("c", 1);
    map.set("a", 3);
    expect(map.get("a")).toBe(3);
    map.set("d", 1);
    map.set("e", 1);
    map.set("f", 1);
    expect(map.get("a")).toBeUndefined();
  });
});
