import { describe, expect, test } from "bun:test";
import { RULES } from "../../../peer/swarm/rules.ts";
import { SendPace } from "../../../peer/swarm/send-pace.ts";

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const ALONE = { isReceiving: false, lateMs: 0 };

/** @returns the pace of one that has sent so much a second for ten seconds */
function paceAfter(bytesPerSecond: number, own: Parameters<SendPace["review"]>[0]): SendPace {
  const pace = new SendPace(RULES);
  for (let nowMs = 0; nowMs < 10_000; nowMs += 100) pace.onSent(bytesPerSecond / 10, nowMs);
  pace.review(own, 10_000);
  return pace;
}

describe("SendPace", () => {
  test("windowMs is shorter while something comes to ourselves", () => {
    expect(new SendPace(RULES).windowMs).toBe(RULES.sendWindowMs);
    expect(paceAfter(MIB, ALONE).windowMs).toBe(RULES.sendWindowMs);
    expect(paceAfter(MIB, { ...ALONE, isReceiving: true }).windowMs).toBe(RULES.duplexWindowMs);
  });

  test("windowMs is not, where much moves and the machine keeps us waiting", () => {
    const own = { isReceiving: true, lateMs: 12 };
    expect(paceAfter(16 * MIB, own).windowMs).toBe(RULES.sendWindowMs);
    // Negative controls: it may be a line that is slow; ticks come when they are due.
    expect(paceAfter(2 * MIB, { ...own, lateMs: 500 }).windowMs).toBe(RULES.duplexWindowMs);
    expect(paceAfter(16 * MIB, { ...own, lateMs: 5 }).windowMs).toBe(RULES.duplexWindowMs);
  });

  test("markBytesMin asks for no more than some marks a second over all, of who takes much", () => {
    for (const rate of [8 * MIB, 64 * MIB])
      expect(rate / paceAfter(rate, ALONE).markBytesMin(rate)).toBeWithin(100, 160);
    // One who is slow beside fast ones has to be known in a moment, too; who is new is slow.
    const pace = paceAfter(64 * MIB, ALONE);
    expect(pace.markBytesMin(MIB)).toBe(MIB / 8);
    expect(pace.markBytesMin(0)).toBe(16 * KIB);
    expect(new SendPace(RULES).markBytesMin(64 * MIB)).toBe(16 * KIB);
  });

  test("markBytesMin is larger the later the machine is, whoever takes it, and not for the lateness that all machines have", () => {
    const leastAt = (bytesPerSecond: number, lateMs: number) =>
      paceAfter(bytesPerSecond, { ...ALONE, lateMs }).markBytesMin(0);
    expect([0, 25, 46, 500].map((lateMs) => leastAt(MIB, lateMs))).toEqual([
      16 * KIB,
      16 * KIB,
      272 * KIB,
      MIB,
    ]);
    // Who moves much measures no line, and is late sooner.
    expect([5, 25].map((lateMs) => leastAt(16 * MIB, lateMs))).toEqual([16 * KIB, 256 * KIB]);
  });

  test("markBytesMin are whole bytes", () => {
    expect(paceAfter(123_456, { ...ALONE, lateMs: 37.3 }).markBytesMin(0)).toBeInteger();
    expect(paceAfter(16 * MIB + 1, ALONE).markBytesMin(1_234_567)).toBeInteger();
  });
});
