import { describe, expect, test } from "bun:test";
import type { SwarmEffect } from "../../../peer/swarm/messages.ts";
import { RULES } from "../../../peer/swarm/rules.ts";
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
    // Refused is answered: it may be asked for again, and is sent when its turn comes.
    expect(rig.hear(1, { type: "request", first: 1, count: 1 })).toEqual([]);
    const next = rig.do({ type: "served", connection: 1, run: rig.run(0, 2), bytes: 5 });
    expect(next).toEqual([{ type: "serve", connection: 1, run: rig.run(1) }]);
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
      expect(sent(rig.hear(1, { type: "request", first, count: 1 }), "refuse")).toEqual([]);
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

  test("onSent adds up the bytes", () => {
    const rig = servingRig();
    for (const [first, bytes] of [
      [0, 100],
      [1, 0],
      [2, 7],
    ] as const) {
      rig.hear(1, { type: "request", first, count: 1 });
      rig.do({ type: "sent", bytes });
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

  test("Serving serves slotsMin peers at a time, a run each, the others in turn by bytes", () => {
    const rig = new EngineRig({ have: "all", parts: 64 });
    const peers = [1, 2, 3, 4, 5, 6];
    for (const peer of peers) rig.joinWith(peer, []);
    for (const peer of peers) {
      for (let at = 0; at < 8; at++)
        rig.hear(peer, { type: "request", first: 8 * (peer - 1) + at, count: 1 });
    }
    const serving = only(rig.effects, "serve").map(({ connection }) => connection);
    expect(serving).toEqual(peers.slice(0, RULES.slotsMin));
    // Each run that is out makes room for the one that got least; all get the same in the end.
    const order: number[] = [];
    for (let next = only(rig.effects, "serve"); next.length > 0; ) {
      const [{ connection, run } = { connection: 0, run: rig.run(0) }, ...later] = next;
      order.push(connection);
      const bytes = rig.geometry.runRange(run).length;
      next = [...later, ...only(rig.do({ type: "served", connection, run, bytes }), "serve")];
    }
    expect(order).toHaveLength(48);
    for (const peer of peers) {
      expect(order.filter((connection) => connection === peer)).toHaveLength(8);
      // Never far behind the others.
      const half = order.slice(0, 24).filter((connection) => connection === peer);
      expect(half.length).toBeGreaterThanOrEqual(3);
    }
  });

  test("Serving sends first what it sent least often, of several waiting requests and peers", () => {
    const firstServed = (servesRarestFirst: boolean): number => {
      const rules = { ...RULES, slotsMin: 1, slotsMax: 1, servesRarestFirst };
      const rig = new EngineRig({ have: "all", parts: 16, rules });
      for (const peer of [1, 2, 3]) rig.joinWith(peer, []);
      rig.hear(1, { type: "request", first: 0, count: 1 });
      // Part 0 is on its way to peer 1 when the others ask: peer 3 wants something new.
      rig.hear(2, { type: "request", first: 0, count: 1 });
      rig.hear(3, { type: "request", first: 9, count: 1 });
      const next = rig.do({ type: "served", connection: 1, run: rig.run(0), bytes: 1 });
      return only(next, "serve")[0]?.connection ?? 0;
    };
    expect(firstServed(true)).toBe(3);
    // Negative control: without it whoever asked first is first.
    expect(firstServed(false)).toBe(2);
  });

  test("Serving counts copies of those that are still there", () => {
    const rules = { ...RULES, slotsMin: 1, slotsMax: 1 };
    const rig = new EngineRig({ have: "all", parts: 16, rules });
    for (const peer of [1, 2, 3]) rig.joinWith(peer, []);
    rig.hear(1, { type: "request", first: 0, count: 1 });
    rig.do({ type: "served", connection: 1, run: rig.run(0), bytes: 1 });
    rig.hear(2, { type: "request", first: 1, count: 1 });
    rig.do({ type: "left", connection: 1, reason: "gone" });
    // Peer 3 asks for both; part 1 has just been sent, the only copy of part 0 has left.
    rig.do({ type: "served", connection: 2, run: rig.run(1), bytes: 1 });
    rig.hear(2, { type: "request", first: 5, count: 1 });
    rig.hear(3, { type: "request", first: 1, count: 1 });
    rig.hear(3, { type: "request", first: 0, count: 1 });
    const next = rig.do({ type: "served", connection: 2, run: rig.run(5), bytes: 1 });
    expect(only(next, "serve").map(({ run }) => Number(run.first))).toEqual([0]);
  });

  test("review refuses what waited for 8 s as busy, and who is gone makes room", () => {
    const rules = { ...RULES, slotsMin: 1, slotsMax: 1 };
    const rig = new EngineRig({ have: "all", parts: 16, rules });
    for (const peer of [1, 2]) rig.joinWith(peer, []);
    rig.hear(1, { type: "request", first: 0, count: 1 });
    rig.hear(1, { type: "request", first: 3, count: 1 });
    rig.hear(2, { type: "request", first: 1, count: 1 });
    expect(sent(rig.pass(7900), "refuse")).toEqual([]);
    // Not what comes next for the one that is being served.
    const refused = sent(rig.pass(300), "refuse");
    expect(refused).toEqual([
      { connection: 2, message: { type: "refuse", first: 1, count: 1, reason: "busy" } },
    ]);
    rig.hear(2, { type: "request", first: 2, count: 1 });
    const next = rig.do({ type: "left", connection: 1, reason: "gone" });
    expect(only(next, "serve").map(({ connection }) => connection)).toEqual([2]);
  });

  test("SRV-7: review serves others while some take nothing, and counts those again when they do", () => {
    const rules = { ...RULES, slotsMin: 2, slotsMax: 2 };
    const rig = new EngineRig({ have: "all", parts: 16, rules });
    for (const peer of [1, 2, 3, 4]) rig.joinWith(peer, []);
    for (const peer of [1, 2, 3, 4])
      for (const at of [0, 1]) rig.hear(peer, { type: "request", first: peer + 4 * at, count: 1 });
    const tick = (...stuck: number[]) => rig.do({ type: "tick", stuck: new Set(stuck) });
    const served = (effects: readonly SwarmEffect[]) =>
      only(effects, "serve").map(({ connection }) => connection);
    expect(served(rig.effects)).toEqual([1, 2]);
    // Negative control: whoever is served holds his place, however long.
    expect(served(tick())).toEqual([]);
    expect(served(tick(1))).toEqual([3]);
    expect(served(tick(1, 2))).toEqual([4]);
    // What it is being sent is out, and it takes nothing: no turn for it, though a place is free.
    rig.do({ type: "tick", stuck: new Set([1, 3]) });
    expect(served(rig.do({ type: "served", connection: 1, run: rig.run(1), bytes: 1 }))).toEqual(
      [],
    );
    const out = (peer: number) =>
      served(rig.do({ type: "served", connection: peer, run: rig.run(peer), bytes: 1 }));
    expect(out(2)).toEqual([2]);
    // All take again: three are being served, so that the first that is done makes no room.
    expect(served(tick())).toEqual([]);
    expect(out(3)).toEqual([]);
    expect(out(4)).toEqual([1]);
  });

  test("onCancel of what only waits is answered at once", () => {
    const rules = { ...RULES, slotsMin: 1, slotsMax: 1 };
    const rig = servingRig({ rules });
    rig.hear(1, { type: "request", first: 0, count: 1 });
    rig.hear(1, { type: "request", first: 1, count: 2 });
    expect(rig.hear(1, { type: "cancel", first: 1, count: 1 })).toEqual([]);
    expect(sent(rig.hear(1, { type: "cancel", first: 1, count: 2 }), "refuse")).toEqual([
      { connection: 1, message: { type: "refuse", first: 1, count: 2, reason: "cancelled" } },
    ]);
    expect(rig.do({ type: "served", connection: 1, run: rig.run(0), bytes: 1 })).toEqual([]);
  });

  test("Serving prefers among equals whoever has least", () => {
    const rules = { ...RULES, slotsMin: 1, slotsMax: 1 };
    const rig = new EngineRig({ have: "all", parts: 16, rules });
    rig.joinWith(1, []);
    rig.joinWith(2, [10, 11, 12]);
    rig.joinWith(3, [13]);
    rig.hear(1, { type: "request", first: 0, count: 1 });
    rig.hear(2, { type: "request", first: 1, count: 1 });
    rig.hear(3, { type: "request", first: 2, count: 1 });
    const next = rig.do({ type: "served", connection: 1, run: rig.run(0), bytes: 1 });
    expect(only(next, "serve").map(({ connection }) => connection)).toEqual([3]);
  });

  test("SRV-8: Serving gives an honest peer its turns beside many who ask for more and say that they have nothing", () => {
    const rules = { ...RULES, slotsMin: 2, slotsMax: 2 };
    const rig = new EngineRig({ have: "all", parts: 4000, rules });
    const greedy = [1, 2, 3, 4, 5, 6];
    for (const peer of greedy) rig.joinWith(peer, []);
    rig.joinWith(
      9,
      Array.from({ length: 2000 }, (_, at) => at),
    );
    let asked = 2000;
    const ask = (connection: number) =>
      rig.hear(connection, { type: "request", first: asked++ % 4000, count: 1 });
    // Each always has a few requests open, for what was never sent before.
    const serving = [...greedy, 9].flatMap((peer) =>
      [1, 2, 3].flatMap(() => only(ask(peer), "serve")),
    );
    let turns = 0;
    for (let step = 0; step < 800; step++) {
      const job = serving.shift();
      if (job === undefined) throw new Error("Somebody is served");
      if (job.connection === 9) turns++;
      const bytes = rig.geometry.runRange(job.run).length;
      serving.push(
        ...only(
          rig.do({ type: "served", connection: job.connection, run: job.run, bytes }),
          "serve",
        ),
        ...only(ask(job.connection), "serve"),
      );
    }
    // One turn in eight is dealt out by bytes, and of those each of seven gets as many.
    expect(turns).toBeGreaterThanOrEqual(Math.floor(800 / 8) - 14);
  });
});
