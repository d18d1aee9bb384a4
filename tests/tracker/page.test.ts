import { describe, expect, test } from "bun:test";
import { LISTENERS_MAX } from "../../tracker/page/live.ts";
import { type EventStream, listenTo } from "../support/event-stream.ts";
import {
  createTestApp,
  createTestTracker,
  eventually,
  FakeClock,
  startTracker,
} from "../support/tracker.ts";
import { type Api, announce, post, register } from "./api-cases.ts";

const FOR_EVER = new AbortController().signal;

function handleApi(options: Parameters<typeof createTestApp>[0] = {}): Api {
  const { app, store } = createTestApp({ clientAddress: () => "127.0.0.1", ...options });
  return {
    fetch: (path, init) => app.handle(new Request(`http://localhost${path}`, init)),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

function apiAt(url: string): Api {
  return {
    fetch: (path, init) => fetch(url + path, init),
    [Symbol.asyncDispose]: async () => {},
  };
}

async function pageOf(api: Api): Promise<string> {
  const response = await api.fetch("/");
  expect(response.status).toBe(200);
  return response.text();
}

/** @returns what the element of that id says */
function textOf(html: string, id: string): string | undefined {
  return new RegExp(`id="${id}"[^>]*>([^<]*)<`).exec(html)?.[1];
}

/** Everything that must not be said: uuids, IP addresses. Versions and paths of the chart are no addresses. */
const PRIVATE =
  /[0-9a-f]{8}-[0-9a-f]{4}-|\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b|[0-9a-f]{1,4}:[0-9a-f:]*:[0-9a-f]{1,4}/i;

describe("tracker page", () => {
  test("GET / shows the figures without its script", async () => {
    const clock = new FakeClock();
    await using api = handleApi({ clock, liveUntil: FOR_EVER, version: "1.2.3" });
    const hash = await register(api);
    await register(api);
    for (let port = 1; port <= 1298; port++) {
      await announce(api, hash, { listening_port: port, left: port % 2 });
    }
    await clock.advance(93_784_000);
    for (let port = 1; port <= 1205; port++) {
      await post(api, "/peers", {
        hash,
        listening_host: "10.9.9.9",
        listening_port: port,
        left: 1,
      });
    }
    const another = await register(api);
    for (let port = 1; port <= 1299; port++) await announce(api, another, { listening_port: port });
    await clock.advance(5000);
    const html = await pageOf(api);
    const shown = ["peers", "complete", "incomplete", "swarms", "announces", "announcesPerSecond"];
    expect(Object.fromEntries(shown.map((id) => [id, textOf(html, id)]))).toEqual({
      peers: "1,300",
      complete: "1",
      incomplete: "1,299",
      swarms: "1",
      announces: "2,600",
      announcesPerSecond: "130",
    });
    expect(textOf(html, "uptime")).toBe("1 d 2 h");
    expect(textOf(html, "version")).toBe("1.2.3");
    expect(textOf(html, "chart-text")).toBe(
      "In the last five minutes: 1,300 announces, 260 a second at most.",
    );
    expect(textOf(html, "chart-top")).toBe("500 a second");
    expect(html).toContain('<path id="chart-bars" d="M590 120v-62.4h7.5v62.4z"/>');
  });

  test("GET / has the headers that keep everything else out", async () => {
    await using api = handleApi({ liveUntil: FOR_EVER });
    for (const path of ["/", "/page.css", "/page.js", "/icon.svg"]) {
      const { headers, status } = await api.fetch(path);
      expect({ path, status }).toEqual({ path, status: 200 });
      const policy = new Map(
        (headers.get("content-security-policy") ?? "").split("; ").map((directive) => {
          const [name = "", ...values] = directive.split(" ");
          return [name, values.join(" ")];
        }),
      );
      expect(Object.fromEntries(policy)).toEqual({
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
      });
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("cache-control")).toBe("no-cache");
    }
    const types = ["/", "/page.css", "/page.js", "/icon.svg"].map(async (path) =>
      (await api.fetch(path)).headers.get("content-type"),
    );
    expect(await Promise.all(types)).toEqual([
      "text/html;charset=utf-8",
      "text/css;charset=utf-8",
      "text/javascript;charset=utf-8",
      "image/svg+xml",
    ]);
  });

  test("GET / loads what it needs from its own place and has nothing inline", async () => {
    await using api = handleApi({ liveUntil: FOR_EVER });
    const html = await pageOf(api);
    const links = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, link = ""]) => link);
    expect(links.toSorted()).toEqual(["/icon.svg", "/icon.svg", "/page.css", "/page.js", "/stats"]);
    for (const link of links) expect((await api.fetch(link)).status).toBe(200);
    expect(html).not.toMatch(/<style|style=|\son\w+=|javascript:|<script>/);
    const script = await (await api.fetch("/page.js")).text();
    expect(script).not.toMatch(/https?:|innerHTML|insertAdjacent|document\.write|\beval\b/);
    expect(await (await api.fetch("/page.css")).text()).not.toMatch(/url\(|@import/);
  });

  test("GET / shows text as text", async () => {
    const version = `1<script>alert("x")</script>&'`;
    await using api = handleApi({ liveUntil: FOR_EVER, version });
    const html = await pageOf(api);
    expect(html).toContain("1&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;");
    expect(html.match(/<script/g)).toHaveLength(1);
  });

  test("GET / has a language, landmarks, headings in order and a name for every picture", async () => {
    await using api = handleApi({ liveUntil: FOR_EVER });
    const html = await pageOf(api);
    expect(html).toStartWith('<!doctype html>\n<html lang="en-GB">');
    expect(html).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
    for (const tag of ["header", "main", "footer", "title", "h1"]) {
      expect({ tag, count: html.split(`<${tag}>`).length - 1 }).toEqual({ tag, count: 1 });
    }
    const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, names = ""] of html.matchAll(/aria-(?:labelledby|describedby)="([^"]*)"/g)) {
      for (const name of names.split(" ")) expect(ids).toContain(name);
    }
  });

  test("GET / without live news has no chart, and there are no events", async () => {
    await using api = handleApi();
    const html = await pageOf(api);
    expect(html).not.toContain("chart");
    expect(html).toContain('<body data-news="asked">');
    expect((await api.fetch("/events")).status).toBe(404);
  });

  test("TRK-7: no page, figure or event has a hash or an address in it", async () => {
    await using tracker = await createTestTracker({ liveUntil: FOR_EVER });
    const api = apiAt(tracker.url);
    const hashes = [await register(api), await register(api)];
    for (const hash of hashes) {
      await announce(api, hash, { listening_host: "2600::77", left: 3 });
      await announce(api, hash, { listening_host: "9.9.9.55", left: 3 });
    }
    await using events = await listenTo(`${tracker.url}/events`);
    const told = JSON.stringify(await events.next());
    expect(told).toContain('"swarms":2');
    for (const path of ["/", "/stats"]) {
      const text = await (await api.fetch(path)).text();
      expect({ path, found: PRIVATE.exec(text)?.[0] }).toEqual({ path, found: undefined });
    }
    expect(PRIVATE.exec(told)?.[0]).toBeUndefined();
    // The control: what the peers themselves are told would be found.
    const { peers } = await announce(api, hashes[0] ?? "");
    for (const { host } of peers) expect(host).toMatch(PRIVATE);
    expect(hashes[0]).toMatch(PRIVATE);
  });
});

