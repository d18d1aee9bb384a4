import { describe, expect, test } from "bun:test";
import { InFlight } from "../../peer/in-flight.ts";
import { failureOf } from "../support/eventually.ts";

function works(count: number): PromiseWithResolvers<void>[] {
  return Array.from({ length: count }, () => Promise.withResolvers<void>());
}

describe("InFlight", () => {
  test("add resolves at once while there is room, and else when something is done", async () => {
    const inFlight = new InFlight(2, () => expect.unreachable());
    const [one, two] = works(2);
    await inFlight.add(one?.promise ?? Promise.reject());
    let hasRoom = false;
    const added = inFlight.add(two?.promise ?? Promise.reject()).then(() => {
      hasRoom = true;
    });
    await Bun.sleep(1);
    expect(hasRoom).toBe(false);
    two?.resolve();
    await added;
    one?.resolve();
    await inFlight.finish();
  });

  test("settle and finish wait for everything, finish with the first failure", async () => {
    const told: unknown[] = [];
    const inFlight = new InFlight(9, (cause) => told.push(cause));
    const [one, two, three] = works(3);
    for (const work of [one, two, three]) await inFlight.add(work?.promise ?? Promise.reject());
    two?.reject(new Error("second"));
    await Bun.sleep(1);
    one?.reject(new Error("first"));
    let isSettled = false;
    const settled = inFlight.settle().then(() => {
      isSettled = true;
    });
    await Bun.sleep(1);
    expect(isSettled).toBe(false);
    three?.resolve();
    await settled;
    expect(told).toEqual([new Error("second"), new Error("first")]);
    expect(await failureOf(inFlight.finish())).toEqual(new Error("second"));
  });
});
