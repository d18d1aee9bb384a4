import { describe, expect, test } from "bun:test";
import type { SwarmEffect } from "../../../peer/swarm/messages.ts";
import { ProtocolError } from "../../../protocol/errors.ts";
import type { ControlMessage } from "../../../protocol/messages.ts";
import { addressOf, asked, closed, EngineRig, only, sent } from "../../support/swarm-fixtures.ts";

/** The connections of two peers that dialled each other at the same moment. */
const DIALLED_BY_A = 1;
const DIALLED_BY_B = 2;
type Happening = "A1" | "A2" | "B1" | "B2";

/** Both ends see both connections in that order, and each sees the other's closing at once.
 * @returns the connections that are left at either end */
function meet(order: readonly Happening[], ids: { readonly a: number; readonly b: number }) {
  const ends = {
    A: { rig: new EngineRig({ self: ids.a }), other: ids.b, left: new Set<number>() },
    B: { rig: new EngineRig({ self: ids.b }), other: ids.a, left: new Set<number>() },
  };
  const dead = new Set<number>();
  const close = (effects: readonly SwarmEffect[]) => {
    for (const [connection, reason] of closed(effects)) {
      if (dead.has(connection)) continue;
      dead.add(connection);
      for (const { rig, left } of Object.values(ends)) {
        if (left.delete(connection)) close(rig.do({ type: "left", connection, reason }));
      }
    }
  };
  for (const happening of order) {
    const end = ends[happening.startsWith("A") ? "A" : "B"];
    const connection = happening.endsWith("1") ? DIALLED_BY_A : DIALLED_BY_B;
    const isDialled = (end === ends.A) === (connection === DIALLED_BY_A);
    if (dead.has(connection)) continue;
    end.left.add(connection);
    close(end.rig.join(connection, { peer: end.other, address: addressOf(end.other), isDialled }));
  }
  return { a: [...ends.A.left], b: [...ends.B.left] };
}

function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, at) =>
    permutations(items.toSpliced(at, 1)).map((rest) => [item, ...rest]),
  );
}

function bitmapMessage(bytes: readonly number[]): ControlMessage {
  return { type: "bitmap", parts: "some", bits: Uint8Array.from(bytes) };
}

