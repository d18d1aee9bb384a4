import { expect, test } from "bun:test";
import { collectEvery } from "../../tracker/garbage.ts";

test("collectEvery collects after so many steps, each tenth time all of it, and never at rest", () => {
  const done: string[] = [];
  const collector = { young: () => done.push("young"), all: () => done.push("all") };
  const step = collectEvery(25, collector);
  for (let steps = 1; steps < 25; steps++) step();
  expect(done).toEqual([]);
  step();
  expect(done).toEqual(["young"]);
  for (let steps = 25; steps < 500; steps++) step();
  const round = [...new Array(9).fill("young"), "all"];
  expect(done).toEqual([...round, ...round]);
});
