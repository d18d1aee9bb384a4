import { describe, expect, test } from "bun:test";
import { Window } from "../../../peer/swarm/window.ts";
import { Geometry } from "../../../protocol/geometry.ts";
import { SPAN_BYTES_SMALL } from "../../../protocol/limits.ts";
import {
  asked,
  closed,
  EngineRig,
  geometryOf,
  LARGE_PART_BYTES,
  runOf,
  sent,
} from "../../support/swarm-fixtures.ts";

/** Four parts to a span. */
const SMALL_PARTS = new Geometry({
  fileBytes: 38 * (SPAN_BYTES_SMALL / 4) + 5,
  partBytes: SPAN_BYTES_SMALL / 4,
});

describe("Window", () => {
  test("Window ends so many spans ahead of the reader, and with the file", () => {
    const window = new Window(SMALL_PARTS, { places: 3, first: 5 });
    expect(window.end).toBe(16);
    window.keep();
    window.take(runOf(SMALL_PARTS, 5, 3));
    expect(window.end).toBe(20);
    window.keep();
    window.take(runOf(SMALL_PARTS, 8, 24));
    expect(window.end).toBe(39);
  });

  test("Window never moves back, whatever is taken twice", () => {
    const window = new Window(SMALL_PARTS, { places: 2, first: 0 });
    for (let count = 0; count < 2; count++) window.keep();
    window.take(runOf(SMALL_PARTS, 0, 8));
    window.take(runOf(SMALL_PARTS, 0, 4));
    expect(window.end).toBe(16);
  });

  test("Window leaves the last place to the head, and one more to take it over into where there are three", () => {
    const others = (places: number, kept: number, isHeadAsked: boolean) => {
      const window = new Window(SMALL_PARTS, { places, first: 0 });
      for (let count = 0; count < kept; count++) window.keep();
      let open = 0;
      while (window.hasPlace({ isHead: false, isHeadAsked, open })) open++;
      let heads = 0;
      while (window.hasPlace({ isHead: true, isHeadAsked, open: open + heads })) heads++;
      return [open, heads];
    };
    expect(others(1, 0, false)).toEqual([0, 1]);
    expect(others(1, 0, true)).toEqual([1, 0]);
    expect(others(2, 0, false)).toEqual([1, 1]);
    expect(others(3, 0, false)).toEqual([1, 2]);
    expect(others(10, 0, false)).toEqual([8, 2]);
    expect(others(10, 0, true)).toEqual([9, 1]);
    expect(others(10, 8, false)).toEqual([0, 2]);
    expect(others(10, 10, false)).toEqual([0, 0]);
  });
});

function pipe(
  places: number,
  options: { parts?: number; have?: readonly number[]; peersMax?: number } = {},
) {
  return new EngineRig({ parts: 20, ...options, pipe: { places } });
}

