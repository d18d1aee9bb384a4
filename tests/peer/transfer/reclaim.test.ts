import { describe, expect, test } from "bun:test";
import { Reclaimer } from "../../../peer/transfer/reclaim.ts";

const MIB = 1024 * 1024;

describe("Reclaimer", () => {
  test("Reclaimer collects once each 64 MiB, however they come", () => {
    let collected = 0;
    const reclaimer = new Reclaimer(() => {
      collected++;
    });
    for (let bytes = 0; bytes < 63 * MIB; bytes += MIB) reclaimer.onReleased(MIB);
    expect(collected).toBe(0);
    reclaimer.onReleased(MIB);
    expect(collected).toBe(1);
    for (let part = 0; part < 40; part++) reclaimer.onReleased(16 * MIB);
    expect(collected).toBe(11);
  });

  test("Reclaimer leaves small transfers alone", () => {
    const reclaimer = new Reclaimer(() => expect.unreachable());
    for (let part = 0; part < 1000; part++) reclaimer.onReleased(256);
  });
});
