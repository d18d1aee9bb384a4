import { describe, expect, test } from "bun:test";
import { ProtocolError } from "../../../protocol/errors.ts";
import { SPAN_BYTES_SMALL } from "../../../protocol/limits.ts";
import type { RefuseReason } from "../../../protocol/messages.ts";
import { addressOf, asked, closed, EngineRig, only, sent } from "../../support/swarm-fixtures.ts";

/** A connection holds one part that nobody else has: it is the one asked. */
function soleHolderRig(): EngineRig {
  const rig = new EngineRig({ parts: 1 });
  rig.joinWith(1, "all");
  return rig;
}

/** Time passes until something is taken back from a silent holder and asked of another. */
function passUntilTakenBack(rig: EngineRig): void {
  for (let step = 0; step < 60; step++) if (sent(rig.tick(250), "cancel").length > 0) return;
  throw new Error("Nothing was taken back");
}

/** All leave, all come back under the same addresses. */
function reconnect(rig: EngineRig, from: number, to: number): void {
  for (let peer = from; peer <= to; peer++)
    rig.do({ type: "left", connection: peer, reason: "reset" });
  for (let peer = from; peer <= to; peer++) {
    rig.join(100 + peer, { peer, address: addressOf(peer) });
    rig.hear(100 + peer, rig.bitmap("all"));
  }
}

