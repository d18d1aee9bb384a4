import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { systemRandom } from "../../tracker/clock.ts";
import { createLog } from "../../tracker/log.ts";
import { RequestWatch } from "../../tracker/request-watch.ts";
import { parsePrometheus, valueIn } from "../support/prometheus.ts";
import {
  createTestApp,
  eventually,
  holdLock,
  makeTempDirectory,
  type RunningTracker,
  removeDirectory,
  startTracker,
} from "../support/tracker.ts";
import { type Api, announce, PEER, register } from "./api-cases.ts";

interface Line {
  readonly level: string;
  readonly message: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

function apiOf(tracker: RunningTracker): Api {
  return {
    fetch: (path, init) => fetch(tracker.url + path, init),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** What the process has logged: each line of its standard error is one JSON object, but the one that says where it listens. */
function logOf(tracker: RunningTracker): readonly Line[] {
  const lines = tracker.stderr().split("\n").slice(0, -1);
  return lines.filter((line) => !line.startsWith("listening on ")).map((line) => JSON.parse(line));
}

function logged(tracker: RunningTracker, isWanted: (line: Line) => boolean): Promise<Line> {
  const found = eventually(
    () => logOf(tracker).find(isWanted),
    (line) => line !== undefined,
  );
  return found.then((line) => line ?? Promise.reject(new Error("unreachable")));
}

describe("tracker log", () => {
  test("names a request as a trusted proxy does, and nobody else", async () => {
    const named = async (args: readonly string[]): Promise<string | null> => {
      await using tracker = await startTracker({ args });
      const headers = { "x-request-id": "from-the-proxy-7" };
      return (await fetch(`${tracker.url}/ready`, { headers })).headers.get("x-request-id");
    };
    expect(await named(["--trust-proxy", "127.0.0.0/8"])).toBe("from-the-proxy-7");
    expect(await named(["--trust-proxy", "10.0.0.0/8"])).not.toBe("from-the-proxy-7");
    expect(await named([])).not.toBe("from-the-proxy-7");
  });

  test("tells at debug of each request, by the id that its answer carries", async () => {
    await using tracker = await startTracker({ args: ["--log-level", "debug"] });
    const responses = [
      await fetch(`${tracker.url}/ready`),
      await fetch(`${tracker.url}/nowhere`),
      await fetch(`${tracker.url}/peers`, { method: "POST", body: "x" }),
    ];
    const ids = responses.map((response) => response.headers.get("x-request-id") ?? "");
    expect(new Set(ids).size).toBe(3);
    const lines = await Promise.all(
      ids.map((id) => logged(tracker, ({ properties }) => properties.requestId === id)),
    );
    expect(lines.map(({ level, message }) => [level, message])).toEqual([
      ["DEBUG", "Answered"],
      ["DEBUG", "Answered"],
      ["DEBUG", "Answered"],
    ]);
    expect(
      lines.map(({ properties: { method, route, status } }) => [method, route, status]),
    ).toEqual([
      ["GET", "/ready", 200],
      ["GET", "other", 404],
      ["POST", "/peers", 415],
    ]);
    for (const { properties } of lines) expect(properties.ms).toBeNumber();
  });

  test("TRK-7: is silent at info, and names no swarm and no peer even when all is slow", async () => {
    await using quiet = await startTracker();
    await using slow = await startTracker({ args: ["--slow-query", "1ms"] });
    for (const tracker of [quiet, slow]) {
      const api = apiOf(tracker);
      const hash = await register(api);
      for (let at = 0; at < 20; at++) await announce(api, hash, { peer: PEER });
      await tracker.kill("SIGTERM");
      const text = tracker.stderr().replace(/^listening on .*$/m, "");
      for (const secret of [hash, PEER, "10.1.1.1", "127.0.0.1"])
        expect(text).not.toContain(secret);
    }
    expect(logOf(quiet).map(({ message }) => message)).toEqual(["Stopping"]);
  });

  test("warns of slow commits and of slow answers, and says at error what it could not answer", async () => {
    const directory = await makeTempDirectory();
    try {
      const path = join(directory, "tracker.db");
      await using tracker = await startTracker({ args: ["--db", `file:${path}`] });
      const api = apiOf(tracker);
      const hash = await register(api);
      let refusedId: string | null;
      {
        await using _lock = await holdLock(path);
        const body = { hash, listening_host: "10.1.1.9", listening_port: 9 };
        const response = await api.fetch("/peers", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        });
        expect(response.status).toBe(503);
        refusedId = response.headers.get("x-request-id");
      }
      const commit = await logged(tracker, ({ message }) => message === "Slow commit");
      expect(commit).toMatchObject({
        level: "WARN",
        properties: { announces: 1, waiting: 0, succeeded: false, untold: 0 },
      });
      expect(commit.properties.ms).toBeGreaterThanOrEqual(250);
      const request = await logged(tracker, ({ message }) => message === "Slow request");
      expect(request).toMatchObject({
        level: "WARN",
        properties: { requestId: refusedId, route: "/peers", status: 503 },
      });
      const failure = await logged(tracker, ({ level }) => level === "ERROR");
      expect(failure.properties).toMatchObject({ requestId: refusedId, status: 503 });
      expect(failure.message).toContain("database is locked");
    } finally {
      await removeDirectory(directory);
    }
  });

  test("raises no alarm for callers who hang up in the middle of a body, and forgets none", async () => {
    await using tracker = await startTracker({ args: ["--slow-query", "1ms"] });
    const head = "POST /hash HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for (const rest of [
      'content-length: 99\r\n\r\n{"',
      'transfer-encoding: chunked\r\n\r\n2\r\n{"\r\n',
    ]) {
      const socket = await Bun.connect({
        hostname: "127.0.0.1",
        port: tracker.port,
        socket: { data() {}, open: (opened) => void opened.write(head + rest) },
      });
      const inFlight = (wanted: number) =>
        eventually(
          async () => parsePrometheus(await (await fetch(`${tracker.url}/metrics`)).text()),
          (seen) => valueIn(seen, "tracker_http_requests_in_flight") === wanted,
        );
      // The one that asks is always under way itself.
      await inFlight(2);
      socket.terminate();
      await inFlight(1);
    }
    const seen = parsePrometheus(await (await fetch(`${tracker.url}/metrics`)).text());
    expect(valueIn(seen, "tracker_refusals_total", { code: "client_gone" })).toBe(2);
    const requests = { route: "/hash", status: "4xx" };
    expect(valueIn(seen, "tracker_http_requests_total", requests)).toBe(2);
    await tracker.kill("SIGTERM");
    const aboutHash = logOf(tracker).filter(({ properties }) => properties.route === "/hash");
    expect(aboutHash).toEqual([]);
    expect(logOf(tracker).filter(({ level }) => level === "ERROR")).toEqual([]);
  });

  test("does not warn of what is quick enough (control)", async () => {
    await using tracker = await startTracker({ args: ["--slow-query", "1h"] });
    const api = apiOf(tracker);
    await announce(api, await register(api));
    await tracker.kill("SIGTERM");
    expect(logOf(tracker).map(({ message }) => message)).toEqual(["Stopping"]);
  });
});

