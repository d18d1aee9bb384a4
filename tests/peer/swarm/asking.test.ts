import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { SwarmEffect } from "../../../peer/swarm/messages.ts";
import { RULES } from "../../../peer/swarm/rules.ts";
import type { PartRun } from "../../../protocol/geometry.ts";
import { REQUESTS_OPEN_MAX } from "../../../protocol/limits.ts";
import {
  asked,
  closed,
  EngineRig,
  IN_FLIGHT_BYTES_MAX,
  LARGE_PART_BYTES,
  type RigOptions,
  sent,
} from "../../support/swarm-fixtures.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(60_000);

const MIB = 2 ** 20;

/** Keeps, from the effects alone, what is asked of whom, and answers it. */
class Link {
  readonly rig: EngineRig;
  readonly open = new Map<number, PartRun[]>();
  /** Bytes of the first run that a connection owes. */
  readonly #arrived = new Map<number, number>();
  #seen = 0;

  constructor(options: RigOptions) {
    this.rig = new EngineRig(options);
  }

  /** @returns what the connection owes, cancelled or not */
  owes(connection: number): PartRun[] {
    for (const { connection: of, message } of sent(this.rig.effects.slice(this.#seen), "request")) {
      const runs = this.open.get(of) ?? [];
      this.open.set(of, [...runs, this.rig.run(message.first, message.count)]);
    }
    this.#seen = this.rig.effects.length;
    return this.open.get(connection) ?? [];
  }

  bytesOwed(connection: number): number {
    return this.owes(connection).reduce(
      (sum, run) => sum + this.rig.geometry.runRange(run).length,
      0,
    );
  }

  /** @param connections that many, from 1 on */
  bytesOwedByAll(connections: number): number {
    let bytes = 0;
    for (let connection = 1; connection <= connections; connection++)
      bytes += this.bytesOwed(connection);
    return bytes;
  }

  /** The connection sends all it owes; the disk does not have it yet.
   * @returns what came */
  deliverAll(connection: number): PartRun[] {
    const runs = this.owes(connection);
    this.open.set(connection, []);
    for (const run of runs) this.rig.deliver(connection, run);
    return runs;
  }

  /** Those of them that owe something send as much each; what is complete is written at once. */
  trickle(connections: readonly number[], bytes: number): void {
    const owing = connections.filter((connection) => this.bytesOwed(connection) > 0);
    for (const connection of owing) this.sendSome(connection, Math.floor(bytes / owing.length));
  }

  /** The connection sends so much of what it owes. */
  sendSome(connection: number, bytes: number): void {
    for (let left = bytes; left > 0; ) {
      const [run, ...rest] = this.owes(connection);
      if (run === undefined) return;
      const { length } = this.rig.geometry.runRange(run);
      const before = this.#arrived.get(connection) ?? 0;
      const piece = Math.min(left, length - before);
      left -= piece;
      this.#arrived.set(connection, before + piece);
      this.rig.do({ type: "arrived", connection, first: run.first, bytes: piece });
      if (before + piece < length) continue;
      this.#arrived.delete(connection);
      this.open.set(connection, rest);
      this.rig.do({ type: "verified", connection, run });
      this.rig.do({ type: "written", run });
    }
  }

  /** The connection sends its oldest runs until that many bytes are there; what is written is written at once. */
  serve(connection: number, bytes: number): void {
    for (let left = bytes; left > 0; ) {
      const [run, ...rest] = this.owes(connection);
      if (run === undefined) return;
      this.open.set(connection, rest);
      left -= this.rig.geometry.runRange(run).length;
      this.rig.complete(connection, run);
    }
  }
}

interface Line {
  readonly bytesPerMs: number;
  /** From a request to its first bytes on an idle line. */
  readonly roundTripMs: number;
  /** From when to when nothing comes. */
  readonly still?: readonly [fromMs: number, toMs: number];
}

function isStill({ still = [0, 0] }: Line, ms: number): boolean {
  return ms >= still[0] && ms < still[1];
}

/** A download of 4000 MiB from one peer over the line.
 * @returns the share of what the line can carry that came between the two times */
function carried(line: Line, { fromMs, toMs }: { fromMs: number; toMs: number }): number {
  const rig = new EngineRig({ parts: 4000 });
  const due: { readonly run: PartRun; readonly atMs: number }[] = [];
  const note = (effects: readonly SwarmEffect[]) => {
    for (const run of asked(effects)) due.push({ run, atMs: rig.nowMs + line.roundTripMs });
  };
  note(rig.joinWith(1, "all"));
  let [bytes, room] = [0, 0];
  for (let ms = 0; ms < toMs; ms += STEP_MS) {
    rig.nowMs += STEP_MS;
    // A line carries no more than its rate, whatever is under way.
    room = isStill(line, ms) ? 0 : Math.min(room, 0) + line.bytesPerMs * STEP_MS;
    while (room > 0 && (due[0]?.atMs ?? Number.MAX_VALUE) <= rig.nowMs) {
      const { run } = due.shift() ?? { run: rig.run(0) };
      const { length } = rig.geometry.runRange(run);
      room -= length;
      if (ms >= fromMs) bytes += length;
      note(rig.complete(1, run));
    }
  }
  return bytes / (line.bytesPerMs * (toMs - fromMs));
}

const STEP_MS = 10;

/** What the engine closes is gone at once. */
function leaveAll(rig: EngineRig, effects: readonly SwarmEffect[]): void {
  for (const [connection, reason] of closed(effects)) rig.do({ type: "left", connection, reason });
}

describe("Asking", () => {
  test("fill asks a new peer for two spans, and for more as it delivers", () => {
    const link = new Link({ parts: 4000 });
    link.rig.joinWith(1, "all");
    expect(link.bytesOwed(1)).toBe(2 * MIB);
    const depths: number[] = [];
    for (let step = 0; step < 40; step++) {
      link.rig.nowMs += 100;
      link.serve(1, 2 * MIB);
      depths.push(link.bytesOwed(1));
    }
    // 20 MiB a second: a second's worth, but never above 16 MiB.
    expect(Math.max(...depths)).toBe(16 * MIB);
    expect(depths[0]).toBeLessThan(8 * MIB);
  });

  test("deepen follows a slow peer's rate and stays at two spans at least", () => {
    const link = new Link({ parts: 4000 });
    link.rig.joinWith(1, "all");
    for (let step = 0; step < 40; step++) {
      // It is near: what it is asked for begins to come at once.
      link.rig.nowMs += 10;
      for (const { first } of link.owes(1))
        link.rig.do({ type: "arrived", connection: 1, first, bytes: 0 });
      link.rig.nowMs += 990;
      link.serve(1, MIB);
    }
    expect(link.bytesOwed(1)).toBeGreaterThanOrEqual(MIB / 2);
    expect(link.bytesOwed(1)).toBeLessThanOrEqual(2 * MIB);
  });

  test("deepen fills a line of 2 MiB/s whose round trip takes 3 s", () => {
    const line = { bytesPerMs: (2 * MIB) / 1000, roundTripMs: 3000 };
    expect(carried(line, { fromMs: 30_000, toMs: 60_000 })).toBeGreaterThan(0.9);
  });

  test("deepen fills a line that holds more than what lies ready at a near peer, after six round trips", () => {
    // 32 MiB are on their way.
    const line = { bytesPerMs: (160 * MIB) / 1000, roundTripMs: 200 };
    expect(carried(line, { fromMs: 1200, toMs: 6000 })).toBeGreaterThan(0.95);
    // The first moments are the hard ones: the mean of four seconds would fill half of it then.
    expect(carried(line, { fromMs: 1200, toMs: 1600 })).toBeGreaterThan(0.95);
  });

  test("deepen keeps a line filled behind one that stood still for a moment", () => {
    const line = { bytesPerMs: (160 * MIB) / 1000, roundTripMs: 200, still: [4000, 4500] } as const;
    expect(carried(line, { fromMs: 4500, toMs: 5000 })).toBeGreaterThan(0.95);
  });

  test("fill opens half of what the remote allows at most", () => {
    // Every other part of 256 bytes: each is a request of its own, and two spans of them would be a thousand.
    const rig = new EngineRig({ parts: 8000, partBytes: 256 });
    const everyOther = Array.from({ length: 4000 }, (_, at) => 2 * at);
    expect(asked(rig.joinWith(1, everyOther))).toHaveLength(REQUESTS_OPEN_MAX / 2);
    const [run = rig.run(0)] = asked(rig.effects);
    expect(asked(rig.complete(1, run))).toHaveLength(1);
  });

  test("inFlightBytesMax is never passed, whatever many fast peers would give", () => {
    const link = new Link({ parts: 4000 });
    const { rig } = link;
    for (let connection = 1; connection <= 10; connection++) rig.joinWith(connection, "all");
    let unwritten: PartRun[] = [];
    let most = 0;
    for (let step = 0; step < 200; step++) {
      rig.nowMs += 20;
      const connection = 1 + (step % 10);
      unwritten.push(...link.deliverAll(connection));
      most = Math.max(most, link.bytesOwedByAll(10) + unwritten.length * LARGE_PART_BYTES);
      // The disk is behind: it writes now and then.
      if (step % 7 !== 0) continue;
      for (const run of unwritten) rig.do({ type: "written", run });
      unwritten = [];
    }
    expect(most).toBeGreaterThan(IN_FLIGHT_BYTES_MAX * 0.9);
    expect(most).toBeLessThanOrEqual(IN_FLIGHT_BYTES_MAX);
  });

  test("fill asks for one of the largest parts at a time, and for one even when that is all there is room for", () => {
    const link = new Link({ parts: 20, partBytes: 16 * MIB });
    for (let connection = 1; connection <= 6; connection++) link.rig.joinWith(connection, "all");
    const owed = [1, 2, 3, 4, 5, 6].map((connection) => link.bytesOwed(connection) / MIB);
    expect(owed).toEqual([16, 16, 16, 0, 0, 0]);
  });

  test.each([
    // One span, however little passes.
    ["1 KiB/s", 1024, 1],
    ["512 KiB/s", MIB / 2, 8],
    ["no limit", undefined, 12],
  ])("fill asks all together for what %s lets pass in 4 s", (_, limitDownBytesPerSecond, spans) => {
    const spanBytes = MIB / 4;
    const link = new Link({ parts: 200, partBytes: spanBytes, limitDownBytesPerSecond });
    const peers = [1, 2, 3, 4, 5, 6];
    for (const connection of peers) link.rig.joinWith(connection, "all");
    for (let ms = 0; ms < 30_000; ms += 250) {
      link.rig.nowMs += 250;
      link.rig.do({ type: "tick", isHeldBack: limitDownBytesPerSecond !== undefined });
      expect(link.bytesOwedByAll(6)).toBe(spans * spanBytes);
      // What is complete makes room for as much.
      link.trickle(peers, Math.floor((limitDownBytesPerSecond ?? 0) / 4));
    }
  });

  test("fill asks for more than a limit lets pass when it is not the limit that sets the pace", () => {
    for (const pipe of [undefined, { places: 20 }]) {
      const link = new Link({ parts: 40, partBytes: MIB, limitDownBytesPerSecond: 1024, pipe });
      for (let connection = 1; connection <= 6; connection++) link.rig.joinWith(connection, "all");
      expect(link.bytesOwedByAll(6)).toBe(MIB);
      link.rig.pass(3750);
      expect(link.bytesOwedByAll(6)).toBe(MIB);
      link.rig.pass(500);
      expect(link.bytesOwedByAll(6)).toBe(12 * MIB);
    }
  });

  test("fill asks nobody for what another is asked for", () => {
    const link = new Link({ parts: 6 });
    for (let connection = 1; connection <= 5; connection++) link.rig.joinWith(connection, "all");
    const parts = asked(link.rig.effects).map(({ first }) => Number(first));
    expect(parts.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("takeover moves what a slow holder owes to a fast one, once nothing is free", () => {
    const link = new Link({ parts: 40 });
    const { rig } = link;
    rig.joinWith(1, "all");
    rig.joinWith(2, "all");
    for (let step = 0; step < 400 && !rig.engine.isComplete; step++) {
      rig.tick(50);
      link.serve(2, MIB);
      // The slow one drips: it is no silent one.
      const slow = link.owes(1)[0];
      if (slow !== undefined)
        rig.do({ type: "arrived", connection: 1, first: slow.first, bytes: 64 });
    }
    expect(rig.engine.isComplete).toBe(true);
    expect(rig.nowMs - 1_000_000).toBeLessThan(15_000);
    const cancels = sent(rig.effects, "cancel");
    expect(cancels.map(({ connection }) => connection)).toEqual([1, 1]);
  });

  test("takeover leaves two equal holders alone", () => {
    const link = new Link({ parts: 40 });
    const { rig } = link;
    rig.joinWith(1, "all");
    rig.joinWith(2, "all");
    for (let step = 0; step < 400 && !rig.engine.isComplete; step++) {
      rig.tick(50);
      link.serve(1, LARGE_PART_BYTES);
      link.serve(2, LARGE_PART_BYTES);
    }
    expect(rig.engine.isComplete).toBe(true);
    expect(sent(rig.effects, "cancel")).toEqual([]);
  });

  test("endgame asks what is left of up to two more, and takes it back when it came", () => {
    const play = (duplicatesMax: number) => {
      const rig = new EngineRig({ parts: 6, rules: { ...RULES, duplicatesMax } });
      for (const connection of [1, 2, 3]) rig.joinWith(connection, "all");
      const runs = (connection: number) => asked(rig.effects, connection);
      const [slow, two, three] = [runs(1), runs(2), runs(3)];
      rig.nowMs += 500;
      // Connection 1 is half as fast as the others: not so slow that anything would be taken from it.
      const bytes = LARGE_PART_BYTES;
      for (const [at, [first = rig.run(0)]] of [slow, two, three].entries())
        rig.do({ type: "arrived", connection: at + 1, first: first.first, bytes });
      for (const [at, [run = rig.run(0)]] of [slow, two, three].entries()) {
        rig.do({ type: "verified", connection: at + 1, run });
        rig.do({ type: "written", run });
      }
      const before = rig.effects.length;
      const [, left = rig.run(0)] = slow;
      rig.complete(2, two[1] ?? left);
      rig.complete(3, three[1] ?? left);
      return { rig, left, after: rig.effects.slice(before) };
    };
    const { rig, left, after } = play(2);
    const helpers = sent(after, "request").filter(({ message }) => message.first === left.first);
    expect(helpers.map(({ connection }) => connection)).toEqual([2, 3]);
    expect(sent(after, "cancel")).toEqual([]);
    const last = sent(rig.complete(3, left), "cancel");
    expect(last.map(({ connection }) => connection).sort()).toEqual([1, 2]);
    expect(rig.engine.isComplete).toBe(true);
    // Negative control: without it all wait for connection 1.
    const without = play(0);
    expect(sent(without.after, "request")).toEqual([]);
    expect(without.rig.engine.isComplete).toBe(false);
  });

  test("takeover and endgame leave everything where it is while a limit of our own sets the pace", () => {
    const play = (isHeldBack: boolean) => {
      const rig = new EngineRig({ parts: 4 });
      for (const connection of [1, 2, 3]) rig.joinWith(connection, "all");
      const before = rig.effects.length;
      for (let ms = 0; ms < 60_000; ms += 250) {
        rig.nowMs += 250;
        rig.do({ type: "tick", isHeldBack });
      }
      return rig.effects.slice(before);
    };
    const pings = sent(play(true), "ping");
    expect(pings).toHaveLength(play(true).length);
    // Nobody hears us answer while we read nothing: every 15 s we say that we live.
    expect(pings.filter(({ connection }) => connection === 1)).toHaveLength(3);
    // Negative control.
    const moved = play(false);
    expect(sent(moved, "cancel").length).toBeGreaterThan(0);
    expect(sent(moved, "ping").length).toBeGreaterThan(0);
  });

  describe("while a limit of our own of 512 KiB/s holds back", () => {
    const LIMIT = MIB / 2;
    const PART = MIB / 4;

    /** @returns what was taken back meanwhile */
    function takenDuring(rig: EngineRig, step: () => void) {
      const seen = rig.effects.length;
      step();
      return sent(rig.effects.slice(seen), "cancel");
    }

    /** Peers that have all send at their rates in bytes a second until nothing is left to be sent, 30 s at most.
     * @returns of whom something was taken back, and how much all owed then; how often anything was asked for; how long it
     * took, in milliseconds */
    function play(rates: readonly number[], options: { parts: number; idleMs?: number }) {
      const { parts, idleMs = 0 } = options;
      const link = new Link({ parts, partBytes: PART, limitDownBytesPerSecond: LIMIT });
      const { rig } = link;
      for (const at of rates.keys()) rig.joinWith(at + 1, []);
      rig.pass(idleMs);
      for (const at of rates.keys()) rig.hear(at + 1, { type: "have", first: 0, count: parts });
      const startMs = rig.nowMs;
      const cancels: { readonly of: number; readonly underWay: number }[] = [];
      while (rig.nowMs < startMs + 30_000 && !rig.engine.isComplete) {
        const underWay = link.bytesOwedByAll(rates.length);
        const taken = takenDuring(rig, () => {
          rig.nowMs += 250;
          rig.do({ type: "tick", isHeldBack: true });
          for (const [at, rate] of rates.entries()) link.sendSome(at + 1, rate / 4);
        });
        cancels.push(...taken.map(({ connection }) => ({ of: connection, underWay })));
      }
      const requests = sent(rig.effects, "request").length;
      return { cancels, requests, ms: rig.nowMs - startMs };
    }

    test("takeover moves what a slow holder owes as soon as the limit runs dry, and not before", () => {
      const { cancels, ms } = play([8192, LIMIT - 8192], { parts: 24 });
      expect(cancels.map((cancel) => cancel.of)).toEqual([1, 1]);
      expect(ms).toBeLessThan(1.2 * ((24 * PART * 1000) / LIMIT));
      // What the slow one owes, and a second's worth.
      for (const { underWay } of cancels) expect(underWay).toBeLessThanOrEqual(2 * PART + LIMIT);
    });

    test("takeover leaves everything where it is that comes at its part of the limit, and asks for nothing twice", () => {
      // The first gives more than half its third: without a limit, others would be asked for its last parts, too.
      for (let parts = 20; parts < 24; parts++) {
        const { cancels, requests } = play([110_000, 207_000, 207_000], { parts });
        expect([cancels, requests]).toEqual([[], parts]);
      }
    });

    test("takeover does not take one for slow that was long connected and has just been asked", () => {
      const { cancels } = play([LIMIT, LIMIT], { parts: 2, idleMs: 20_000 });
      expect(cancels).toEqual([]);
    });
  });

  test("takeover frees what a silent holder owes within a few seconds", () => {
    const link = new Link({ parts: 8 });
    const { rig } = link;
    rig.joinWith(1, "all");
    rig.joinWith(2, "all");
    for (let step = 0; step < 400 && !rig.engine.isComplete; step++) {
      rig.tick(50);
      link.serve(2, MIB);
    }
    expect(rig.engine.isComplete).toBe(true);
    expect(rig.nowMs - 1_000_000).toBeLessThan(8000);
  });

  test("a holder that sends nothing is asked again after ten seconds, however much was taken from it", () => {
    const rig = new EngineRig({ parts: 40 });
    rig.joinWith(1, "all");
    const owed = sent(rig.effects, "request").map(({ message }) => message);
    expect(owed).toHaveLength(2);
    rig.joinWith(
      2,
      owed.map(({ first }) => first),
    );
    rig.pass(3000);
    const taken = sent(rig.effects, "cancel").filter(({ connection }) => connection === 1);
    expect(taken).toHaveLength(2);
    for (const { first, count } of owed)
      rig.hear(1, { type: "refuse", first, count, reason: "cancelled" });
    const asked = () => sent(rig.effects, "request").filter(({ connection }) => connection === 1);
    rig.pass(8500);
    expect(asked()).toHaveLength(2);
    rig.pass(1500);
    expect(asked()).toHaveLength(4);
  });

  test("cancel is not sent twice, and what was taken back is not asked of the same peer before its answer", () => {
    const link = new Link({ parts: 2 });
    const { rig } = link;
    rig.joinWith(1, "all");
    rig.joinWith(2, "all");
    rig.pass(60_000);
    const cancels = sent(rig.effects, "cancel").map(
      ({ connection, message }) => `${connection}:${message.first}`,
    );
    expect(cancels.length).toBeGreaterThan(0);
    expect(new Set(cancels).size).toBe(cancels.length);
    const requests = sent(rig.effects, "request").map(
      ({ connection, message }) => `${connection}:${message.first}`,
    );
    expect(new Set(requests).size).toBe(requests.length);
  });

  test("SIM-4: review snubs one that lives and sends no data for 20 s, if there is another", () => {
    const rig = new EngineRig({ parts: 4 });
    rig.joinWith(1, [0, 1]);
    rig.joinWith(2, [2, 3]);
    for (let at = 0; at < 25_000; at += 250) {
      rig.hear(1, { type: "ping", id: 1 });
      rig.tick(250);
    }
    expect(sent(rig.effects, "cancel").filter(({ connection }) => connection === 1)).toHaveLength(
      2,
    );
    rig.joinWith(3, [0, 1]);
    expect(rig.isAsked(3, 0)).toBe(true);
    expect(rig.isAsked(3, 1)).toBe(true);
    // Negative control: one that is all there is keeps what it owes.
    const alone = new EngineRig({ parts: 4 });
    alone.joinWith(1, [0, 1]);
    for (let at = 0; at < 25_000; at += 250) {
      alone.hear(1, { type: "ping", id: 1 });
      alone.tick(250);
    }
    expect(sent(alone.effects, "cancel")).toEqual([]);
  });

  test("review takes one that says it is busy for no silent one", () => {
    const rig = new EngineRig({ parts: 4 });
    rig.joinWith(1, "all");
    rig.joinWith(2, [0]);
    // It owes two spans all the time, and refuses one of them now and then.
    for (let second = 0; second < 120; second++) {
      const [run] = asked(rig.effects, 1).filter(({ first }) => rig.isAsked(1, first));
      if (second % 5 === 4 && run !== undefined)
        rig.hear(1, { type: "refuse", first: run.first, count: run.count, reason: "busy" });
      const effects = rig.pass(1000);
      for (const { connection, message } of sent(effects, "ping")) rig.pong(connection, message.id);
      expect(sent(effects, "cancel").filter(({ connection }) => connection === 1)).toEqual([]);
      expect(closed(effects).filter(([connection]) => connection === 1)).toEqual([]);
    }
  });

  test("SIM-4: review leaves one that answers neither requests nor cancels, so that it holds no memory for ever", () => {
    const link = new Link({ parts: 4000 });
    const { rig } = link;
    // Three that were fast are owed all the memory there is, and then send nothing but pongs.
    const stallers = [1, 2, 3];
    for (const connection of stallers) rig.joinWith(connection, "all");
    for (let step = 0; step < 180; step++) {
      if (step % 3 === 0) rig.tick(50);
      link.serve(1 + (step % 3), 4 * MIB);
    }
    rig.joinWith(4, "all");
    expect(link.bytesOwed(4)).toBe(0);
    for (let step = 0; step < 300; step++) {
      for (const connection of stallers) rig.pong(connection, 1);
      leaveAll(rig, rig.tick(250));
      link.serve(4, 4 * MIB);
    }
    expect(rig.engine.isComplete).toBe(true);
  });

  test("SIM-4: review pings a silent one that owes after 10 s and leaves it when no pong comes", () => {
    const rig = new EngineRig();
    rig.joinWith(1, "all");
    rig.joinWith(2, "all");
    const early = rig.pass(10_000);
    expect(sent(early, "ping")).toEqual([]);
    expect(sent(rig.pass(500), "ping").map(({ connection }) => connection)).toEqual([1, 2]);
    rig.pong(2, 1);
    expect(closed(rig.pass(19_500))).toEqual([]);
    expect(closed(rig.pass(1000))).toEqual([[1, "it fell silent"]]);
  });

  test("SRV-10: review pings one that owes nothing after 35 s, and leaves it within a minute", () => {
    const rig = new EngineRig({ have: "all" });
    rig.joinWith(1, []);
    expect(sent(rig.pass(35_000), "ping")).toEqual([]);
    expect(sent(rig.pass(500), "ping")).toHaveLength(1);
    expect(closed(rig.pass(24_000))).toHaveLength(1);
  });

  test("review pings with a number that fits the wire after any uptime", () => {
    const rig = new EngineRig({ have: "all" });
    rig.nowMs = 2 ** 32 + 12_345;
    rig.joinWith(1, []);
    const [ping] = sent(rig.pass(61_000), "ping");
    expect(ping?.message.id).toBeLessThan(2 ** 32);
  });

  test("review does not hold our own slow disk against the remotes", () => {
    const rig = new EngineRig({ parts: 64 });
    rig.joinWith(1, "all");
    rig.joinWith(2, "all");
    // Each sent one run, which the disk does not take; nothing more is read of them meanwhile.
    for (const connection of [1, 2]) {
      const [run] = asked(rig.effects, connection);
      if (run !== undefined) rig.deliver(connection, run);
    }
    const effects = rig.pass(120_000);
    expect(closed(effects)).toEqual([]);
    expect(sent(effects, "cancel")).toEqual([]);
    // When the disk goes on, they have their time from then on.
    const first = [1, 2].map((connection) => asked(rig.effects, connection)[0]);
    for (const run of first) if (run !== undefined) rig.do({ type: "written", run });
    expect(closed(rig.pass(25_000))).toEqual([]);
    expect(closed(rig.pass(10_000)).map(([connection]) => connection)).toEqual([1, 2]);
  });
});