describe("Engine", () => {
  test("Engine gives the same effects for the same events", () => {
    const play = (seed: number) => {
      const rig = new EngineRig({ parts: 60, seed });
      for (let connection = 1; connection <= 4; connection++) rig.joinWith(connection, "all");
      for (let step = 0; step < 30; step++)
        for (const run of asked(rig.tick(100), 1 + (step % 4))) rig.complete(1 + (step % 4), run);
      return rig.effects;
    };
    expect(play(5)).toEqual(play(5));
    expect(play(5)).not.toEqual(play(6));
  });

  test("written is told to all who may still need it, and to no one who has everything", () => {
    const rig = new EngineRig();
    rig.joinWith(1, "all");
    rig.joinWith(2, []);
    rig.joinWith(3, [5]);
    const [run = rig.run(0)] = asked(rig.effects, 1);
    const effects = rig.complete(1, run);
    const haves = sent(effects, "have");
    expect(haves.map(({ connection }) => connection)).toEqual([2, 3]);
    for (const { message } of haves) expect(message).toEqual({ type: "have", ...run });
  });

  test("complete is said once, when the last part is written", () => {
    const rig = new EngineRig({ parts: 3 });
    rig.joinWith(1, "all");
    for (const first of [0, 1, 2]) rig.complete(1, rig.run(first));
    rig.do({ type: "written", run: rig.run(2) });
    rig.tick(1000);
    expect(only(rig.effects, "complete")).toHaveLength(1);
    expect(closed(rig.effects)).toContainEqual([1, "both complete"]);
    expect(rig.engine.isComplete).toBe(true);
    expect(rig.engine.stats()).toMatchObject({ partsDone: 3, bytesDone: rig.geometry.fileBytes });
  });

  test("SIM-1: bad bans the sender at the first wrong part and asks another", () => {
    const rig = soleHolderRig();
    rig.joinWith(2, "all");
    expect(rig.isAsked(1, 0)).toBe(true);
    const effects = rig.bad(1, rig.run(0));
    expect(closed(effects)).toEqual([[1, "it sent a wrong part 0"]]);
    expect(only(effects, "report").map(({ event, address }) => [event, address])).toEqual([
      ["banned", addressOf(1)],
    ]);
    expect(asked(effects, 1)).toEqual([]);
    expect(asked(effects, 2)).toEqual([rig.run(0)]);
    expect(rig.engine.stats()).toMatchObject({ badParts: 1, peersBanned: 1, bytesDone: 0 });
  });

  test("bad does not free what is asked of another by now", () => {
    const rig = soleHolderRig();
    rig.joinWith(2, "all");
    passUntilTakenBack(rig);
    expect(sent(rig.effects, "cancel").map(({ connection }) => connection)).toEqual([1]);
    rig.bad(1, rig.run(0));
    rig.joinWith(3, "all");
    expect(rig.isAsked(2, 0)).toBe(true);
    expect(rig.isAsked(3, 0)).toBe(false);
  });

  test("SIM-2: bad from three senders bans no third one, and gives up when nobody else has the part", () => {
    const rig = new EngineRig({ parts: 4 });
    for (let peer = 1; peer <= 6; peer++) rig.joinWith(peer, "all");
    for (let peer = 1; peer <= 6; peer++) {
      rig.bad(peer, rig.run(2));
      rig.do({ type: "left", connection: peer, reason: "wrong part" });
    }
    expect(rig.engine.stats().peersBanned).toBe(2);
    // The four that are not banned come back, and are not asked for that part again.
    for (let peer = 3; peer <= 6; peer++) {
      rig.join(100 + peer, { peer, address: addressOf(peer) });
      rig.hear(100 + peer, rig.bitmap("all"));
      rig.hear(100 + peer, { type: "have", first: 2, count: 1 });
    }
    const effects = rig.pass(15_000);
    expect(asked(effects).filter(({ first }) => first === 2)).toEqual([]);
    expect(only(rig.effects, "suspect").map(({ part }) => Number(part))).toEqual([2]);
    expect(rig.engine.stats().peersBanned).toBe(2);
  });

  test("SIM-2: three liars about one part do not stop the download while another has it", () => {
    const rig = new EngineRig({ parts: 1 });
    for (let peer = 1; peer <= 4; peer++) rig.joinWith(peer, "all");
    for (let peer = 1; peer <= 3; peer++) rig.bad(peer, rig.run(0));
    reconnect(rig, 3, 3);
    rig.pass(30_000);
    expect(only(rig.effects, "suspect")).toEqual([]);
    expect(rig.isAsked(103, 0)).toBe(false);
    expect(rig.isAsked(4, 0)).toBe(true);
    rig.complete(4, rig.run(0));
    expect(rig.engine.isComplete).toBe(true);
    // Negative control: without the fourth there is no hope.
    rig.pass(30_000);
    const hopeless = new EngineRig({ parts: 1 });
    for (let peer = 1; peer <= 3; peer++) hopeless.joinWith(peer, "all");
    for (let peer = 1; peer <= 3; peer++) hopeless.bad(peer, hopeless.run(0));
    expect(only(hopeless.pass(30_000), "suspect")).toHaveLength(1);
  });

  test("nothing is asked of a connection that is being closed", () => {
    const rig = new EngineRig({ parts: 40 });
    rig.joinWith(1, "all");
    rig.hear(1, { type: "bye", reason: "enough" });
    rig.deliver(1, asked(rig.effects, 1)[0] ?? rig.run(0));
    const before = asked(rig.effects, 1).length;
    rig.pass(5000);
    expect(asked(rig.effects, 1)).toHaveLength(before);
  });

  test("refuse missing or changed means that the peer is not asked for those parts again", () => {
    for (const reason of ["missing", "changed"] as const) {
      const rig = soleHolderRig();
      rig.hear(1, { type: "refuse", ...rig.run(0), reason });
      rig.pass(5000);
      expect(asked(rig.effects)).toHaveLength(1);
      expect(rig.engine.waitingFor(3).parts).toEqual([
        { part: rig.run(0).first, holders: 0, askedOf: [] },
      ]);
      expect(asked(rig.hear(1, { type: "have", first: 0, count: 1 }))).toHaveLength(1);
    }
  });

  test("refuse busy or stopping, or cancelled without being asked to, means later", () => {
    const reasons: readonly RefuseReason[] = ["busy", "stopping", "cancelled"];
    for (const reason of reasons) {
      const rig = soleHolderRig();
      expect(asked(rig.hear(1, { type: "refuse", ...rig.run(0), reason }))).toEqual([]);
      expect(rig.engine.waitingFor(1).parts[0]?.askedOf).toEqual([
        { address: addressOf(1), answer: reason },
      ]);
      expect(asked(rig.tick(900))).toEqual([]);
      expect(asked(rig.tick(200))).toEqual([rig.run(0)]);
    }
  });

  test("refuse of what was taken back frees nothing and may be asked again", () => {
    const rig = soleHolderRig();
    rig.joinWith(2, "all");
    passUntilTakenBack(rig);
    expect(rig.isAsked(2, 0)).toBe(true);
    rig.hear(1, { type: "refuse", ...rig.run(0), reason: "cancelled" });
    expect(rig.isAsked(1, 0)).toBe(false);
    rig.joinWith(3, "all");
    expect(rig.isAsked(3, 0)).toBe(false);
  });

  test("CLI-4: refuse of what was not requested ends the connection, and the parts are asked of others", () => {
    const rig = new EngineRig({ parts: 12, partBytes: SPAN_BYTES_SMALL / 2 });
    rig.joinWith(1, [0, 1]);
    expect(asked(rig.effects, 1)).toEqual([rig.run(0, 2)]);
    for (const [first, count] of [
      [0, 1],
      [1, 1],
      [11, 1],
    ] as const) {
      const refuse = () => rig.hear(1, { type: "refuse", first, count, reason: "busy" });
      expect(refuse).toThrow(ProtocolError);
    }
    rig.do({ type: "left", connection: 1, reason: "not requested" });
    const todo = asked(rig.joinWith(2, "all"), 2);
    for (let run = todo.shift(); run !== undefined; run = todo.shift())
      todo.push(...asked(rig.complete(2, run), 2));
    expect(rig.engine.isComplete).toBe(true);
  });

  test("left does not free what was taken back and is asked of another by now", () => {
    const rig = soleHolderRig();
    rig.joinWith(2, "all");
    passUntilTakenBack(rig);
    rig.do({ type: "left", connection: 1, reason: "reset" });
    rig.joinWith(3, "all");
    expect([rig.isAsked(2, 0), rig.isAsked(3, 0)]).toEqual([true, false]);
  });

  test("left frees what the connection owed, for the others at once", () => {
    const rig = new EngineRig({ parts: 2 });
    rig.joinWith(1, "all");
    rig.joinWith(2, "all");
    expect(asked(rig.effects, 2)).toEqual([]);
    const effects = rig.do({ type: "left", connection: 1, reason: "reset" });
    expect(asked(effects, 2)).toHaveLength(2);
    expect(only(effects, "report")[0]).toMatchObject({ event: "left", reason: "reset" });
    expect(rig.do({ type: "left", connection: 1, reason: "reset" })).toEqual([]);
  });

  test("written after its sender left counts, and is not asked for meanwhile", () => {
    const rig = soleHolderRig();
    rig.deliver(1, rig.run(0));
    rig.do({ type: "left", connection: 1, reason: "reset" });
    rig.joinWith(2, "all");
    expect(asked(rig.effects, 2)).toEqual([]);
    rig.do({ type: "written", run: rig.run(0) });
    expect(rig.engine.isComplete).toBe(true);
    expect(rig.engine.stats().bytesPerPeer).toEqual(new Map([["10.0.0.1:7000", 2 ** 18]]));
  });

  test("verified after its sender left is held like anything else, until it is written", () => {
    const rig = new EngineRig({ parts: 40, partBytes: 2 ** 24 });
    for (let connection = 1; connection <= 6; connection++) {
      const [run = rig.run(0)] = asked(rig.joinWith(connection, "all"), connection);
      rig.do({ type: "left", connection, reason: "reset" });
      rig.do({ type: "verified", connection, run });
      rig.do({ type: "written", run });
    }
    expect(rig.engine.stats().partsDone).toBeGreaterThan(1);
    // Three of the largest parts may be under way, and still are.
    for (let connection = 11; connection <= 16; connection++) rig.joinWith(connection, "all");
    const open = [11, 12, 13, 14, 15, 16].flatMap((connection) => asked(rig.effects, connection));
    expect(open).toHaveLength(3);
  });

  test("what came twice is counted as such, whether it was written twice or dropped", () => {
    const rig = soleHolderRig();
    rig.joinWith(2, "all");
    passUntilTakenBack(rig);
    rig.deliver(1, rig.run(0));
    rig.deliver(2, rig.run(0));
    rig.do({ type: "written", run: rig.run(0) });
    rig.do({ type: "written", run: rig.run(0) });
    expect(rig.engine.stats().duplicateBytes).toBe(2 ** 18);
    const late = soleHolderRig();
    late.joinWith(2, "all");
    passUntilTakenBack(late);
    late.complete(2, late.run(0));
    late.deliver(1, late.run(0));
    expect(late.engine.stats()).toMatchObject({ duplicateBytes: 2 ** 18, bytesDone: 2 ** 18 });
  });

  test("written by one holder is taken back from another", () => {
    const rig = new EngineRig({ parts: 2 });
    rig.joinWith(1, [0]);
    rig.joinWith(2, [0, 1]);
    rig.complete(2, rig.run(1));
    // Both are asked for part 0 now, and what was taken back comes first.
    expect([rig.isAsked(1, 0), rig.isAsked(2, 0)]).toEqual([true, true]);
    const effects = rig.complete(1, rig.run(0));
    expect(sent(effects, "cancel")).toEqual([
      { connection: 2, message: { type: "cancel", first: 0, count: 1 } },
    ]);
  });

  test("isWanted and requested tell what may still come", () => {
    const rig = soleHolderRig();
    expect(rig.engine.isWanted(rig.run(0))).toBe(true);
    expect(rig.engine.requested(1, rig.run(0).first)).toEqual(rig.run(0));
    expect(rig.engine.requested(2, rig.run(0).first)).toBeUndefined();
    rig.complete(1, rig.run(0));
    expect(rig.engine.isWanted(rig.run(0))).toBe(false);
    expect(rig.engine.requested(1, rig.run(0).first)).toBeUndefined();
  });

  test("ping is answered, pong and words of unknown connections are taken in silence", () => {
    const rig = soleHolderRig();
    expect(rig.hear(1, { type: "ping", id: 42 })).toEqual([
      { type: "send", connection: 1, message: { type: "pong", id: 42, readAtMs: 1_000_000 } },
    ]);
    // After seven weeks the clock has more than 32 bits, which no message carries.
    rig.nowMs = 2 ** 32 + 5.5;
    expect(sent(rig.hear(1, { type: "ping", id: 43 }), "pong")).toMatchObject([
      { message: { id: 43, readAtMs: 5 } },
    ]);
    rig.nowMs = 1_000_000;
    expect(rig.pong(1, 7)).toEqual([]);
    expect(rig.hear(9, { type: "ping", id: 1 })).toEqual([]);
    // What was read from a connection that is gone by now is there all the same.
    const effects = rig.do({ type: "verified", connection: 9, run: rig.run(0) });
    expect(sent(effects, "cancel").map(({ message }) => message.first)).toEqual([0]);
  });

  test("bye closes with the remote's reason", () => {
    const rig = soleHolderRig();
    expect(closed(rig.hear(1, { type: "bye", reason: "stopping" }))).toEqual([
      [1, "it left: stopping"],
    ]);
  });

  test("peers are learned and dialled", () => {
    const rig = soleHolderRig();
    const effects = rig.hear(1, { type: "peers", peers: [addressOf(9), addressOf(1)] });
    expect(only(effects, "dial").map(({ address }) => address)).toEqual([addressOf(9)]);
    expect(rig.engine.stats().peersKnown).toBe(2);
  });

  test("waitingFor explains the first missing parts only", () => {
    const rig = new EngineRig({ parts: 10, have: [0] });
    rig.joinWith(1, [0, 1, 2]);
    const waiting = rig.engine.waitingFor(2);
    expect(waiting).toMatchObject({ missingParts: 9, peers: 1, unreachable: [] });
    expect(waiting.parts.map(({ part, holders }) => [Number(part), holders])).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(waiting.parts[0]?.askedOf).toEqual([{ address: addressOf(1), answer: "no data yet" }]);
  });

  test("Engine of an empty file is complete and asks for nothing", () => {
    const rig = new EngineRig({ parts: 0 });
    expect(rig.engine.isComplete).toBe(true);
    expect(closed(rig.joinWith(1, "all"))).toEqual([[1, "both complete"]]);
    expect(rig.engine.stats()).toMatchObject({ bytesDone: 0, isComplete: true });
  });
});
