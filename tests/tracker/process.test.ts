import { describe, expect, test } from "bun:test";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

import {
  eventually,
  holdLock,
  makeTempDirectory,
  type RunningTracker,
  removeDirectory,
  runTracker,
  startTracker,
  trackerCommand,
} from "../support/tracker.ts";
import { type Api, announce, post, register } from "./api-cases.ts";

function apiOf(tracker: RunningTracker): Api {
  return {
    fetch: (path, init) => fetch(tracker.url + path, init),
    [Symbol.asyncDispose]: () => tracker[Symbol.asyncDispose](),
  };
}

async function withDataHome(run: (dataHome: string) => Promise<void>): Promise<void> {
  const dataHome = await makeTempDirectory();
  try {
    await run(dataHome);
  } finally {
    await removeDirectory(dataHome);
  }
}

describe("tracker command line", () => {
  test.each([["help"], ["--help"], ["-h"]])(
    "%s prints the usage to stdout and ends with 0",
    async (word) => {
      const { exitCode, stdout, stderr } = await runTracker({ args: [word] });
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      expect(stdout).toStartWith("Usage: tracker ");
      expect(stdout).toContain("--db <url>");
    },
  );

  test.each([["version"], ["--version"], ["-V"]])("%s prints the version alone", async (word) => {
    const { exitCode, stdout, stderr } = await runTracker({ args: [word] });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
  });

  test.each([
    [["--nope"], "unknown option"],
    [["127.0.0.1", "0", "--trust-proxy", "10.0.0.0/33"], "--trust-proxy"],
    [["127.0.0.1", "0", "--address-policy", "all"], "--address-policy"],
    [["127.0.0.1", "0", "--rate-limit", "many"], "--rate-limit"],
    [["127.0.0.1"], "go together"],
    [["127.0.0.1", "0", "more"], "too many arguments"],
    [["127.0.0.1", "70000"], "PORT"],
    [["127.0.0.1", "http"], "PORT"],
    [["127.0.0.1", "0", "--port", "1"], "given twice"],
    [["a b", "0"], "HOST"],
    [["127.0.0.1", "0", "--db", "postgres://x"], "--db"],
    [["127.0.0.1", "0", "--ttl", "soon"], "--ttl"],
    [["127.0.0.1", "0", "--interval", "0"], "--interval"],
    [["127.0.0.1", "0", "--interval", "2m", "--ttl", "1m"], "--interval"],
    [["127.0.0.1", "0", "--log-level", "loud"], "--log-level"],
    [["127.0.0.1", "0", "--log-format", "xml"], "--log-format"],
    [["192.0.2.1", "0"], "Cannot listen"],
  ])("%j ends with 2 and one line that says why", async (args, why) => {
    const { exitCode, stdout, stderr } = await runTracker({ args });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr).toMatch(/^ERROR code=2 name=usage: .+; hint: .+\n$/);
    expect(stderr).toContain(why);
  });

  test("a port in use ends with 11", async () => {
    await using other = await startTracker();
    const { exitCode, stderr } = await runTracker({ args: ["127.0.0.1", String(other.port)] });
    expect(exitCode).toBe(11);
    expect(stderr).toMatch(/^ERROR code=11 name=busy: .*in use; hint: .+\n$/);
    expect((await fetch(`${other.url}/ready`)).status).toBe(200);
  });

  test("a database that cannot be opened ends with 8", async () => {
    await withDataHome(async (home) => {
      await writeFile(join(home, "garbage.db"), "this is no database at all, ".repeat(400));
      for (const db of [`file:${home}`, `file:${home}/none/x.db`, `file:${home}/garbage.db`]) {
        const { exitCode, stderr } = await runTracker({ args: ["127.0.0.1", "0", "--db", db] });
        expect({ db, exitCode }).toEqual({ db, exitCode: 8 });
        expect(stderr).toMatch(/^ERROR code=8 name=io: Cannot open the database: .+; hint: .+\n$/);
      }
    });
  });

  test("a data directory that cannot be made ends with 8", async () => {
    await withDataHome(async (home) => {
      await writeFile(join(home, "tracker"), "in the way");
      const env = { XDG_DATA_HOME: home };
      const { exitCode, stderr } = await runTracker({ args: ["127.0.0.1", "0"], env });
      expect(exitCode).toBe(8);
      expect(stderr).toContain("name=io");
    });
  });

  test("keeps its database in a data directory that only its user can read", async () => {
    await withDataHome(async (dataHome) => {
      await using tracker = await startTracker({ dataHome });
      expect((await fetch(`${tracker.url}/ready`)).status).toBe(200);
      expect((await stat(join(dataHome, "tracker"))).mode & 0o777).toBe(0o700);
      expect((await stat(join(dataHome, "tracker", "tracker.db"))).isFile()).toBe(true);
    });
  });

  test("prints one plain line when it is ready, and its log as JSON lines beside it", async () => {
    await using tracker = await startTracker({ db: ":memory:" });
    await tracker.kill("SIGTERM");
    const lines = tracker.stderr().trimEnd().split("\n");
    expect(lines.filter((line) => line.startsWith("listening on "))).toEqual([
      `listening on ${tracker.url}`,
    ]);
    const others = lines.filter((line) => !line.startsWith("listening on "));
    expect(others.map((line) => Reflect.get(JSON.parse(line), "message"))).toContain("Stopping");
  });

  test("takes its settings from variables, flags before them", async () => {
    const env = { TRACKER_DB_URL: ":memory:", TRACKER_INTERVAL: "7s", TRACKER_LOG_LEVEL: "error" };
    await using tracker = await startTracker({ env, args: ["--ttl", "1m"] });
    const body = { listening_host: "10.0.0.1", listening_port: 1 };
    const answer = await post(apiOf(tracker), "/hash", body);
    expect(answer.json).toMatchObject({ interval: 7 });
    expect(tracker.stderr()).toBe(`listening on ${tracker.url}\n`);
  });
});

