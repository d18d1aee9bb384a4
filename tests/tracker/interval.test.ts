import { describe, expect, test } from "bun:test";
import type { PeersRequest } from "../../protocol/announce.ts";
import { planInterval } from "../../tracker/announce/interval.ts";

const OPTIONS = { intervalSeconds: 30, ttlMs: 120_000 };
const request = (left?: number): PeersRequest => ({
  hash: "00000000-0000-4000-8000-000000000000",
  listening_host: "10.0.0.1",
  listening_port: 1,
  ...(left !== undefined && { left }),
});

describe("planInterval", () => {
  test.each<[number | undefined, number, number, number]>([
    [10, 0, 1, 2],
    [10, 1, 4, 2],
    [10, 1, 5, 30],
    [10, 0, 900, 30],
    [0, 1, 0, 30],
    [undefined, 0, 1, 30],
  ])(
    "with %p bytes left among %d complete and %d incomplete is %d s",
    (left, complete, incomplete, interval) => {
      const plan = planInterval(request(left), { complete, incomplete }, 0, OPTIONS);
      expect(plan).toEqual({ interval, min_interval: 2 });
    },
  );

  test("grows with the announces there are, and never so far that one lost announce ends a peer", () => {
    const at = (perSecond: number) =>
      planInterval(request(10), { complete: 9, incomplete: 9 }, perSecond, OPTIONS);
    expect(at(10_000)).toEqual({ interval: 30, min_interval: 2 });
    expect(at(15_000)).toEqual({ interval: 45, min_interval: 3 });
    expect(at(1_000_000)).toEqual({ interval: 54, min_interval: 54 });
  });

  test("keeps to a configured interval that is shorter than what the hungry get, or longer than the TTL allows", () => {
    const swarm = { complete: 0, incomplete: 1 };
    const short = planInterval(request(10), swarm, 0, { intervalSeconds: 0.5, ttlMs: 2000 });
    expect(short).toEqual({ interval: 0.5, min_interval: 0.5 });
    const long = planInterval(request(0), swarm, 50_000, { intervalSeconds: 100, ttlMs: 120_000 });
    expect(long).toEqual({ interval: 100, min_interval: 10 });
  });
});
