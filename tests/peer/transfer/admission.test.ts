import { describe, expect, test } from "bun:test";
import { connectionsMax } from "../../../peer/net/open-files.ts";
import { Admission, type Visit } from "../../../peer/transfer/admission.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** Whom it lets in, and callers. */
class Rig {
  readonly clock = new FakeClock();
  readonly admission: Admission;
  /** Who was sent away after he had been let in. */
  readonly ended: string[] = [];

  constructor(connectionsMax = 1000) {
    this.admission = new Admission(this.clock, connectionsMax);
  }

  call(host: string): Visit | undefined {
    const terminate = () => void this.ended.push(host);
    return this.admission.enter({ remote: { host, port: 1 }, terminate });
  }

  /** @returns those who were let in */
  callOften(host: string | ((at: number) => string), times: number): Visit[] {
    const hostAt = typeof host === "string" ? () => host : host;
    return Array.from({ length: times }, (_, at) => this.call(hostAt(at))).filter(
      (visit) => visit !== undefined,
    );
  }
}

const host = (at: number) => `8.0.${at >> 8}.${at & 255}`;

describe("Admission", () => {
  test("SRV-5: enter lets twenty of one network in a second, and 32 stay", async () => {
    for (const hostOf of [() => "8.8.8.8", (at: number) => `2600:1:2:3::${at + 1}`]) {
      const rig = new Rig();
      expect(rig.callOften(hostOf, 100)).toHaveLength(20);
      await rig.clock.advance(500);
      expect(rig.callOften(hostOf, 100)).toHaveLength(10);
      await rig.clock.advance(5000);
      const last = rig.callOften(hostOf, 100);
      expect(last).toHaveLength(2);
      // Another one is none the worse for it; and who leaves makes room.
      expect(rig.call("9.9.9.9")).toBeDefined();
      await rig.clock.advance(1000);
      last[0]?.[Symbol.dispose]();
      last[0]?.[Symbol.dispose]();
      expect(rig.callOften(hostOf, 10)).toHaveLength(1);
      expect(rig.admission.connections).toBe(33);
    }
  });

  test("SRV-5's control: enter counts nobody apart on this machine", () => {
    for (const loopback of ["127.0.0.1", "::1"]) {
      const visits = new Rig().callOften(loopback, 64);
      expect(visits).toHaveLength(64);
    }
  });

  test("SRV-5: enter has 64 greet at once, and the one that takes longest makes room after a second", async () => {
    const rig = new Rig();
    expect(rig.callOften(host, 100)).toHaveLength(64);
    await rig.clock.advance(999);
    expect(rig.call("9.9.9.9")).toBeUndefined();
    await rig.clock.advance(1);
    expect(rig.call("9.9.9.9")).toBeDefined();
    expect(rig.ended).toEqual([host(0)]);
    expect(rig.admission.connections).toBe(64);
    // Those who have shown the torrent are not in the way of others.
    for (const visit of rig.callOften((at) => host(1000 + at), 63)) visit.stay();
    expect(rig.callOften((at) => host(2000 + at), 100)).toHaveLength(63);
  });

  test("SRV-5: enter and call together never pass the process's limit, and nobody who stays is sent away", async () => {
    const rig = new Rig(40);
    for (const visit of rig.callOften(host, 30)) visit.stay();
    const calls = Array.from({ length: 20 }, () => rig.admission.call()).filter((call) => call);
    expect(calls).toHaveLength(10);
    await rig.clock.advance(60_000);
    expect(rig.call("9.9.9.9")).toBeUndefined();
    expect(rig.ended).toEqual([]);
    for (const call of calls) call?.[Symbol.dispose]();
    for (const call of calls) call?.[Symbol.dispose]();
    expect(rig.admission.connections).toBe(30);
    expect(rig.call("9.9.9.9")).toBeDefined();
  });

  test("enter remembers a bounded number of networks", async () => {
    const rig = new Rig();
    for (let at = 0; at < 20_000; at++) {
      if (at % 1000 === 0) await rig.clock.advance(1000);
      rig.call(`${1 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}.1`)?.[Symbol.dispose]();
    }
    expect(rig.admission.connections).toBe(0);
  });
});

describe("connectionsMax", () => {
  test("SRV-5: connectionsMax leaves 64 files, is 1,024 at most and never none", () => {
    expect(connectionsMax(20_000)).toBe(1024);
    expect(connectionsMax(1088)).toBe(1024);
    expect(connectionsMax(1024)).toBe(960);
    expect(connectionsMax(128)).toBe(64);
    expect(connectionsMax(64)).toBe(8);
    expect(connectionsMax()).toBeGreaterThanOrEqual(8);
  });
});
