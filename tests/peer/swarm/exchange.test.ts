import { describe, expect, test } from "bun:test";
import { RULES } from "../../../peer/swarm/rules.ts";
import { PEERS_PER_MESSAGE_MAX } from "../../../protocol/limits.ts";
import { addressOf, EngineRig, only, sent } from "../../support/swarm-fixtures.ts";

/** @returns whom each connection is told of, by the number of their address */
function told(rig: EngineRig, since: number): ReadonlyMap<number, readonly number[]> {
  const numbers = new Map(Array.from({ length: 300 }, (_, at) => [addressOf(at).host, at]));
  return new Map(
    sent(rig.effects.slice(since), "peers").map(({ connection, message }) => [
      connection,
      message.peers.map(({ host }) => numbers.get(host) ?? -1),
    ]),
  );
}

describe("Exchange", () => {
  test("review tells each after a second of the others that were reached, and of each only once", () => {
    const rig = new EngineRig();
    for (const connection of [1, 2, 3]) rig.joinWith(connection, []);
    const begin = rig.effects.length;
    rig.pass(1500);
    const first = told(rig, begin);
    expect(first.get(1)).toEqual([2, 3]);
    expect(first.get(3)).toEqual([1, 2]);
    const later = rig.effects.length;
    rig.joinWith(4, []);
    rig.pass(RULES.exchangeMs + 1000);
    expect(told(rig, later).get(1)).toEqual([4]);
    const last = rig.effects.length;
    rig.pass(2 * RULES.exchangeMs);
    expect(told(rig, last).size).toBe(0);
  });

  test("review names callers only where nobody was reached, and never one that does not listen", () => {
    const rig = new EngineRig({ have: "all" });
    rig.join(1, { isDialled: false });
    rig.hear(1, rig.bitmap([0]));
    rig.join(2, { isDialled: false });
    rig.hear(2, rig.bitmap([0]));
    rig.join(3, { isDialled: false, isListening: false });
    rig.hear(3, rig.bitmap([0]));
    const begin = rig.effects.length;
    rig.pass(1500);
    expect(told(rig, begin).get(3)).toEqual([1, 2]);
    expect(told(rig, begin).get(1)).toEqual([2]);

    const reaching = new EngineRig();
    reaching.joinWith(1, [0]);
    reaching.join(2, { isDialled: false });
    reaching.hear(2, reaching.bitmap([0]));
    reaching.join(3, { isDialled: false });
    reaching.hear(3, reaching.bitmap([0]));
    reaching.pass(1500);
    expect(told(reaching, 0).get(3)).toEqual([1]);
  });

  test("review tells a complete peer nothing, and nobody when exchange is off", () => {
    const rig = new EngineRig();
    rig.joinWith(1, [0]);
    rig.joinWith(2, "all");
    rig.pass(2000);
    expect([...told(rig, 0).keys()]).toEqual([1]);
    const off = new EngineRig({ rules: { ...RULES, exchangeMs: Number.POSITIVE_INFINITY } });
    off.joinWith(1, [0]);
    off.joinWith(2, [1]);
    off.pass(60_000);
    expect(told(off, 0).size).toBe(0);
  });

  test("onPeers takes five hundred addresses from one connection at most", () => {
    const rig = new EngineRig();
    rig.joinWith(1, [0]);
    const before = rig.engine.stats().peersKnown;
    for (let message = 0; message < 30; message++) {
      const peers = Array.from({ length: PEERS_PER_MESSAGE_MAX }, (_, at) =>
        addressOf(1000 + message * PEERS_PER_MESSAGE_MAX + at),
      );
      rig.hear(1, { type: "peers", peers });
    }
    expect(rig.engine.stats().peersKnown - before).toBe(500);
  });
});

describe("Members with all places taken", () => {
  /** Fifty silent ones that say they have everything. */
  function crowded(isDialled: boolean): EngineRig {
    const rig = new EngineRig({ parts: 400 });
    for (let connection = 1; connection <= 50; connection++) {
      rig.join(connection, { isDialled });
      rig.hear(connection, rig.bitmap("all"));
    }
    return rig;
  }

  test("SIM-7: join leaves a quarter of the places to those whom we call, while we want something", () => {
    const refused = (rig: EngineRig) =>
      only(rig.effects, "close").filter(({ reason }) => reason === "no place left").length;
    expect(refused(crowded(false))).toBe(12);
    expect(refused(crowded(true))).toBe(0);
    const complete = new EngineRig({ have: "all" });
    for (let connection = 1; connection <= 50; connection++)
      complete.join(connection, { isDialled: false });
    expect(refused(complete)).toBe(0);
  });

  test("SIM-7: makeRoom takes the place of one that gives nothing, when somebody else could be called", () => {
    const rig = crowded(true);
    const pass = (ms: number) => {
      for (let left = ms; left > 0; left -= 250) {
        const before = rig.effects.length;
        rig.tick(250);
        // They live, take requests back, and send nothing.
        for (const { connection, message } of sent(rig.effects.slice(before), "ping"))
          rig.pong(connection, message.id);
        for (const { connection, message } of sent(rig.effects.slice(before), "cancel"))
          rig.hear(connection, {
            type: "refuse",
            first: message.first,
            count: message.count,
            reason: "cancelled",
          });
      }
    };
    pass(40_000);
    const left = () =>
      only(rig.effects, "close").filter(({ reason }) => reason === "it gives nothing");
    // Nobody else is known: there is no reason to.
    expect(left()).toHaveLength(0);
    rig.do({ type: "learned", source: "tracker", addresses: [addressOf(200)] });
    pass(1000);
    expect(left().length).toBeGreaterThan(0);
  });
});
