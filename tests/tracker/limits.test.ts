import { describe, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import { ErrorResponse, HashResponse } from "../../protocol/announce.ts";
import { parseSwarmHash } from "../../protocol/ids.ts";
import { SwarmQuota } from "../../tracker/announce/swarm-quota.ts";
import { CallerNetworks } from "../../tracker/caller-networks.ts";
import { ClientError } from "../../tracker/errors.ts";
import { RateLimit } from "../../tracker/rate-limit.ts";
import { TokenBuckets } from "../../tracker/token-buckets.ts";
import { createTestApp, FakeClock, startTracker } from "../support/tracker.ts";
import { type Api, announce, post } from "./api-cases.ts";

const HOUR_MS = 3_600_000;
const TTL_MS = 120_000;
const ALL = new CallerNetworks({ isLoopbackExempt: false });

interface LimitedApi extends Api {
  readonly clock: FakeClock;
  readonly caller: { source: string };
}

/** A tracker that sees its callers where `caller.source` says. */
function openApi(limits: { readonly rate?: boolean; readonly quota?: boolean }): LimitedApi {
  const clock = new FakeClock();
  const caller = { source: "9.9.9.9" };
  const { app, store } = createTestApp({
    clock,
    ttlMs: TTL_MS,
    clientAddress: () => caller.source,
    ...(limits.rate === true ? { rateLimit: new RateLimit(clock, ALL, { perSecond: 20 }) } : {}),
    ...(limits.quota === true ? { swarmQuota: new SwarmQuota(clock, ALL, { ttlMs: TTL_MS }) } : {}),
  });
  return {
    clock,
    caller,
    fetch: (path, init) => app.handle(new Request(`http://localhost${path}`, init)),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** @returns how many of so many requests got each status */
async function count(times: number, ask: () => Promise<{ readonly status: number }>) {
  const statuses: Record<number, number> = {};
  for (let asked = 0; asked < times; asked++) {
    const { status } = await ask();
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
  return statuses;
}

function makeSwarm(api: Api): ReturnType<typeof post> {
  return post(api, "/hash", { listening_host: "", listening_port: 6000 });
}

describe("TokenBuckets", () => {
  const options = { perSecond: 20, burst: 60, callersMax: 1000 };

  test("gives 60 at once, then one each twentieth of a second, and says when", async () => {
    const clock = new FakeClock();
    const buckets = new TokenBuckets(clock, options);
    for (let taken = 0; taken < 60; taken++) expect(buckets.take("a")).toBe(0);
    expect(buckets.take("a")).toBeCloseTo(0.05, 6);
    expect(buckets.take("b")).toBe(0);
    await clock.advance(49);
    expect(buckets.take("a")).toBeGreaterThan(0);
    await clock.advance(1);
    expect(buckets.take("a")).toBe(0);
    expect(buckets.take("a")).toBeGreaterThan(0);
    await clock.advance(HOUR_MS);
    for (let taken = 0; taken < 60; taken++) expect(buckets.take("a")).toBe(0);
    expect(buckets.take("a")).toBeGreaterThan(0);
  });

  test("TRK-11: counts no time that only the machine's clock says has passed, or has not", async () => {
    const clock = new FakeClock();
    const buckets = new TokenBuckets(clock, options);
    for (let taken = 0; taken < 60; taken++) buckets.take("a");
    clock.set(clock.now() + 24 * HOUR_MS);
    expect(buckets.take("a")).toBeGreaterThan(0);
    clock.set(clock.now() - 48 * HOUR_MS);
    await clock.advance(50);
    expect(buckets.take("a")).toBe(0);
  });

  test("TRK-6: remembers a bounded number of callers, however many come", () => {
    const buckets = new TokenBuckets(new FakeClock(), options);
    for (let at = 0; at < 100_000; at++) buckets.take(`caller ${at}`);
    expect(buckets.size).toBeLessThanOrEqual(1000);
  });
});

describe("RateLimit", () => {
  test("TRK-6: one network gets 60 answers at once and 20 a second, then 429 with when to come again", async () => {
    await using api = openApi({ rate: true });
    expect(await count(200, () => api.fetch("/ready"))).toEqual({ 200: 60, 429: 140 });
    const refused = await api.fetch("/ready");
    expect(await refused.text()).toBe(
      '{"error":"Too many requests from this network","code":"too_many_requests"}',
    );
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(refused.headers.get("x-content-type-options")).toBe("nosniff");
    expect(refused.headers.get("content-type")).toStartWith("application/json");
    await api.clock.advance(1000);
    expect(await count(200, () => api.fetch("/ready"))).toEqual({ 200: 20, 429: 180 });
    // Others are not hindered.
    api.caller.source = "9.9.9.8";
    expect(await count(60, () => api.fetch("/ready"))).toEqual({ 200: 60 });
  });

  test.each(["/ready", "/stats", "/nope", "/", "/peers"])(
    "TRK-6: %s counts like every other call, before anything is read of it",
    async (path) => {
      await using api = openApi({ rate: true });
      await count(60, () => api.fetch(path, { method: "POST", body: "x" }));
      expect((await api.fetch(path)).status).toBe(429);
      expect((await makeSwarm(api)).status).toBe(429);
    },
  );

  test("TRK-6: a /64 of IPv6 is one network, an IPv4 address is one, mapped or not", async () => {
    await using api = openApi({ rate: true });
    let at = 0;
    const from = (sources: (at: number) => string) => () => {
      api.caller.source = sources(at++);
      return api.fetch("/ready");
    };
    expect(
      await count(
        100,
        from((n) => `2600:1:2:3:${n}::1`),
      ),
    ).toEqual({ 200: 60, 429: 40 });
    expect(
      await count(
        100,
        from((n) => `2600:1:2:${0x1000 + n}::1`),
      ),
    ).toEqual({ 200: 100 });
    const mapped = (n: number) => (n % 2 === 0 ? "8.8.8.8" : "::ffff:8.8.8.8");
    expect(await count(100, from(mapped))).toEqual({ 200: 60, 429: 40 });
  });

  test("TRK-6's control: without a limit one network gets as many answers as it asks for", async () => {
    await using api = openApi({});
    expect(await count(200, () => api.fetch("/ready"))).toEqual({ 200: 200 });
  });

  test("lets this machine ask without a limit only where that is said", () => {
    const take = (isLoopbackExempt: boolean, source: string): number => {
      const networks = new CallerNetworks({ isLoopbackExempt });
      const limit = new RateLimit(new FakeClock(), networks, { perSecond: 1 });
      for (let asked = 0; asked < 10; asked++) {
        try {
          limit.check(source);
        } catch (error) {
          expect(error).toBeInstanceOf(ClientError);
          return asked;
        }
      }
      return 10;
    };
    for (const source of ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"]) {
      expect(take(true, source)).toBe(10);
      expect(take(false, source)).toBe(3);
    }
    expect(take(true, "192.168.1.1")).toBe(3);
  });

  test("TRK-6: a tracker process limits this machine only where others stand behind it, and as it is told", async () => {
    const ask = async (args: readonly string[]) => {
      await using tracker = await startTracker({ db: ":memory:", args });
      return await count(40, () => fetch(`${tracker.url}/ready`));
    };
    expect(await ask(["--rate-limit", "1"])).toEqual({ 200: 40 });
    expect(await ask(["--rate-limit", "0", "--trust-proxy", "127.0.0.1"])).toEqual({ 200: 40 });
    const limited = await ask(["--rate-limit", "1", "--trust-proxy", "127.0.0.1"]);
    expect(limited[429]).toBeGreaterThan(20);
    for (const path of ["/stats", "/peers", "/nope"]) {
      await using tracker = await startTracker({
        db: ":memory:",
        args: ["--rate-limit", "1", "--trust-proxy", "127.0.0.1"],
      });
      const init = path === "/peers" ? { method: "POST", body: "x" } : {};
      const statuses = await count(10, () => fetch(tracker.url + path, init));
      expect(statuses[429]).toBeGreaterThanOrEqual(5);
    }
  }, 30_000);
});

describe("SwarmQuota", () => {
  test("TRK-6: one network makes 60 swarms an hour, by either call, and joins as many as it likes", async () => {
    await using api = openApi({ quota: true });
    expect(await count(30, () => makeSwarm(api))).toEqual({ 200: 30 });
    const hashes = Array.from({ length: 30 }, () => crypto.randomUUID());
    for (const hash of hashes) await announce(api, hash, { left: 0 });
    const refused = await makeSwarm(api);
    expect(refused).toMatchObject({ status: 429, json: { code: "too_many_swarms" } });
    expect(Value.Check(ErrorResponse, refused.json)).toBe(true);
    const fields = { listening_host: "", listening_port: 6000, left: 0 };
    const again = await post(api, "/peers", { hash: crypto.randomUUID(), ...fields });
    expect(again).toMatchObject({ status: 429, json: { code: "too_many_swarms" } });
    // What is there is no new swarm.
    for (const hash of hashes) await announce(api, hash, { left: 0 });
    await api.clock.advance(HOUR_MS / 60);
    expect(await count(5, () => makeSwarm(api))).toEqual({ 200: 1, 429: 4 });
    api.caller.source = "9.9.9.8";
    expect((await makeSwarm(api)).status).toBe(200);
  });

  test("TRK-6: an unknown hash that is refused is not made", async () => {
    await using api = openApi({ quota: true });
    await count(60, () => makeSwarm(api));
    const hash = crypto.randomUUID();
    const fields = { hash, listening_host: "", listening_port: 6000 };
    expect((await post(api, "/peers", { ...fields, left: 0 })).status).toBe(429);
    expect((await post(api, "/peers", fields)).status).toBe(404);
  });

  test("TRK-6: one network keeps 200 swarms alive at most, whoever announces in them", async () => {
    const clock = new FakeClock();
    const quota = new SwarmQuota(clock, ALL, { ttlMs: TTL_MS });
    const made: ReturnType<typeof crypto.randomUUID>[] = [];
    const refusals = new Set<number | undefined>();
    const make = (): boolean => {
      const hash = crypto.randomUUID();
      try {
        quota.make(swarm(hash), "9.9.9.9");
        made.push(hash);
        return true;
      } catch (error) {
        refusals.add(error instanceof ClientError ? error.retryAfterSeconds : -1);
        return false;
      }
    };
    // A swarm a minute for ten hours, all of which are announced again each minute.
    for (let minute = 0; minute < 600; minute++) {
      make();
      await clock.advance(60_000);
      for (const hash of made) quota.renew(swarm(hash));
    }
    expect(made).toHaveLength(200);
    expect(refusals.has(TTL_MS / 1000)).toBe(true);
    // Those that nobody announces any more make room.
    for (let minute = 0; minute < 3; minute++) {
      await clock.advance(60_000);
      for (const hash of made.slice(0, 150)) quota.renew(swarm(hash));
    }
    expect(Array.from({ length: 60 }, make).filter(Boolean)).toHaveLength(50);
  });

  test("TRK-6: the 201st swarm is refused however the other 200 are kept alive", async () => {
    await using api = openApi({ quota: true });
    const hashes: string[] = [];
    const make = async (): Promise<boolean> => {
      const { status, json } = await makeSwarm(api);
      if (status === 200) hashes.push(Value.Parse(HashResponse, json).hash);
      return status === 200;
    };
    // Three hours and a half: time for 270 of them.
    for (let round = 0; round < 126; round++) {
      while (hashes.length < 300 && (await make()));
      await api.clock.advance(100_000);
      // It is others who keep them alive.
      api.caller.source = "9.9.9.8";
      for (const hash of hashes) await announce(api, hash, { want: 0 });
      api.caller.source = "9.9.9.9";
    }
    expect(hashes).toHaveLength(200);
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ listening_host: "", listening_port: 6000 });
    const refused = await api.fetch("/hash", { method: "POST", headers, body });
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("120");
  }, 30_000);

  test("TRK-6's control: without a quota one network makes as many as it asks for", async () => {
    await using api = openApi({});
    expect(await count(300, () => makeSwarm(api))).toEqual({ 200: 300 });
  });
});

function swarm(text: string) {
  const hash = parseSwarmHash(text);
  if (hash === undefined) throw new Error(`No hash: ${text}`);
  return hash;
}