describe("tracker process", () => {
  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("%s ends it with %d and everything kept", async (signal, code) => {
    await withDataHome(async (dataHome) => {
      await using first = await startTracker({ dataHome });
      const hash = await register(apiOf(first));
      expect(await first.kill(signal)).toBe(code);
      await using second = await startTracker({ dataHome });
      expect((await announce(apiOf(second), hash)).peers).toHaveLength(1);
    });
  });

  test("SIGTERM lets a request under way end and takes no new ones", async () => {
    await using tracker = await startTracker({ db: ":memory:" });
    const body = JSON.stringify({ listening_host: "10.0.0.1", listening_port: 1 });
    let answer = "";
    const closed = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: tracker.port,
      socket: {
        data: (_socket, bytes) => {
          answer += bytes.toString();
        },
        close: () => closed.resolve(),
      },
    });
    const head = `POST /hash HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    socket.write(head + body.slice(0, 5));
    await eventually(
      () => answer,
      (text) => text.includes("100 Continue"),
    );
    const ended = tracker.kill("SIGTERM");
    await eventually(
      () =>
        fetch(`${tracker.url}/ready`).then(
          () => "open",
          () => "closed",
        ),
      (state) => state === "closed",
    );
    socket.write(body.slice(5));
    await eventually(
      () => answer,
      (text) => text.includes('"hash"'),
    );
    expect(await ended).toBe(143);
    await closed.promise;
  });

  test("eight start at once on one fresh file, all come up and share it", async () => {
    await withDataHome(async (dataHome) => {
      const db = `file:${join(dataHome, "shared.db")}`;
      const trackers = await Promise.all(
        Array.from({ length: 8 }, () => startTracker({ db, dataHome })),
      );
      try {
        const [first] = trackers;
        if (first === undefined) throw new Error("No tracker came up");
        const hash = await register(apiOf(first));
        // Each hears of what another wrote a moment later: those that do not know the swarm yet say so.
        for (const [at, tracker] of trackers.entries()) {
          const body = { hash, listening_host: "10.1.1.2", listening_port: 3000 + at };
          await eventually(
            () => post(apiOf(tracker), "/peers", body),
            ({ status, json }) => status === 200 && Object(json).incomplete === at + 1,
          );
        }
      } finally {
        await Promise.all(trackers.map((tracker) => tracker[Symbol.asyncDispose]()));
      }
    });
  }, 60_000);

  test("TRK-10: a database locked by another process gives 503, then works and keeps again", async () => {
    await withDataHome(async (dataHome) => {
      const path = join(dataHome, "locked.db");
      await using tracker = await startTracker({ db: `file:${path}`, dataHome });
      const api = apiOf(tracker);
      const hash = await register(api);
      await using _lock = await holdLock(path);
      const body = { hash, listening_host: "10.0.0.1", listening_port: 1 };
      const refused = await post(api, "/peers", body);
      expect(refused).toMatchObject({ status: 503, json: { code: "busy" } });
      expect((await fetch(`${tracker.url}/ready`)).status).toBe(200);
      await _lock[Symbol.asyncDispose]();
      expect((await announce(api, hash, { listening_port: 2 })).incomplete).toBe(1);
      await tracker.kill("SIGKILL");
      await using again = await startTracker({ db: `file:${path}`, dataHome });
      const { peers } = await announce(apiOf(again), hash, { listening_port: 3 });
      expect(peers.map(({ port }) => port).sort()).toEqual([1111, 2]);
    });
  }, 30_000);

  test("TRK-9: closes callers that stall or drip within 15 s, and serves others meanwhile", async () => {
    await using tracker = await startTracker({ db: ":memory:" });
    const stop = new AbortController();
    const head = "POST /peers HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    const callers = [
      stall(tracker.port, ""),
      stall(tracker.port, "GET /rea"),
      stall(tracker.port, `${head}content-length: 100\r\n\r\n{`),
      drip(tracker.port, head, stop.signal),
    ];
    const serving = serveUntil(tracker, stop.signal);
    const closedAfterMs = await Promise.all(callers).finally(() => stop.abort());
    for (const ms of closedAfterMs) expect(ms).toBeLessThan(15_000);
    const { answered, failed } = await serving;
    expect(failed).toBe(0);
    expect(answered).toBeGreaterThan(10);
  }, 30_000);

  const isFromSources = trackerCommand().length > 1;
  test.if(isFromSources)("TRK-5: works with every prototype frozen", async () => {
    await withDataHome(async (dataHome) => {
      const preload = join(dataHome, "freeze.ts");
      // Not at once: the runtime's own modules do not load with frozen prototypes.
      const freeze = "Object.freeze(Object.prototype); Object.freeze(Array.prototype);";
      const tell = 'process.stderr.write("frozen\\n");';
      await writeFile(preload, `process.on("SIGUSR2", () => { ${freeze} ${tell} });\n`);
      const [bun = "", entry = ""] = trackerCommand();
      await using tracker = await startTracker({ command: [bun, "--preload", preload, entry] });
      process.kill(tracker.pid, "SIGUSR2");
      await eventually(tracker.stderr, (text) => text.includes("frozen"));
      const api = apiOf(tracker);
      const hash = await register(api);
      expect((await announce(api, hash)).peers).toHaveLength(1);
      const hostile = '{"__proto__":{"polluted":1},"constructor":{"prototype":{}}}';
      const headers = { "content-type": "application/json" };
      const answer = await api.fetch("/peers", { method: "POST", headers, body: hostile });
      expect(answer.status).toBe(400);
      expect((await fetch(`${tracker.url}/stats`)).status).toBe(200);
      expect(tracker.stderr()).not.toContain("ERROR");
    });
  });
});

/** Opens a connection, says `text` and nothing more.
 * @returns how long the tracker bore it, in milliseconds */
async function stall(port: number, text: string): Promise<number> {
  const startedAt = performance.now();
  const closed = Promise.withResolvers<void>();
  const socket = { data: () => {}, close: () => closed.resolve() };
  const connection = await Bun.connect({ hostname: "127.0.0.1", port, socket });
  if (text !== "") connection.write(text);
  await closed.promise;
  return performance.now() - startedAt;
}

/** Opens a connection and adds a header every second, never ending them. */
async function drip(port: number, head: string, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  const closed = Promise.withResolvers<void>();
  const socket = { data: () => {}, close: () => closed.resolve() };
  const connection = await Bun.connect({ hostname: "127.0.0.1", port, socket });
  connection.write(head);
  const timer = setInterval(() => connection.write("x-more: 1\r\n"), 1000);
  signal.addEventListener("abort", () => connection.end());
  await closed.promise;
  clearInterval(timer);
  return performance.now() - startedAt;
}

async function serveUntil(
  tracker: RunningTracker,
  signal: AbortSignal,
): Promise<{ readonly answered: number; readonly failed: number }> {
  const counts = { answered: 0, failed: 0 };
  while (!signal.aborted) {
    const ok = await fetch(`${tracker.url}/ready`).then(
      (answer) => answer.ok,
      () => false,
    );
    counts[ok ? "answered" : "failed"]++;
    await Bun.sleep(100);
  }
  return counts;
}
