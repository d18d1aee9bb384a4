import { describe, expect, test } from "bun:test";
import { RULES } from "../../../peer/swarm/rules.ts";
import { SendPace } from "../../../peer/swarm/send-pace.ts";

const MIB = 2 ** 20;
const ALONE = { isReceiving: false, isLate: false };

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
    const own = { isReceiving: true, isLate: true };
    expect(paceAfter(16 * MIB, own).windowMs).toBe(RULES.sendWindowMs);
    // Negative controls: it may be a line that is slow; ticks come when they are due.
    expect(paceAfter(2 * MIB, own).windowMs).toBe(RULES.duplexWindowMs);
    expect(paceAfter(16 * MIB, { ...own, isLate: false }).windowMs).toBe(RULES.duplexWindowMs);
  });

  test("markBytesMin asks for no more than some marks a second over all", () => {
    expect(new SendPace(RULES).markBytesMin).toBe(0);
    for (const rate of [MIB, 64 * MIB]) {
      const { markBytesMin } = paceAfter(rate, ALONE);
      expect(rate / markBytesMin).toBeWithin(100, 160);
    }
  });
});
