import { describe, expect, test } from "bun:test";
import { TICK_MS } from "../../../peer/swarm/engine-options.ts";
import type { SwarmEffect } from "../../../peer/swarm/messages.ts";
import { RULES, type Rules } from "../../../peer/swarm/rules.ts";
import { ProtocolError } from "../../../protocol/errors.ts";
import { REQUESTS_OPEN_MAX } from "../../../protocol/limits.ts";
import { closed, EngineRig, only, type RigOptions, sent } from "../../support/swarm-fixtures.ts";

const ANY_WINDOW = {
  sendWindowMs: Number.POSITIVE_INFINITY,
  duplexWindowMs: Number.POSITIVE_INFINITY,
};

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

/** Peers with two requests each, of which as many are served as there are places; parts of 256 KiB. */
function waitingRig(peers: readonly number[], rules: Rules): EngineRig {
  const rig = new EngineRig({ have: "all", parts: 16, rules });
  for (const peer of peers) rig.joinWith(peer, []);
  for (const peer of peers)
    for (const at of [0, 1]) rig.hear(peer, { type: "request", first: peer + 4 * at, count: 1 });
  return rig;
}

/** A part goes out as a whole, in blocks of 64 KiB.
 * @returns the pings that are to go behind them */
function sendRun(rig: EngineRig, connection: number, first: number): number[] {
  const marks: number[] = [];
  for (let block = 0; block < 4; block++) {
    const pings = sent(rig.do({ type: "sent", connection, bytes: 2 ** 16 }), "ping");
    marks.push(...pings.map(({ message }) => message.id));
  }
  rig.do({ type: "served", connection, run: rig.run(first), bytes: 2 ** 18 });
  return marks;
}

/** Whoever is pinged says so. */
function answerPings(rig: EngineRig, effects: readonly SwarmEffect[]): void {
  for (const { connection, message } of sent(effects, "ping")) rig.pong(connection, message.id);
}

/** The first part that it asked for. */
function askedFirst(rig: EngineRig): number {
  const [asked] = sent(rig.effects, "request");
  if (asked === undefined) throw new Error("It asks for something");
  return asked.message.first;
}

function servedTo(effects: readonly SwarmEffect[]): number[] {
  return only(effects, "serve").map(({ connection }) => connection);
}