describe("Members", () => {
  test("Members keeps one connection of two twins, the same at both ends, whatever comes first", () => {
    for (const order of permutations(["A1", "A2", "B1", "B2"] as const)) {
      for (const [a, b, bySmaller] of [
        [3, 9, DIALLED_BY_A],
        [9, 3, DIALLED_BY_B],
      ] as const) {
        const left = meet(order, { a, b });
        expect(left.a).toHaveLength(1);
        expect(left.b).toEqual(left.a);
        // Where one end saw both before the other saw any, it is the one that the smaller id dialled.
        if (order[0]?.[0] === order[1]?.[0]) expect(left.a).toEqual([bySmaller]);
      }
    }
  });

  test("Members keeps the older of two connections that were dialled from the same end", () => {
    for (const peer of [7, 900]) {
      for (const isDialled of [true, false]) {
        const rig = new EngineRig({ self: 500 });
        rig.join(1, { peer, isDialled });
        expect(closed(rig.join(2, { peer, isDialled }))).toEqual([[2, "connected twice"]]);
        expect(rig.engine.stats().peers).toBe(1);
      }
    }
  });

  test("join greets with what is had, and reports", () => {
    for (const [have, parts] of [
      [[], "none"],
      ["all", "all"],
      [[0, 3], "some"],
    ] as const) {
      const rig = new EngineRig({ have });
      const effects = rig.join(1);
      expect(effects.map(({ type }) => type)).toEqual(["send", "report"]);
      expect(sent(effects, "bitmap")[0]?.message).toEqual({
        type: "bitmap",
        parts,
        bits: Uint8Array.from(parts === "some" ? [0b10010000] : []),
      });
    }
  });

  test("join refuses beyond the most peers, and takes one again when one has left", () => {
    const rig = new EngineRig({ peersMax: 2 });
    rig.join(1);
    rig.join(2);
    expect(closed(rig.join(3))).toEqual([[3, "no place left"]]);
    rig.do({ type: "left", connection: 1, reason: "reset" });
    expect(closed(rig.join(4))).toEqual([]);
    expect(rig.engine.stats().peers).toBe(2);
  });

  test("SRV-5: join gives the place of who has asked a full source for nothing for longest to who comes", () => {
    const rig = new EngineRig({ have: "all", peersMax: 3 });
    for (const peer of [1, 2, 3]) rig.joinWith(peer, []);
    const ask = (peer: number) => rig.hear(peer, { type: "request", first: peer, count: 1 });
    rig.nowMs += 40_000;
    ask(2);
    rig.nowMs += 10_000;
    ask(1);
    rig.nowMs += 9000;
    // Negative control: everybody has asked, or come, within the last minute.
    expect(closed(rig.join(4))).toEqual([[4, "no place left"]]);
    rig.nowMs += 2000;
    expect(closed(rig.join(5))).toEqual([[3, "it asks for nothing, and others wait"]]);
    // Whoever is being sent away is not sent away twice.
    expect(closed(rig.join(6))).toEqual([[6, "no place left"]]);
    rig.do({ type: "left", connection: 3, reason: "gone" });
    rig.nowMs += 50_000;
    expect(closed(rig.join(7))).toEqual([[2, "it asks for nothing, and others wait"]]);
    // Who may not come takes nobody's place.
    expect(closed(rig.join(8, { peer: 1 }))).toEqual([[8, "connected twice"]]);
  });

  test("join keeps those who ask for nothing while we want something, and while there is a place", () => {
    for (const options of [{ peersMax: 2 }, { have: "all", peersMax: 3 }] as const) {
      const rig = new EngineRig(options);
      for (const peer of [1, 2]) rig.joinWith(peer, []);
      rig.nowMs += 600_000;
      const reasons = closed(rig.join(3)).map(([, reason]) => reason);
      expect(reasons).toEqual("have" in options ? [] : ["no place left"]);
    }
  });

  test("SIM-1: join refuses an address that was banned", () => {
    const rig = new EngineRig();
    rig.joinWith(1, "all");
    expect(closed(rig.bad(1, rig.run(asked(rig.effects)[0]?.first ?? 0)))).toHaveLength(1);
    rig.do({ type: "left", connection: 1, reason: "banned" });
    expect(closed(rig.join(2, { peer: 77, address: addressOf(1) }))).toEqual([[2, "banned"]]);
    expect(rig.engine.stats().peersBanned).toBe(1);
  });

  test("dial stops at the most peers, counting those under way", () => {
    const rig = new EngineRig({ peersMax: 3 });
    rig.join(1, { isDialled: false });
    const addresses = Array.from({ length: 9 }, (_, at) => addressOf(20 + at));
    const effects = rig.do({ type: "learned", source: "tracker", addresses });
    expect(only(effects, "dial")).toHaveLength(2);
  });

  test("dial does nothing once everything is there", () => {
    const rig = new EngineRig({ have: "all" });
    const effects = rig.do({ type: "learned", source: "tracker", addresses: [addressOf(1)] });
    expect(effects).toEqual([]);
  });

  test("dial is not used up by peers that answer and say that they do not listen", () => {
    const rig = new EngineRig();
    const addresses = Array.from({ length: 20 }, (_, at) => addressOf(20 + at));
    let dials = only(rig.do({ type: "learned", source: "tracker", addresses }), "dial");
    let connection = 0;
    let dialled = 0;
    while (dials.length > 0) {
      dialled += dials.length;
      for (const { address } of dials) {
        connection++;
        rig.join(connection, { address, isListening: false });
      }
      dials = only(rig.tick(250), "dial");
    }
    expect(dialled).toBe(20);
  });

  test("dialFailed and dialledSelf make room for the next", () => {
    const rig = new EngineRig();
    const addresses = Array.from({ length: 12 }, (_, at) => addressOf(20 + at));
    const [first, second] = only(rig.do({ type: "learned", source: "user", addresses }), "dial");
    const address = first?.address ?? addressOf(0);
    expect(only(rig.do({ type: "dialFailed", address, reason: "refused" }), "dial")).toHaveLength(
      1,
    );
    rig.do({ type: "dialledSelf", address: second?.address ?? addressOf(0) });
    expect(only(rig.tick(), "dial")).toHaveLength(1);
    expect(rig.engine.waitingFor(1).unreachable).toEqual([{ address, reason: "refused" }]);
  });

  test("SIM-5: onBitmap refuses bits that do not fit the torrent", () => {
    for (const bytes of [[], [0xff], [0xff, 0xc0, 0x00], [0xff, 0b11100000]]) {
      const rig = new EngineRig({ parts: 10 });
      rig.join(1);
      expect(() => rig.hear(1, bitmapMessage(bytes))).toThrow(ProtocolError);
    }
    const rig = new EngineRig({ parts: 10 });
    rig.join(1);
    rig.hear(1, bitmapMessage([0xff, 0b01000000]));
    expect(rig.engine.stats().sources).toBe(1);
  });

  test("onHave makes a peer a source of what it has now", () => {
    const rig = new EngineRig();
    rig.joinWith(1, []);
    expect(rig.engine.stats().sources).toBe(0);
    expect(asked(rig.hear(1, { type: "have", first: 2, count: 3 }))).toHaveLength(2);
    expect(rig.engine.stats().sources).toBe(1);
  });

  test("Members counts holders so that the rarest is asked first, through have and leaving", () => {
    for (let seed = 0; seed < 20; seed++) {
      const rig = new EngineRig({ parts: 4, seed });
      // Nobody may be asked while holders come together: the first ones say that they are busy.
      for (const connection of [1, 2]) {
        for (const run of asked(rig.joinWith(connection, [0, 1, 2])))
          rig.hear(connection, { type: "refuse", ...run, reason: "busy" });
      }
      rig.joinWith(3, []);
      rig.hear(3, { type: "have", first: 0, count: 2 });
      for (const run of asked(rig.effects, 3))
        rig.hear(3, { type: "refuse", ...run, reason: "busy" });
      rig.do({ type: "left", connection: 1, reason: "reset" });
      // Held now: 0 and 1 by two, 2 by one, 3 by nobody that is counted.
      const [rarest] = asked(rig.joinWith(4, "all"));
      expect(Number(rarest?.first)).toBe(3);
      rig.do({ type: "left", connection: 4, reason: "reset" });
      const effects = rig.joinWith(5, [0, 1, 2]);
      expect(Number(asked(effects, 5)[0]?.first)).toBe(2);
    }
  });

  test("closeIfUseless ends the connection of two that have everything", () => {
    const seeder = new EngineRig({ have: "all" });
    expect(closed(seeder.joinWith(1, "all"))).toEqual([[1, "both complete"]]);
    expect(closed(seeder.joinWith(2, [0]))).toEqual([]);
    expect(closed(seeder.hear(2, { type: "have", first: 1, count: 7 }))).toEqual([
      [2, "both complete"],
    ]);
  });

  test("isHungry until five connected peers have something that is missing", () => {
    const rig = new EngineRig({ have: [0] });
    for (let connection = 1; connection <= 4; connection++) rig.joinWith(connection, "all");
    rig.joinWith(5, [0]);
    expect([rig.engine.stats().sources, rig.engine.stats().isHungry]).toEqual([4, true]);
    rig.hear(5, { type: "have", first: 3, count: 1 });
    expect([rig.engine.stats().sources, rig.engine.stats().isHungry]).toEqual([5, false]);
    expect(new EngineRig({ have: "all" }).engine.stats().isHungry).toBe(false);
  });

  test("isHungry again when those that have something sit on what they were asked for", () => {
    const rig = new EngineRig({ parts: 40 });
    for (let connection = 1; connection <= 5; connection++) rig.joinWith(connection, "all");
    expect(rig.engine.stats().isHungry).toBe(false);
    rig.pass(4500);
    expect(rig.engine.stats().isHungry).toBe(false);
    rig.pass(1500);
    expect([rig.engine.stats().sources, rig.engine.stats().isHungry]).toEqual([0, true]);
    // One that sends is a source at the next look.
    const [run = rig.run(0)] = asked(rig.effects, 3);
    rig.do({ type: "arrived", connection: 3, first: run.first, bytes: 1 });
    rig.tick(250);
    expect(rig.engine.stats().sources).toBe(1);
  });

  test("dial leaves places to callers while there are sources enough, and takes them all while there are not", () => {
    const play = (parts: Iterable<number> | "all") => {
      const rig = new EngineRig({ parts: 400 });
      for (let connection = 1; connection <= 25; connection++) rig.joinWith(connection, parts);
      const addresses = Array.from({ length: 100 }, (_, at) => addressOf(100 + at));
      rig.do({ type: "learned", source: "user", addresses });
      const dialled = () => only(rig.effects, "dial");
      for (let count = 0; count < dialled().length; count++) {
        const { address } = dialled()[count] ?? { address: addressOf(0) };
        rig.join(1000 + count, { peer: 1000 + count, address });
        rig.tick();
      }
      return dialled().length;
    };
    expect(play("all")).toBe(5);
    // Negative control.
    expect(play([])).toBe(25);
  });

  test("tell says what was written to those that have not got it, and tellAll of everything when all is there", () => {
    const rig = new EngineRig({ parts: 3 });
    rig.joinWith(1, "all");
    rig.joinWith(2, [0]);
    rig.joinWith(3, []);
    const told = (effects: readonly SwarmEffect[]) =>
      sent(effects, "have").map(({ connection, message }) => [
        connection,
        message.first,
        message.count,
      ]);
    expect(told(rig.complete(1, rig.run(0)))).toEqual([[3, 0, 1]]);
    expect(told(rig.complete(1, rig.run(1)))).toEqual([
      [2, 1, 1],
      [3, 1, 1],
    ]);
    // The last: whoever was not told of part 0, which he had, is now.
    expect(told(rig.complete(1, rig.run(2)))).toEqual([
      [2, 2, 1],
      [3, 2, 1],
      [2, 0, 3],
      [3, 0, 3],
    ]);
  });
});
