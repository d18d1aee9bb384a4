import { describe, expect, test } from "bun:test";
import { systemClock } from "../../tracker/clock.ts";
import { IndexedSwarmStore } from "../../tracker/swarm-store/indexed.ts";
import { rawPost, sayRaw, statusOf } from "../support/raw-http.ts";
import { createRecordingStore } from "../support/recording-store.ts";
import { createTestApp, FakeClock, SeededRandom, startTracker } from "../support/tracker.ts";
import { type Api, announce, post, register, UNKNOWN_HASH } from "./api-cases.ts";

/** What a stranger can see of a tracker. */

function openApi() {
  const clock = new FakeClock();
  const recording = createRecordingStore(
    IndexedSwarmStore.inMemory(systemClock, new SeededRandom(1)),
  );
  const options = { clock, store: recording.store, ttlMs: 120_000 };
  const { app } = createTestApp({ ...options, clientAddress: () => "127.0.0.1" });
  const api: Api = {
    fetch: (path, init) => app.handle(new Request(`http://localhost${path}`, init)),
    [Symbol.asyncDispose]: () => recording.store[Symbol.asyncDispose](),
  };
  return { app, api, clock, announces: recording.announces };
}

/** @returns a hash that was known once, and whose swarm ended */
async function endedSwarm(api: Api, clock: FakeClock): Promise<string> {
  const hash = await register(api);
  await clock.advance(240_000);
  return hash;
}

async function askFor(api: Api, hash: string) {
  const startMs = performance.now();
  const response = await api.fetch("/peers", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ hash, listening_host: "10.1.1.2", listening_port: 2222, left: 5 }),
  });
  const text = await response.text();
  const ms = performance.now() - startMs;
  // Each request has a name of its own.
  const headers = [...response.headers].filter(([name]) => name !== "x-request-id");
  return { answer: { status: response.status, text, headers }, ms };
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0;
}