describe("Serving", () => {
  test("onRequest serves what is had and refuses what is not, once each", () => {
    const rig = servingRig({ have: [0, 1, 3] });
    const served = rig.hear(1, { type: "request", first: 0, count: 2 });
    expect(only(served, "serve")).toMatchObject([{ connection: 1, run: rig.run(0, 2) }]);
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
    expect(only(next, "serve")).toMatchObject([{ connection: 1, run: rig.run(1) }]);
  });

  test("onRequest refuses the same first part twice until it was answered", () => {
    const rig = servingRig();
    rig.hear(1, { type: "request", first: 0, count: 1 });
    expect(codeOf(() => rig.hear(1, { type: "request", first: 0, count: 2 }))).toBe("bad_order");
    rig.do({ type: "served", connection: 1, run: rig.run(0), bytes: 5 });
    expect(rig.hear(1, { type: "request", first: 0, count: 2 })).toHaveLength(1);
  });

  test("SRV-8: onRequest takes REQUESTS_OPEN_MAX open requests and no more", () => {
    const rules = { ...RULES, slotsMin: 2 };
    const rig = servingRig({ parts: REQUESTS_OPEN_MAX + 1, partBytes: 1, rules });
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
      rig.do({ type: "sent", connection: 1, bytes });
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

  test("Serving serves slotsMin peers at a time, at first, a run each, the others in turn by bytes", () => {
    const rules = { ...RULES, slotsMin: 4 };
    const rig = new EngineRig({ have: "all", parts: 64, rules });
    const peers = [1, 2, 3, 4, 5, 6];
    for (const peer of peers) rig.joinWith(peer, []);
    for (const peer of peers) {
      for (let at = 0; at < 8; at++)
        rig.hear(peer, { type: "request", first: 8 * (peer - 1) + at, count: 1 });
    }
    const serving = only(rig.effects, "serve").map(({ connection }) => connection);
    expect(serving).toEqual([1, 2, 3, 4]);
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
    for (const peer of [1, 2, 3]) rig.joinWith(peer, []);
    answerPings(rig, rig.hear(1, { type: "request", first: 0, count: 1 }));
    rig.hear(1, { type: "request", first: 3, count: 1 });
    rig.hear(3, { type: "request", first: 5, count: 1 });
    rig.hear(2, { type: "request", first: 1, count: 1 });
    // After 5 s another is served beside the one who takes so long, and no third one.
    expect(servedTo(rig.pass(4750))).toEqual([]);
    const besides = rig.pass(250);
    expect(servedTo(besides)).toEqual([3]);
    answerPings(rig, besides);
    const later = rig.pass(2900);
    expect([sent(later, "refuse"), servedTo(later)]).toEqual([[], []]);
    // Not what comes next for the one that is being served.
    const refused = sent(rig.pass(300), "refuse");
    expect(refused).toEqual([
      { connection: 2, message: { type: "refuse", first: 1, count: 1, reason: "busy" } },
    ]);
    rig.hear(2, { type: "request", first: 2, count: 1 });
    const next = rig.do({ type: "left", connection: 3, reason: "gone" });
    expect(only(next, "serve").map(({ connection }) => connection)).toEqual([2]);
  });

  test("review serves others besides one that takes a small part of what they take", () => {
    /** @param ms in which the second takes a quarter of what the first took in a quarter of a second */
    const after = (ms: number) => {
      const rig = waitingRig([1, 2], { ...RULES, slotsMin: 1, slotsMax: 1 });
      const marks = sendRun(rig, 1, 1);
      rig.nowMs += 250;
      const next = servedTo(marks.flatMap((id) => rig.pong(1, id)));
      const [first = 0] = sendRun(rig, 2, 2);
      rig.nowMs += ms;
      rig.pong(2, first);
      const besides = servedTo(rig.pass(250));
      // It has to take what it was sent before it is sent more.
      const out = servedTo(rig.do({ type: "served", connection: 1, run: rig.run(5), bytes: 1 }));
      return { next, besides, out };
    };
    expect(after(900)).toEqual({ next: [2], besides: [1], out: [] });
    // Negative control: a fourth of the rate is not so little.
    expect(after(250)).toEqual({ next: [2], besides: [], out: [] });
  });

  test("Serving holds a place for who was sent a run until most of it has arrived", () => {
    const rules = { ...RULES, slotsMin: 1, slotsMax: 1 };
    const rig = waitingRig([1, 2], rules);
    const marks = sendRun(rig, 1, 1);
    expect(marks.length).toBe(4);
    // Also while time passes: what waits is not refused to who is being served.
    expect(sent(rig.pass(750), "refuse")).toEqual([]);
    const arrive = (id: number | undefined) => servedTo(rig.pong(1, id ?? 0));
    for (const id of marks.slice(0, 2)) {
      expect(arrive(id)).toEqual([]);
      rig.nowMs += 900;
    }
    expect(arrive(marks[2])).toEqual([2]);
    // Negative control: where any amount may be under way, what is sent is done with.
    const any = waitingRig([1, 2], { ...rules, ...ANY_WINDOW });
    expect(servedTo(any.do({ type: "served", connection: 1, run: any.run(1), bytes: 1 }))).toEqual([
      2,
    ]);
  });

  test("Serving holds data back while as much is under way as may be, be it to nobody else's good", () => {
    const play = (rules: Rules) => {
      const rig = waitingRig([1], rules);
      const before = rig.effects.length;
      const marks = sendRun(rig, 1, 1);
      return { rig, marks, held: only(rig.effects.slice(before), "hold") };
    };
    const { rig, marks, held } = play(RULES);
    expect(held).toEqual([{ type: "hold", connection: 1, isHeld: true }]);
    rig.nowMs += 900;
    const answers = marks.map((id) => only(rig.pong(1, id), "hold"));
    expect(answers.flat()).toEqual([{ type: "hold", connection: 1, isHeld: false }]);
    // Negative control: where any amount may be under way.
    expect(play({ ...RULES, ...ANY_WINDOW }).held).toEqual([]);
  });

  test("Serving lets less wait on the way while something comes to itself", () => {
    /** @returns whether it holds data back of which 64 KiB waited for 150 ms */
    const isHeld = (isReceiving: boolean, rules = RULES) => {
      const rig = new EngineRig({ have: [0, 1, 2, 3], parts: 16, rules });
      rig.joinWith(1, "all");
      rig.hear(1, { type: "request", first: 0, count: 1 });
      rig.hear(1, { type: "request", first: 1, count: 1 });
      const [quick = 0, slow = 0] = sendRun(rig, 1, 0);
      rig.nowMs += 10;
      rig.pong(1, quick);
      rig.nowMs += 140;
      if (isReceiving)
        rig.do({
          type: "arrived",
          connection: 1,
          first: rig.run(askedFirst(rig)).first,
          bytes: 64,
        });
      rig.tick();
      rig.pong(1, slow);
      return only(rig.effects, "hold").at(-1)?.isHeld;
    };
    expect([isHeld(true), isHeld(false)]).toEqual([true, false]);
    // Negative control: with one window for both.
    expect(isHeld(true, { ...RULES, duplexWindowMs: RULES.sendWindowMs })).toBe(false);
  });

  test("Serving asks less often what has arrived while ticks come late", () => {
    /** @returns in which blocks a run goes out after ticks that came so much late, with so much sent before each */
    const blockBytesAfter = (lateMs: number, bytes = 0, count = 20) => {
      const rig = servingRig({ parts: 16 });
      rig.tick();
      for (let ticks = 0; ticks < count; ticks++) {
        rig.do({ type: "sent", connection: 1, bytes });
        rig.tick(TICK_MS + lateMs);
      }
      const served = rig.hear(1, { type: "request", first: 0, count: 1 });
      return only(served, "serve").map(({ blockBytes }) => blockBytes);
    };
    expect(blockBytesAfter(400)).toEqual([2 ** 20]);
    // Who sends much is late sooner.
    expect(blockBytesAfter(20, 2 ** 21)[0]).toBeGreaterThan(2 ** 17);
    // Negative controls: who does not; ticks that come when they are due; one that comes after an hour's rest.
    expect([blockBytesAfter(20), blockBytesAfter(0, 2 ** 21)]).toEqual([[2 ** 14], [2 ** 14]]);
    expect(blockBytesAfter(3_600_000, 0, 1)).toEqual([2 ** 14]);
  });

  test("Serving goes on with who has a place while nobody waits for one", () => {
    const rules = { ...RULES, slotsMin: 2, slotsMax: 2 };
    const rig = waitingRig([1, 2], rules);
    sendRun(rig, 1, 1);
    expect(only(rig.effects, "serve").map(({ connection }) => connection)).toEqual([1, 2, 1]);
    // Negative control: a third one waits, and has to go on waiting too.
    const crowd = waitingRig([1, 2, 3], rules);
    sendRun(crowd, 1, 1);
    expect(only(crowd.effects, "serve").map(({ connection }) => connection)).toEqual([1, 2]);
  });

  test("SRV-7: review serves others while some take nothing, and counts those again when they do", () => {
    const rules = { ...RULES, slotsMin: 2, slotsMax: 2 };
    const rig = waitingRig([1, 2, 3, 4], rules);
    expect(servedTo(rig.effects)).toEqual([1, 2]);
    const [, , , ofOne] = sendRun(rig, 1, 1);
    // Some of it goes out, and 2 reads nothing of it.
    const [ofTwo] = sent(rig.do({ type: "sent", connection: 2, bytes: 2 ** 16 }), "ping");
    expect(servedTo(rig.pass(750))).toEqual([]);
    const next = rig.pass(250);
    expect(servedTo(next)).toEqual([3, 4]);
    // Negative control: 3 and 4 read, of which nothing has gone out yet, and they hold their places.
    answerPings(rig, next);
    expect(servedTo(rig.pass(5000))).toEqual([]);
    // Now 1 has got its run, and is next when there is a place; 2 never lost its one.
    expect(servedTo(rig.pong(1, ofOne ?? 0))).toEqual([]);
    rig.pong(2, ofTwo?.message.id ?? 0);
    const out = (peer: number) =>
      servedTo(rig.do({ type: "served", connection: peer, run: rig.run(peer), bytes: 1 }));
    expect(out(3)).toEqual([]);
    expect(out(4)).toHaveLength(1);
  });

  test("SRV-7: review is content with a pause of 3 s by one that has taken something before", () => {
    const served = (hasTaken: boolean): (readonly number[])[] => {
      const rig = waitingRig([1, 2], { ...RULES, slotsMin: 1, slotsMax: 1 });
      const [ofOne = 0] = sendRun(rig, 1, 1);
      const before = servedTo(rig.pass(750));
      if (hasTaken) rig.pong(1, ofOne);
      return [before, ...[250, 2500, 250].map((ms) => servedTo(rig.pass(ms)))];
    };
    expect(served(true)).toEqual([[], [], [], [2]]);
    expect(served(false)).toEqual([[], [2], [], []]);
  });

  test("SRV-7: review ends who has taken nothing for a minute, and not who takes a little", () => {
    const rig = waitingRig([1, 2, 3], { ...RULES, slotsMin: 3 });
    const marks = sendRun(rig, 2, 2);
    answerPings(
      rig,
      only(rig.effects, "send").filter(({ connection }) => connection === 3),
    );
    // All of them speak all the time.
    const seconds = (count: number) => {
      const effects: SwarmEffect[] = [];
      for (let second = 0; second < count; second++) {
        effects.push(...rig.pass(1000));
        for (const peer of [1, 2, 3]) rig.hear(peer, { type: "ping", id: 1 });
      }
      return closed(effects).map(([who]) => who);
    };
    expect(seconds(50)).toEqual([]);
    rig.pong(2, marks[0] ?? 0);
    expect(seconds(20)).toEqual([1]);
    // 64 KiB in two minutes are half a KiB a second, as of one who limits himself. Of 3 nothing is under way.
    expect(seconds(95)).toEqual([]);
    rig.pong(2, marks[1] ?? 0);
    expect(seconds(115)).toEqual([]);
    expect(seconds(10)).toEqual([2]);
    rig.do({ type: "left", connection: 2, reason: "gone" });
    expect(seconds(55)).toEqual([]);
  });

  test("SRV-7: Serving is not taken in by pongs that answer no ping", () => {
    const rules = { ...RULES, slotsMin: 1, slotsMax: 1 };
    const rig = waitingRig([1, 2], rules);
    const marks = sendRun(rig, 1, 1);
    for (const id of [0, 1, 2 ** 31, (marks[0] ?? 0) - 1, (marks.at(-1) ?? 0) + 1])
      expect(rig.pong(1, id)).toEqual([]);
    // Another one's mark is none of its own.
    const [ofTwo] = sent(rig.do({ type: "sent", connection: 2, bytes: 2 ** 16 }), "ping");
    expect(rig.pong(1, ofTwo?.message.id ?? 0)).toEqual([]);
    expect(servedTo(rig.pong(1, marks.at(-1) ?? 0))).toEqual([2]);
  });

  test("Serving counts a copy from when it begins to be sent, unless nothing of it was sent", () => {
    const rules = { ...RULES, slotsMin: 2, slotsMax: 2 };
    const firstOf = (happen: (rig: EngineRig) => void): number | undefined => {
      const rig = new EngineRig({ have: "all", parts: 16, rules });
      for (const peer of [1, 2, 3]) rig.joinWith(peer, []);
      rig.hear(1, { type: "request", first: 0, count: 1 });
      rig.hear(3, { type: "request", first: 9, count: 1 });
      happen(rig);
      // Both are asked for, part 0 first; who is done makes room.
      rig.hear(2, { type: "request", first: 0, count: 1 });
      rig.hear(2, { type: "request", first: 1, count: 1 });
      rig.do({ type: "served", connection: 3, run: rig.run(9), bytes: 1 });
      return only(rig.effects, "serve").find(({ connection }) => connection === 2)?.run.first;
    };
    expect(firstOf(() => undefined)).toBe(1);
    // Negative controls: it was refused, it was taken back, it is gone.
    expect(
      firstOf((rig) => rig.do({ type: "served", connection: 1, run: rig.run(0), bytes: 0 })),
    ).toBe(0);
    expect(firstOf((rig) => rig.do({ type: "left", connection: 1, reason: "gone" }))).toBe(0);
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
