import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type HranaProcess, startHranaProcess } from "../support/hrana-process.ts";
import {
  eventually,
  makeTempDirectory,
  type RunningTracker,
  removeDirectory,
  startTracker,
} from "../support/tracker.ts";
import { type Api, announce, post, postText, register } from "./api-cases.ts";

/** Two tracker processes, one database a round trip away. */

const all = new AsyncDisposableStack();
let database: HranaProcess;
let one: RunningTracker;
let other: RunningTracker;

beforeAll(async () => {
  const directory = await makeTempDirectory();
  all.defer(() => removeDirectory(directory));
  database = all.use(await startHranaProcess(join(directory, "processes.db")));
  await database.set({ latencyMs: 2 });
  const start = () => startTracker({ db: database.url, env: { TRACKER_DB_TOKEN: database.token } });
  const [first, second] = await Promise.all([start(), start()]);
  one = all.use(first);
  other = all.use(second);
}, 60_000);
afterAll(() => all.disposeAsync());

function apiOf(tracker: RunningTracker): Api {
  return {
    fetch: (path, init) => fetch(tracker.url + path, init),
    [Symbol.asyncDispose]: async () => {},
  };
}

describe("Two tracker processes on one remote database", () => {
  test("see each other's peers within a second, and that they left", async () => {
    const hash = await register(apiOf(one));
    // Now the other one has read the swarm, and keeps what it read.
    expect((await announce(apiOf(other), hash)).peers).toHaveLength(1);
    const changeAndLook = async (fields: Record<string, unknown>): Promise<number> => {
      await announce(apiOf(one), hash, { listening_port: 3333, ...fields });
      const changedAt = Date.now();
      for (;;) {
        const isTime = Date.now() >= changedAt + 1000;
        const { peers } = await announce(apiOf(other), hash);
        if (isTime) return peers.length;
      }
    };
    expect(await changeAndLook({})).toBe(2);
    expect(await changeAndLook({ event: "stopped" })).toBe(1);
  }, 20_000);

  test("make one swarm of a hash that both are told of at once", async () => {
    const hash = crypto.randomUUID();
    const ports = Array.from({ length: 40 }, (_, at) => 1000 + at);
    await Promise.all(
      ports.map((port) =>
        announce(apiOf(port % 2 === 0 ? one : other), hash, { listening_port: port, left: 0 }),
      ),
    );
    const seen = await eventually(
      () => announce(apiOf(one), hash, { listening_port: 1, left: 1 }),
      ({ peers }) => peers.length === 40,
    );
    expect(seen).toMatchObject({ complete: 40, incomplete: 1 });
  });

  test("TRK-6: keep eight of one network in a swarm between them, when strangers can reach them", async () => {
    const args = ["--trust-proxy", "127.0.0.1"];
    const env = { TRACKER_DB_TOKEN: database.token };
    const start = () => startTracker({ db: database.url, env, args });
    await using stack = new AsyncDisposableStack();
    const trackers = [stack.use(await start()), stack.use(await start())];
    const hash = crypto.randomUUID();
    const callAs = (tracker: RunningTracker | undefined, from: string, listening_port: number) => {
      const left = listening_port < 7000 ? 0 : 1;
      const body = { hash, listening_host: "", listening_port, left };
      const headers = { "x-forwarded-for": from };
      return postText(apiOf(tracker ?? one), "/peers", JSON.stringify(body), headers);
    };
    for (let port = 1; port <= 12; port++) {
      expect((await callAs(trackers[port % 2], "9.9.9.9", 6000 + port)).status).toBe(200);
    }
    const seen = await eventually(
      () => callAs(trackers[0], "9.9.9.8", 7000),
      ({ json }) => Object(json).complete === 8,
    );
    expect(Object(seen.json).peers).toHaveLength(8);
  }, 30_000);

  test("TRK-10: answer 503 with Retry-After while the database is away, and work on when it is back", async () => {
    const hash = await register(apiOf(one));
    await database.set({ outage: "unavailable" });
    const body = { listening_host: "10.0.0.1", listening_port: 80 };
    for (const tracker of [one, other]) {
      const response = await apiOf(tracker).fetch("/hash", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toBe("2");
      expect(await response.json()).toEqual({ error: "The tracker is busy", code: "busy" });
      expect((await apiOf(tracker).fetch("/ready")).status).toBe(200);
    }
    await database.set({ outage: "none" });
    expect((await announce(apiOf(other), hash)).peers).toHaveLength(1);
    expect(await post(apiOf(one), "/hash", body)).toMatchObject({ status: 200 });
  });

  test("lose nothing that was answered when one is killed", async () => {
    await using third = await startTracker({
      db: database.url,
      env: { TRACKER_DB_TOKEN: database.token },
    });
    await using _ = third;
    const hash = await register(apiOf(third));
    const answered: number[] = [];
    const calls = Array.from({ length: 200 }, async (_, at) => {
      await announce(apiOf(third), hash, { listening_port: 1 + at, want: 0 });
      answered.push(1 + at);
      if (answered.length === 50) await third.kill("SIGKILL");
    });
    await Promise.allSettled(calls);
    expect(answered.length).toBeGreaterThanOrEqual(50);
    const { incomplete } = await announce(apiOf(one), hash, { listening_port: 9999 });
    expect(incomplete).toBeGreaterThan(answered.length);
  });
});