describe("RequestWatch", () => {
  const askWith = async (id: string, mayName?: () => boolean): Promise<string | null> => {
    const { app } = createTestApp(mayName === undefined ? {} : { watch: { mayName } });
    const headers = { "x-request-id": id };
    const response = await app.handle(new Request("http://localhost/ready", { headers }));
    return response.headers.get("x-request-id");
  };

  test("takes a well-formed id of a proxy of ours, and of nobody else", async () => {
    const id = "7d3c0f1e-2b6a.4:9_A";
    expect(await askWith(id, () => true)).toBe(id);
    expect(await askWith(id, () => false)).not.toBe(id);
    expect(await askWith(id)).not.toBe(id);
  });

  test.each(["", " ", "a b", "a,b", '"', "é", "a".repeat(65), "{requestId}", "a;b"])(
    "makes one of its own instead of %j",
    async (id) => {
      const given = await askWith(id, () => true);
      expect(given).not.toBe(id);
      expect(given).toMatch(/^[0-9a-z]{7}-[0-9a-z]+$/);
    },
  );

  test("tells of at most one slow commit a second, and how many it kept back", async () => {
    let written = "";
    const write = (line: string): void => {
      written += line;
    };
    const log = createLog({ level: "info", format: "json", write });
    let now = 0;
    const watch = new RequestWatch(log, () => now, systemRandom, { slowMs: 5 });
    const commit = (ms: number) =>
      watch.timeCommit({ announces: 1, waiting: () => 0 }, async () => {
        now += ms;
      });
    for (let at = 0; at < 100; at++) await commit(5);
    now += 1000;
    await commit(4);
    await commit(5);
    const lines: Line[] = written
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ properties: { ms, untold } }) => [ms, untold])).toEqual([
      [5, 0],
      [5, 99],
    ]);
  });
});
