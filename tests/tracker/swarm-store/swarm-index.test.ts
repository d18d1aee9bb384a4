import { describe, expect, test } from "bun:test";
import { StoreError } from "../../../tracker/errors.ts";
import type { Announce, SwarmView } from "../../../tracker/swarm-store/store.ts";
import { DEFAULT_LIMITS } from "../../../tracker/swarm-store/store-limits.ts";
import { toSubject } from "../../../tracker/swarm-store/subject.ts";
import { SwarmIndex } from "../../../tracker/swarm-store/swarm-index.ts";
import { announceOf, NOW, peersOf, swarmHash, TTL } from "../../contract/swarm-store/announces.ts";
import { SeededRandom } from "../../support/tracker.ts";

/** An index that is told of announces as if each was written. */
class Told {
  readonly index: SwarmIndex;
  #seq = 0;

  constructor(limits: Partial<typeof DEFAULT_LIMITS> = {}, seed = 1) {
    this.index = new SwarmIndex(new SeededRandom(seed), { ...DEFAULT_LIMITS, ...limits });
  }

  announce(fields: Partial<Announce> = {}): SwarmView {
    const announce = announceOf({ create: true, want: 0, ...fields });
    this.index.needOf(toSubject(announce));
    return this.index.apply(toSubject(announce), { seq: ++this.#seq, kept: announce.expires });
  }

  /** The hosts that a caller from elsewhere is told of. */
  hosts(fields: Partial<Announce> = {}): readonly string[] {
    const caller = { host: "198.51.100.9", port: 9, action: "remove" as const, want: 50 };
    const view = this.index.apply(toSubject(announceOf({ ...caller, ...fields })));
    return (peersOf(view) ?? []).map(({ host }) => host);
  }
}

/** @returns how many of `draws` answers have at least three of the five honest among a thousand of one /24 */
function drawsWithThreeHonest(
  fakeHost: (number: number) => string,
  fakesComplete: boolean,
): number {
  const told = new Told();
  for (let fake = 0; fake < 1000; fake++) {
    told.announce({ host: fakeHost(fake), port: 2000 + fake, complete: fakesComplete });
  }
  const honest = [1, 2, 3, 4, 5].map((number) => `192.0.${number}.1`);
  for (const host of honest) told.announce({ host, complete: host === "192.0.1.1" });
  let good = 0;
  for (let draw = 0; draw < 1000; draw++) {
    const hosts = told.hosts();
    expect(hosts.length).toBe(50);
    if (hosts.filter((host) => honest.includes(host)).length >= 3) good++;
  }
  return good;
}

describe("SwarmIndex", () => {
  test("TRK-8: 1000 fakes of one /24 do not hide five honest peers", () => {
    const oneNet = (fake: number): string => `203.0.113.${fake % 250}`;
    expect(drawsWithThreeHonest(oneNet, false)).toBeGreaterThanOrEqual(950);
    expect(drawsWithThreeHonest(oneNet, true)).toBeGreaterThanOrEqual(950);
  });

  test("TRK-8: from nets of their own the same fakes would hide them (control)", () => {
    const manyNets = (fake: number): string => `203.${fake >> 8}.${fake & 255}.1`;
    expect(drawsWithThreeHonest(manyNets, false)).toBeLessThan(500);
  });

  test("TRK-8: at most two of one /24 or /48 while there are others, all of them when not", () => {
    const told = new Told();
    for (let number = 1; number <= 40; number++) told.announce({ host: `10.0.0.${number}` });
    for (let number = 1; number <= 40; number++) told.announce({ host: `2001:db8:7::${number}` });
    for (let number = 1; number <= 20; number++) told.announce({ host: `10.0.${number}.1` });
    const hosts = told.hosts({ want: 24 });
    expect(hosts.filter((host) => host.startsWith("10.0.0.")).length).toBeLessThanOrEqual(2);
    expect(hosts.filter((host) => host.startsWith("2001:db8:7:")).length).toBeLessThanOrEqual(2);
    expect(hosts.length).toBe(24);
    expect(told.hosts({ want: 50 }).length).toBe(50);
  });

  test("sources are found in a crowd that has nothing, and the crowd beside many sources", () => {
    for (const rare of [true, false]) {
      const told = new Told();
      for (let number = 0; number < 1000; number++) {
        told.announce({ host: `10.${number >> 8}.${number & 255}.1`, complete: !rare });
      }
      for (let number = 0; number < 3; number++) {
        told.announce({ host: `11.0.${number}.1`, complete: rare });
      }
      for (let draw = 0; draw < 100; draw++) {
        expect(told.hosts().filter((host) => host.startsWith("11.")).length).toBe(3);
      }
    }
  });

  test("TRK-2: who announces a victim once has it told of to few, and for no longer than the TTL", () => {
    const told = new Told();
    const victim = "198.18.0.1";
    told.announce({ host: victim, complete: true });
    for (let number = 0; number < 2000; number++) {
      told.announce({ host: `10.${number >> 8}.${number & 255}.1`, complete: true });
    }
    const answers = Array.from({ length: 1000 }, () => told.hosts());
    for (const hosts of answers) expect(hosts.length).toBe(50);
    // One of 2001, fifty times: 25 of a thousand answers, and 60 once in ten thousand million runs.
    const tellings = answers.filter((hosts) => hosts.includes(victim)).length;
    expect(tellings).toBeLessThan(60);
    told.announce({ host: "10.99.0.1", now: NOW + TTL });
    told.index.sweep(NOW + TTL, 10_000);
    for (let draw = 0; draw < 20; draw++) {
      expect(told.hosts({ now: NOW + TTL })).toEqual(["10.99.0.1"]);
    }
  });

  test("TRK-6: keeps within its limits, the newest first", () => {
    const limits = { peersMax: 300, peersPerSwarmMax: 100, peersPerNetworkMax: 8, swarmsMax: 5 };
    const told = new Told(limits);
    for (let number = 0; number < 2000; number++) {
      const host = `10.${number >> 8}.${number & 255}.1`;
      told.announce({ swarm: swarmHash(number % 4), host, now: NOW + number });
    }
    expect(told.index.totals()).toMatchObject({ incomplete: 300, swarms: 4 });
    const one = new Told(limits);
    for (let port = 1; port <= 50; port++)
      one.announce({ host: "203.0.113.7", port, now: NOW + port });
    expect(one.index.totals().incomplete).toBe(8);
    const view = one.index.apply(
      toSubject(announceOf({ host: "10.0.0.1", port: 9, action: "remove" })),
    );
    const ports = (peersOf(view) ?? []).map(({ port }) => port);
    expect(ports.toSorted((a, b) => a - b)).toEqual([43, 44, 45, 46, 47, 48, 49, 50]);
    const network = new Told(limits);
    for (let number = 1; number <= 50; number++) {
      network.announce({ host: `2001:db8::${number}`, port: 1000 + number });
    }
    expect(network.index.totals().incomplete).toBe(8);
  });

  test("TRK-6: refuses a swarm too many, and takes it when another has gone", () => {
    const told = new Told({ swarmsMax: 2 });
    told.announce({ swarm: swarmHash(1) });
    told.announce({ swarm: swarmHash(2), now: NOW + 1 });
    const refusal = expect(() => told.announce({ swarm: swarmHash(3) }));
    refusal.toThrow(StoreError);
    told.announce({ swarm: swarmHash(2), port: 2 });
    told.index.sweep(NOW + TTL, 10);
    told.announce({ swarm: swarmHash(3), now: NOW + TTL });
    expect(told.index.totals().swarms).toBe(2);
  });

  test("limits nothing of one network unless told to", () => {
    const told = new Told();
    for (let port = 1; port <= 50; port++) told.announce({ port });
    expect(told.index.totals().incomplete).toBe(50);
  });

  test("names each worthless row once", () => {
    const told = new Told();
    told.announce({ port: 1 });
    told.announce({ port: 1, complete: true });
    told.announce({ port: 2 });
    told.announce({ port: 2, action: "remove" });
    expect(told.index.takeWorthless().toSorted()).toEqual([1, 3]);
    expect(told.index.takeWorthless()).toEqual([]);
    told.index.sweep(NOW + TTL, 100);
    expect(told.index.takeWorthless().toSorted()).toEqual([2, 4]);
  });

  test("gives names and addresses of every length in one answer", () => {
    const told = new Told();
    const hosts = [
      "a".repeat(63),
      `${"b".repeat(60)}.${"c".repeat(60)}.example`,
      "::1",
      "10.0.0.1",
    ];
    const full = "2001:db80:1234:5678:9abc:def0:1234:5678";
    for (const host of [...hosts, full]) told.announce({ host, port: 65_535 });
    expect(told.hosts().toSorted()).toEqual([...hosts, full].toSorted());
  });
});