describe("tracker events", () => {
  test("tell the figures at once, and new ones after announces", async () => {
    await using tracker = await createTestTracker({ liveUntil: FOR_EVER, version: "9.9.9" });
    const api = apiAt(tracker.url);
    await using events = await listenTo(`${tracker.url}/events`);
    expect(Object.fromEntries(events.response.headers)).toMatchObject({
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
    });
    expect(await events.next()).toMatchObject({ swarms: 0, announces: 0, version: "9.9.9" });
    const hash = await register(api);
    await announce(api, hash, { left: 5 });
    const changed = await eventually(
      () => events.next(),
      (news) => news?.swarms === 1 && news.incomplete === 1,
    );
    expect(changed).toMatchObject({ swarms: 1, complete: 1, incomplete: 1, announces: 2 });
    const stats = await (await api.fetch("/stats")).json();
    expect(Object.keys({ ...changed }).toSorted()).toEqual(
      [...Object.keys(Object(stats)), "chart"].toSorted(),
    );
  });

  test("are for LISTENERS_MAX at a time; the next is sent away until one goes", async () => {
    await using tracker = await createTestTracker({ liveUntil: FOR_EVER });
    const url = `${tracker.url}/events`;
    const streams: EventStream[] = [];
    try {
      for (let at = 0; at < LISTENERS_MAX; at++) streams.push(await listenTo(url));
      const refused = await fetch(url);
      expect(refused.status).toBe(503);
      expect(refused.headers.get("retry-after")).toBe("60");
      expect(await refused.json()).toEqual({ error: "Too many listen already", code: "busy" });
      expect((await fetch(`${tracker.url}/`)).status).toBe(200);
      await streams.pop()?.[Symbol.asyncDispose]();
      const status = async (): Promise<number> => {
        const leave = new AbortController();
        const answer = await fetch(url, { signal: leave.signal });
        leave.abort();
        return answer.status;
      };
      expect(await eventually(status, (code) => code === 200)).toBe(200);
    } finally {
      await Promise.all(streams.map((stream) => stream[Symbol.asyncDispose]()));
    }
  });

  test("run no ticker once the last listener has hung up", async () => {
    const clock = new FakeClock();
    await using tracker = await createTestTracker({ clock, liveUntil: FOR_EVER });
    const streams = await Promise.all(
      Array.from({ length: 20 }, () => listenTo(`${tracker.url}/events`)),
    );
    expect(clock.sleepers).toBe(1);
    await Promise.all(streams.map((stream) => stream[Symbol.asyncDispose]()));
    await eventually(
      () => clock.sleepers,
      (sleepers) => sleepers === 0,
    );
  });

  test("are not for pages of other sites", async () => {
    await using api = handleApi({ liveUntil: FOR_EVER });
    const ask = (site: string): Promise<Response> =>
      api.fetch("/events", { headers: { "sec-fetch-site": site } });
    expect((await ask("cross-site")).status).toBe(403);
    for (const site of ["same-origin", "none"]) {
      const answer = await ask(site);
      expect(answer.status).toBe(200);
      await answer.body?.cancel();
    }
  });

  test("end when the tracker is told to stop, which waits for nobody who listens", async () => {
    await using tracker = await startTracker({ db: ":memory:" });
    await using events = await listenTo(`${tracker.url}/events`);
    await using idle = await listenTo(`${tracker.url}/events`);
    expect(await events.next()).toMatchObject({ swarms: 0 });
    expect(await tracker.kill("SIGTERM")).toBe(143);
    // Ended in order, not cut when the stop lost its patience: see the control below.
    for (const stream of [events, idle]) {
      const last = await eventually(stream.next, (news) => news === undefined);
      expect(last).toBeUndefined();
    }
    expect(tracker.stderr()).not.toMatch(/error|warn/i);
  });

  test("break off when the tracker is killed", async () => {
    await using tracker = await startTracker({ db: ":memory:" });
    await using events = await listenTo(`${tracker.url}/events`);
    await tracker.kill("SIGKILL");
    const rest = eventually(events.next, (news) => news === undefined);
    await expect(rest).rejects.toThrow();
  });

  test("outlast the time after which a silent connection is closed", async () => {
    await using tracker = await startTracker({ db: ":memory:" });
    await using events = await listenTo(`${tracker.url}/events`);
    const last = await eventually(
      () => events.next(),
      (news) => news === undefined || Number(news.uptimeSeconds) >= 12,
      40_000,
    );
    expect(last).toMatchObject({ swarms: 0 });
  }, 60_000);
});
