import { describe, expect, test } from "bun:test";
import { ProtocolError } from "../../../protocol/errors.ts";
import { REQUESTS_OPEN_MAX } from "../../../protocol/limits.ts";
import { EngineRig, only, type RigOptions, sent } from "../../support/swarm-fixtures.ts";

function servingRig(options: RigOptions = {}): EngineRig {
  const rig = new EngineRig({ have: "all", ...options });
  rig.joinWith(1, []);
  return rig;
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return "accepted";
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

describe("Serving", () => {
  test("onRequest serves what is had and refuses what is not, once each", () => {
    const rig = servingRig({ have: [0, 1, 3] });
    const served = rig.hear(1, { type: "request", first: 0, count: 2 });
    expect(served).toEqual([{ type: "serve", connection: 1, run: rig.run(0, 2) }]);
    const refused = rig.hear(1, { type: "request", first: 1, count: 2 });
    expect(refused).toEqual([
      {
        type: "send",
        connection: 1,
        message: { type: "refuse", first: 1, count: 2, reason: "missing" },
      },
    ]);
    // Refused is answered: it may be asked for again.
    expect(rig.hear(1, { type: "request", first: 1, count: 1 })).toHaveLength(1);
  });

  test("onRequest refuses the same first part twice until it was answered", () => {
    const rig = servingRig();
    rig.hear(1, { type: "request", first: 0, count: 1 });
    expect(codeOf(() => rig.hear(1, { type: "request", first: 0, count: 2 }))).toBe("bad_order");
    rig.do({ type: "served", connection: 1, run: rig.run(0), bytes: 5 });
    expect(rig.hear(1, { type: "request", first: 0, count: 2 })).toHaveLength(1);
  });

  test("SRV-8: onRequest takes REQUESTS_OPEN_MAX open requests and no more", () => {
    const rig = servingRig({ parts: REQUESTS_OPEN_MAX + 1, partBytes: 1 });
    for (let first = 0; first < REQUESTS_OPEN_MAX; first++)
      expect(rig.hear(1, { type: "request", first, count: 1 })).toHaveLength(1);
    const oneMore = { type: "request", first: REQUESTS_OPEN_MAX, count: 1 } as const;
    expect(codeOf(() => rig.hear(1, oneMore))).toBe("too_many_requests");
    // Another connection has room of its own.
    rig.joinWith(2, []);
    expect(only(rig.hear(2, oneMore), "serve")).toHaveLength(1);
  });

  test("onCancel takes back exactly what is open, anything else is ignored", () => {
    const rig = servingRig();
    rig.hear(1, { type: "request", first: 2, count: 2 });
    for (const [first, count] of [
      [2, 1],
      [3, 1],
      [7, 2],
    ] as const)
      expect(rig.hear(1, { type: "cancel", first, count })).toEqual([]);
    expect(rig.hear(1, { type: "cancel", first: 2, count: 2 })).toEqual([
      { type: "unserve", connection: 1, run: rig.run(2, 2) },
    ]);
    rig.do({ type: "served", connection: 1, run: rig.run(2, 2), bytes: 0 });
    expect(rig.hear(1, { type: "cancel", first: 2, count: 2 })).toEqual([]);
  });

  test("onServed adds up the bytes", () => {
    const rig = servingRig();
    for (const [first, bytes] of [
      [0, 100],
      [1, 0],
      [2, 7],
    ] as const) {
      rig.hear(1, { type: "request", first, count: 1 });
      rig.do({ type: "served", connection: 1, run: rig.run(first), bytes });
    }
    expect(rig.engine.stats().bytesServed).toBe(107);
  });

  test("Serving offers a part as soon as it is written, not before", () => {
    const rig = new EngineRig({ parts: 1 });
    rig.joinWith(1, "all");
    rig.joinWith(2, []);
    rig.deliver(1, rig.run(0));
    const early = rig.hear(2, { type: "request", first: 0, count: 1 });
    expect(sent(early, "refuse")).toHaveLength(1);
    rig.do({ type: "written", run: rig.run(0) });
    expect(only(rig.hear(2, { type: "request", first: 0, count: 1 }), "serve")).toHaveLength(1);
  });
});
