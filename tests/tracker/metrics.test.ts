import { describe, expect, test } from "bun:test";
import { AnnounceService } from "../../tracker/announce/service.ts";
import { createTracker } from "../../tracker/app.ts";
import { systemClock, systemRandom, systemStopwatch } from "../../tracker/clock.ts";
import { RequestWatch } from "../../tracker/request-watch.ts";
import { IndexedSwarmStore } from "../../tracker/swarm-store/indexed.ts";
import { type Family, parsePrometheus, valueIn } from "../support/prometheus.ts";
import { createTestApp, silentLog, startTracker } from "../support/tracker.ts";
import { type Api, announce, PEER, post, register, UNKNOWN_HASH } from "./api-cases.ts";

function apiOf(app: { handle(request: Request): Response | Promise<Response> }): Api {
  return {
    fetch: async (path, init) => app.handle(new Request(`http://localhost${path}`, init)),
    [Symbol.asyncDispose]: async () => {},
  };
}

async function scrape(api: Pick<Api, "fetch">): Promise<ReadonlyMap<string, Family>> {
  const response = await api.fetch("/metrics");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
  return parsePrometheus(await response.text());
}

describe("Metrics", () => {
  test("count requests by route and class, refusals by code, announces by event, peers by state", async () => {
    const { app } = createTestApp({ clientAddress: () => "127.0.0.1" });
    await using api = apiOf(app);
    const hash = await register(api);
    await announce(api, hash, { event: "started" });
    await announce(api, hash, { event: "completed", listening_port: 3333 });
    await announce(api, hash, { event: "stopped", listening_port: 3333 });
    await announce(api, hash);
    const unknown = { hash: UNKNOWN_HASH, listening_host: "10.1.1.1", listening_port: 1 };
    await post(api, "/peers", unknown);
    await post(api, "/hash", {});
    await api.fetch("/ready");
    await api.fetch("/nowhere");
    await api.fetch("/elsewhere/../../else?a=b");

    const seen = await scrape(api);
    const requests = (route: string, status: string) =>
      valueIn(seen, "tracker_http_requests_total", { route, status });
    expect(requests("/hash", "2xx")).toBe(1);
    expect(requests("/hash", "4xx")).toBe(1);
    expect(requests("/peers", "2xx")).toBe(4);
    expect(requests("/peers", "4xx")).toBe(1);
    expect(requests("/ready", "2xx")).toBe(1);
    expect(requests("other", "4xx")).toBe(2);
    const duration = "tracker_http_request_duration_seconds_count";
    expect(valueIn(seen, duration, { route: "/peers" })).toBe(5);
    const refusals = (code: string) => valueIn(seen, "tracker_refusals_total", { code });
    expect([refusals("unknown_swarm"), refusals("bad_request"), refusals("not_found")]).toEqual([
      1, 1, 2,
    ]);
    for (const event of ["started", "completed", "stopped", "none"]) {
      expect(valueIn(seen, "tracker_announces_total", { event })).toBe(1);
    }
    expect(valueIn(seen, "tracker_swarms")).toBe(1);
    expect(valueIn(seen, "tracker_peers", { state: "complete" })).toBe(1);
    expect(valueIn(seen, "tracker_peers", { state: "incomplete" })).toBe(1);
    // The scrape itself is not answered yet.
    expect(valueIn(seen, "tracker_http_requests_in_flight")).toBe(1);
  });

  test("TRK-7: name no swarm, no peer and no path that a caller made up", async () => {
    const { app } = createTestApp({ clientAddress: () => "127.0.0.1" });
    await using api = apiOf(app);
    const hash = await register(api);
    await announce(api, hash, { peer: PEER });
    await api.fetch(`/${hash}`);
    const text = await (await api.fetch("/metrics")).text();
    for (const secret of [hash, PEER, "10.1.1.1", "127.0.0.1", "2222"]) {
      expect(text).not.toContain(secret);
    }
  });

  test("TRK-6: have no more series after ten thousand made-up paths than after one", async () => {
    const { app } = createTestApp();
    await using api = apiOf(app);
    const series = async () => {
      const families = [...(await scrape(api)).values()];
      return families.reduce((sum, { samples }) => sum + samples.length, 0);
    };
    await api.fetch("/made-up");
    await series();
    const before = await series();
    for (let at = 0; at < 10_000; at++) await api.fetch(`/made-up-${at}`);
    expect(await series()).toBe(before);
  });

  test("are not there where nobody keeps them", async () => {
    const store = IndexedSwarmStore.inMemory(systemClock, systemRandom);
    const service = new AnnounceService(systemClock, systemRandom, store, {
      intervalSeconds: 30,
      ttlMs: 120_000,
      addressPolicy: "compat",
      swarmQuota: undefined,
    });
    const watch = new RequestWatch(silentLog(), systemStopwatch, systemRandom, { slowMs: 250 });
    const app = createTracker({
      clock: systemClock,
      log: silentLog(),
      rateLimit: undefined,
      service,
      clientAddress: () => "127.0.0.1",
      watch,
      version: "0.0.0-test",
    });
    expect((await app.handle(new Request("http://localhost/metrics"))).status).toBe(404);
    expect((await app.handle(new Request("http://localhost/ready"))).status).toBe(200);
  });

  test("tell of commits and of the process when a real one is asked", async () => {
    await using tracker = await startTracker();
    const api = apiOf({
      handle: (request) => fetch(tracker.url + new URL(request.url).pathname, request),
    });
    await register(api);
    const seen = await scrape(api);
    expect(valueIn(seen, "tracker_commit_duration_seconds_count")).toBeGreaterThan(0);
    expect(valueIn(seen, "tracker_commit_announces_sum")).toBeGreaterThan(0);
    expect(valueIn(seen, "process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
    expect(valueIn(seen, "process_cpu_seconds_total")).toBeGreaterThan(0);
    const startedAt = valueIn(seen, "process_start_time_seconds") ?? 0;
    expect(Math.abs(startedAt - Date.now() / 1000)).toBeLessThan(600);
    const info = seen.get("tracker_build_info")?.samples[0]?.labels.version;
    expect(info).toMatch(/^\d+\.\d+\.\d+/);
  });

  test("tell how long commits took, how many announces went down together, and which failed", async () => {
    const { metrics } = createTestApp();
    metrics.committed({ ms: 4, announces: 3, waiting: 2, succeeded: true });
    metrics.committed({ ms: 40, announces: 7, waiting: 0, succeeded: false });
    const totals = { swarms: 0, complete: 0, incomplete: 0 };
    const seen = parsePrometheus(await metrics.expose(totals));
    expect(valueIn(seen, "tracker_commit_duration_seconds_sum")).toBeCloseTo(0.044);
    expect(valueIn(seen, "tracker_commit_duration_seconds_bucket", { le: "0.005" })).toBe(1);
    expect(valueIn(seen, "tracker_commit_announces_sum")).toBe(10);
    expect(valueIn(seen, "tracker_commit_failures_total")).toBe(1);
    expect(valueIn(seen, "tracker_waiting_announces")).toBe(0);
  });
});

describe("parsePrometheus", () => {
  test.each([
    ["a line of another form", "# HELP a_total a\n# TYPE a_total counter\na_total one\n"],
    ["a series without a type", "a_total 1\n"],
    ["a series that comes twice", "# HELP a a\n# TYPE a gauge\na 1\na 2\n"],
    ["a label that is not closed", '# HELP a a\n# TYPE a gauge\na{b="c} 1\n'],
    ["a counter that is no total", "# HELP a a\n# TYPE a counter\na 1\n"],
    ["no last line end", "# HELP a a\n# TYPE a gauge\na 1"],
    [
      "falling buckets",
      '# HELP a a\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_count 1\n',
    ],
  ])("refuses %s (control)", (_, text) => {
    expect(() => parsePrometheus(text)).toThrow();
  });
});