describe("what a stranger sees of the tracker", () => {
  test("TRK-7: there are these calls and no others, and none lists swarms", async () => {
    const { app } = openApi();
    const routes = app.routes.map(({ method, path }) => `${method} ${path}`).toSorted();
    const calls = [
      "GET /metrics",
      "GET /openapi",
      "GET /ready",
      "GET /stats",
      "POST /hash",
      "POST /peers",
    ];
    const page = ["GET /", "GET /events", "GET /icon.svg", "GET /page.css", "GET /page.js"];
    expect(routes).toEqual([...page, ...calls].toSorted());
  });

  test("TRK-7: a hash that never was is answered like one that ended, in as many steps and as quickly", async () => {
    const { api, clock, announces } = openApi();
    const ended = await endedSwarm(api, clock);
    announces.length = 0;
    const [unknownMs, endedMs]: [number[], number[]] = [[], []];
    const first = await askFor(api, UNKNOWN_HASH);
    // One after the other, so that whatever else the machine does hits both alike.
    for (let asked = 0; asked < 3000; asked++) {
      const [never, over] = [await askFor(api, crypto.randomUUID()), await askFor(api, ended)];
      expect(never.answer).toEqual(first.answer);
      expect(over.answer).toEqual(first.answer);
      unknownMs.push(never.ms);
      endedMs.push(over.ms);
    }
    expect(first.answer.status).toBe(404);
    // One question to the store for each, whichever it was.
    expect(announces).toHaveLength(1 + 2 * 3000);
    expect(Math.abs(median(unknownMs) - median(endedMs))).toBeLessThan(1);
    await api[Symbol.asyncDispose]();
  }, 60_000);

  test("TRK-7: a swarm without others has the shape of one with others, and no names in it", async () => {
    const { api } = openApi();
    const hash = await register(api);
    await announce(api, hash, {
      listening_host: "10.1.1.1",
      listening_port: 1111,
      event: "stopped",
    });
    const alone = await announce(api, hash);
    const together = await announce(api, hash, { listening_port: 3333 });
    expect(alone.peers).toEqual([]);
    expect(Object.keys(alone)).toEqual(Object.keys(together));
    await api[Symbol.asyncDispose]();
  });

  test.each(["text", "json"])(
    "TRK-7: a log of level info in %s names no hash and no caller",
    async (format) => {
      await using tracker = await startTracker({
        db: ":memory:",
        args: ["--log-format", format, "--trust-proxy", "127.0.0.1", "--rate-limit", "50"],
      });
      const headers = { "content-type": "application/json", "x-forwarded-for": "9.9.9.9" };
      const api: Api = {
        fetch: (path, init) => fetch(tracker.url + path, { ...init, headers }),
        [Symbol.asyncDispose]: () => tracker[Symbol.asyncDispose](),
      };
      const hash = await register(api);
      await announce(api, hash);
      for (const left of [0, 5]) {
        const body = { hash: UNKNOWN_HASH, listening_host: "", listening_port: 6000, left };
        await post(api, "/peers", body);
      }
      for (let asked = 0; asked < 300; asked++) await api.fetch(`/${hash}`, {});
      await post(api, "/peers", { hash, listening_host: "127.1", listening_port: "x" });
      expect(await tracker.kill("SIGTERM")).toBe(143);
      expect(tracker.stderr()).toContain("Stopping");
      for (const secret of [hash, UNKNOWN_HASH, "9.9.9.9", "6000", "2222"])
        expect(tracker.stderr()).not.toContain(secret);
    },
  );

  test("answers hosts of any length", async () => {
    await using tracker = await startTracker({ db: ":memory:" });
    for (const host of ["x", "db", "abc", "tracker.example", "[::1]:5000", ""]) {
      const request = `GET /ready HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`;
      expect(await sayRaw(tracker.port, request)).toEndWith("\r\n\r\nI am ready");
    }
  });

  test("TRK-12: every answer is plain text or JSON, is not to be guessed at, and lets no page of others read it", async () => {
    await using tracker = await startTracker({
      db: ":memory:",
      args: ["--trust-proxy", "127.0.0.1", "--rate-limit", "10"],
    });
    const origin = ["origin: https://evil.example", "cookie: a=b"];
    const good = { listening_host: "", listening_port: 6000 };
    const get = (target: string, method = "GET", ...lines: readonly string[]): string =>
      [
        `${method} ${target} HTTP/1.1`,
        "host: t.example",
        "connection: close",
        ...origin,
        ...lines,
        "",
        "",
      ].join("\r\n");
    const preflight = [
      "access-control-request-method: POST",
      "access-control-request-headers: content-type",
    ];
    const requests: readonly (readonly [number, string])[] = [
      [200, get("/ready")],
      [200, get("/ready", "HEAD")],
      [200, get("/stats")],
      [200, rawPost({ path: "/hash", body: good, lines: origin })],
      [404, rawPost({ path: "/peers", body: { ...good, hash: UNKNOWN_HASH }, lines: origin })],
      [400, rawPost({ path: "/peers", body: "<script>alert(1)</script>", lines: origin })],
      [
        400,
        rawPost({ path: "/peers", body: good, lines: [...origin, "x-forwarded-for: <script>"] }),
      ],
      [404, get("/<script>alert(1)</script>")],
      [404, get("/nope%0d%0aset-cookie:%20a=b")],
      [404, get("/%0d%0a%0d%0a<html>")],
      [404, get("/peers", "OPTIONS", ...preflight)],
      [404, get("/ready", "OPTIONS", ...preflight)],
      [415, get("/peers", "POST", "content-length: 0")],
      [
        413,
        `${get("/peers", "POST", "content-type: application/json", "content-length: 5000")}${" ".repeat(5000)}`,
      ],
      ...Array.from({ length: 60 }, (): readonly [number, string] => [0, get("/ready")]),
      [429, get("/ready")],
    ];
    for (const [status, request] of requests) {
      const answer = await sayRaw(tracker.port, request);
      const [head = "", body = ""] = answer.split("\r\n\r\n");
      if (status !== 0)
        expect([request.slice(0, 60), statusOf(answer)]).toEqual([request.slice(0, 60), status]);
      const names = [...head.matchAll(/^([\w-]+):/gm)].map(([, name = ""]) => name.toLowerCase());
      const known = [
        "content-type",
        "x-content-type-options",
        "date",
        "content-length",
        "retry-after",
        "connection",
        "x-request-id",
      ];
      expect(names.filter((name) => !known.includes(name))).toEqual([]);
      expect(answer).not.toMatch(/evil|script|html|cookie/i);
      // The runtime's own refusals have neither a body nor a type.
      if (body === "" && !names.includes("content-type")) continue;
      expect(head.toLowerCase()).toContain("\r\nx-content-type-options: nosniff");
      expect(head).toMatch(/^content-type: (text\/plain|application\/json);charset=utf-8\r?$/im);
    }
  }, 30_000);
});