describe("Engine into a pipe", () => {
  test("Engine offers nothing of what it got, and refuses what it is asked for", () => {
    const rig = pipe(8, { have: [0, 1] });
    expect(sent(rig.join(1), "bitmap")[0]?.message).toMatchObject({ parts: "none" });
    rig.joinWith(2, [5]);
    rig.hear(1, rig.bitmap("all"));
    const effects = rig.complete(1, rig.run(2));
    expect(sent(effects, "have")).toEqual([]);
    for (const part of [0, 2]) {
      const [refusal] = sent(rig.hear(2, { type: "request", first: part, count: 1 }), "refuse");
      expect(refusal?.message).toMatchObject({ first: part, reason: "missing" });
    }
    // The control: the same into a file.
    const file = new EngineRig({ parts: 20, have: [0, 1] });
    expect(sent(file.join(1), "bitmap")[0]?.message).toMatchObject({ parts: "some" });
    file.joinWith(2, [5]);
    file.hear(1, file.bitmap("all"));
    const [first] = asked(file.effects, 1);
    expect(sent(file.complete(1, first ?? file.run(2)), "have")).toHaveLength(1);
  });

  test("Engine asks for the lowest first, and for none beyond the window until the reader took some", () => {
    const rig = pipe(5);
    const firsts = () => asked(rig.effects).map(({ first }) => Number(first));
    rig.joinWith(1, "all");
    // Two spans at first; what arrives makes room for the next, as long as there are places.
    expect(firsts()).toEqual([0, 1]);
    for (let part = 0; part < 4; part++) rig.complete(1, rig.run(part));
    expect(firsts()).toEqual([0, 1, 2, 3, 4]);
    rig.complete(1, rig.run(4));
    for (let second = 0; second < 60; second++) {
      const effects = rig.pass(1000);
      expect(effects.filter(({ type }) => type !== "send")).toEqual([]);
      for (const { connection, message } of sent(effects, "ping")) rig.pong(connection, message.id);
    }
    expect(firsts()).toEqual([0, 1, 2, 3, 4]);
    rig.do({ type: "taken", run: rig.run(0) });
    expect(firsts()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("Engine leaves a place for the head while another peer fills the rest", () => {
    const rig = pipe(6);
    rig.joinWith(1, [1, 2, 3, 4, 5]);
    for (let part = 1; part <= 5; part++) {
      if (rig.isAsked(1, part)) rig.complete(1, rig.run(part));
    }
    expect(asked(rig.effects).map(({ first }) => Number(first))).toEqual([1, 2, 3, 4]);
    // And one more stays free, to take the head over into.
    expect(asked(rig.joinWith(2, "all"), 2).map(({ first }) => Number(first))).toEqual([0]);
  });

  test("Engine lets a faster peer take over the head before anything else that a slow one owes", () => {
    const rig = pipe(8);
    rig.joinWith(1, "all");
    expect(asked(rig.effects, 1)).toHaveLength(2);
    rig.do({ type: "arrived", connection: 1, first: rig.run(0).first, bytes: 1000 });
    rig.joinWith(2, "all");
    for (let part = 2; part < 8; part++) {
      rig.nowMs += 100;
      if (rig.isAsked(2, part)) rig.complete(2, rig.run(part));
    }
    rig.pass(500);
    const [cancel] = sent(rig.effects, "cancel");
    expect(cancel).toMatchObject({ connection: 1, message: { first: 0, count: 1 } });
    const moved = asked(rig.effects, 2).map(({ first }) => Number(first));
    expect(moved.slice(0, -1)).toEqual([2, 3, 4, 5, 6]);
    expect(moved.at(-1)).toBe(0);
  });

  test("Engine without a place to take the head over into takes it back first, and asks another when that is answered", () => {
    const rig = pipe(2);
    rig.joinWith(1, "all");
    rig.do({ type: "arrived", connection: 1, first: rig.run(0).first, bytes: 1000 });
    // The second has just shown that it is fast.
    rig.joinWith(2, [1]);
    rig.nowMs += 100;
    rig.complete(1, rig.run(1));
    rig.hear(2, { type: "have", first: 0, count: 1 });
    for (let step = 0; step < 8; step++) {
      rig.nowMs += 250;
      rig.do({ type: "arrived", connection: 1, first: rig.run(0).first, bytes: 10 });
      rig.tick();
    }
    rig.nowMs += 6000;
    const effects = rig.tick();
    expect(sent(effects, "cancel")).toMatchObject([{ connection: 1, message: { first: 0 } }]);
    expect(asked(effects)).toEqual([]);
    const after = rig.hear(1, { type: "refuse", first: 0, count: 1, reason: "cancelled" });
    expect(asked(after, 2)).toEqual([rig.run(0)]);
    expect(asked(after, 1)).toEqual([]);
  });

  test("Engine finds nobody guilty while the reader takes nothing", () => {
    const rig = pipe(6);
    rig.joinWith(1, "all");
    rig.joinWith(2, "all");
    for (let part = 0; part < 6; part++) rig.complete(rig.isAsked(1, part) ? 1 : 2, rig.run(part));
    const answerPings = (effects: ReturnType<EngineRig["tick"]>) => {
      for (const { connection, message } of sent(effects, "ping")) rig.pong(connection, message.id);
    };
    for (let second = 0; second < 600; second++) {
      const effects = rig.pass(1000);
      expect(closed(effects)).toEqual([]);
      expect(sent(effects, "cancel")).toEqual([]);
      answerPings(effects);
    }
    rig.do({ type: "taken", run: rig.run(0) });
    expect(asked(rig.effects).at(-1)).toEqual(rig.run(6));
  });

  test("Engine leaves one that owes the head and is mute, however much waits behind it", () => {
    const rig = pipe(6);
    rig.joinWith(1, [0]);
    rig.joinWith(2, [1, 2, 3, 4, 5]);
    for (let part = 1; part <= 5; part++) if (rig.isAsked(2, part)) rig.complete(2, rig.run(part));
    const effects = rig.pass(60_000);
    expect(closed(effects).map(([connection]) => connection)).toContain(1);
  });

  test("Engine into a pipe leaves those who have nothing for long when it has no place for others", () => {
    const leavesEmpty = (peersMax: number, rig = pipe(8, { peersMax })) => {
      rig.joinWith(1, []);
      rig.joinWith(2, "all");
      rig.joinWith(3, []);
      rig.pass(15_000);
      rig.hear(3, { type: "have", first: 1, count: 1 });
      return closed(rig.pass(15_000)).map(([connection]) => connection);
    };
    expect(leavesEmpty(3)).toEqual([1]);
    expect(leavesEmpty(4)).toEqual([]);
    expect(leavesEmpty(3, new EngineRig({ parts: 20, peersMax: 3 }))).toEqual([]);
  });

  test("Engine asks for nothing outside what is wanted", () => {
    const outside = [0, 1, 2, 3, 4, 5, 6, 12, 13, 14, 15, 16, 17, 18, 19];
    const rig = pipe(40, { have: outside });
    rig.joinWith(1, "all");
    for (let part = 7; part < 12; part++) rig.complete(1, rig.run(part));
    expect(asked(rig.effects).map(({ first }) => Number(first))).toEqual([7, 8, 9, 10, 11]);
    expect(rig.effects.some(({ type }) => type === "complete")).toBe(true);
  });

  test("Engine completes when the places are one, and the parts fill them", () => {
    const rig = pipe(1, { parts: 4 });
    rig.joinWith(1, "all");
    rig.joinWith(2, "all");
    for (let part = 0; part < 4; part++) {
      const owing = [1, 2].filter((connection) => rig.isAsked(connection, part));
      expect([part, owing.length]).toEqual([part, 1]);
      rig.complete(owing[0] ?? 0, rig.run(part));
      rig.do({ type: "taken", run: rig.run(part) });
    }
    expect(rig.engine.isComplete).toBe(true);
  });
});

describe("Engine in order", () => {
  test("Engine asks for the lowest parts first when it is told to, and offers them as always", () => {
    const rig = new EngineRig({ parts: 30, order: "sequential" });
    rig.joinWith(1, "all");
    rig.joinWith(2, []);
    for (let part = 0; part < 30; part++) rig.complete(1, rig.run(part));
    expect(asked(rig.effects).map(({ first }) => Number(first))).toEqual(
      Array.from({ length: 30 }, (_, at) => at),
    );
    expect(sent(rig.effects, "have").length).toBeGreaterThan(0);
    // The control: rarest first, equals at random.
    const random = new EngineRig({ parts: 30 });
    random.joinWith(1, "all");
    expect(asked(random.effects).map(({ first }) => Number(first))).not.toEqual([0, 1]);
    expect(geometryOf(30).fileBytes).toBe(30 * LARGE_PART_BYTES);
  });
});
