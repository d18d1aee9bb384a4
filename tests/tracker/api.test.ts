import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Elysia } from "elysia";
import fc from "fast-check";
import { systemClock, systemRandom } from "../../tracker/clock.ts";
import { StoreError, type StoreErrorCode } from "../../tracker/errors.ts";
import { openSwarmStore } from "../../tracker/swarm-store/open.ts";
import type { SwarmStore } from "../../tracker/swarm-store/store.ts";
import {
  createTestApp,
  createTestTracker,
  FakeClock,
  makeTempDirectory,
  removeDirectory,
  startTracker,
  trackerCommand,
} from "../support/tracker.ts";
import {
  type Api,
  announce,
  describeApi,
  PEER,
  post,
  postText,
  REFUSALS,
  register,
  UNKNOWN_HASH,
} from "./api-cases.ts";

function handleApi(options: Parameters<typeof createTestApp>[0] = {}): Api {
  const { app, store } = createTestApp({ clientAddress: () => "127.0.0.1", ...options });
  return {
    fetch: (path, init) => app.handle(new Request(`http://localhost${path}`, init)),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

async function portApi(): Promise<Api> {
  const directory = await makeTempDirectory();
  const store = await openSwarmStore(systemClock, systemRandom, {
    url: `file:${join(directory, "tracker.db")}`,
    token: undefined,
    signal: new AbortController().signal,
  });
  const tracker = await createTestTracker({ store });
  return {
    fetch: (path, init) => fetch(tracker.url + path, init),
    [Symbol.asyncDispose]: async () => {
      await tracker[Symbol.asyncDispose]();
      await removeDirectory(directory);
    },
  };
}

async function processApi(): Promise<Api> {
  const tracker = await startTracker();
  return {
    fetch: (path, init) => fetch(tracker.url + path, init),
    [Symbol.asyncDispose]: () => tracker[Symbol.asyncDispose](),
  };
}

describeApi("tracker app with a memory store", async () => handleApi());
describeApi("tracker on a port with a libSQL store", portApi);
describeApi(
  `tracker process (${trackerCommand().length > 1 ? "sources" : "executable"})`,
  processApi,
);

describe("tracker app", () => {
  test("TRK-4: any JSON body gets a known status, a fixed refusal, and no word of it back", async () => {
    await using api = handleApi();
    const hash = await register(api);
    const field = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.string({ unit: "binary" }),
      fc.integer(),
      fc.constantFrom({ toString: 0 }, { toString: 0, valueOf: 0 }, { toJSON: 0 }),
      fc.constantFrom(hash, hash, UNKNOWN_HASH, PEER, "10.0.0.1", "80", 80, "started", 0),
    );
    const record = fc.dictionary(
      fc.oneof(
        fc.constantFrom(
          "hash",
          "listening_host",
          "listening_port",
          "peer",
          "event",
          "left",
          "want",
        ),
        fc.constantFrom("__proto__", "constructor", "toString", ""),
      ),
      field,
    );
    const seeded = record.map((fields) => ({
      hash,
      listening_host: "10.0.0.1",
      listening_port: 80,
      ...fields,
    }));
    const bodies = fc.oneof(
      fc.json(),
      fc.string({ unit: "binary" }),
      record.map((value) => JSON.stringify(value)),
      seeded.map((value) => JSON.stringify(value)),
    );
    const statuses = new Map<number, number>();
    const property = fc.asyncProperty(
      bodies,
      fc.constantFrom("/hash", "/peers"),
      async (body, path) => {
        const answer = await postText(api, path, body);
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        expect([200, 400, 404, 413]).toContain(answer.status);
        if ([400, 413].includes(answer.status)) expect(REFUSALS).toContain(answer.text);
      },
    );
    await fc.assert(property, { numRuns: 4000 });
    expect(statuses.get(200)).toBeGreaterThan(100);
    expect(statuses.get(400)).toBeGreaterThan(1000);
  }, 60_000);

  test.each([
    '{"__proto__":{"polluted":1}}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '{"__proto__":{"listening_host":"10.0.0.1","listening_port":80,"hash":"x"}}',
    '{"listening_host":"__proto__","listening_port":80}',
    '{"listening_host":"10.0.0.1","listening_port":80,"__proto__":{"polluted":1}}',
    '{"listening_host":"10.0.0.1","listening_port":80,"__proto__":null}',
    '{"listening_host":"10.0.0.1","listening_port":80,"constructor":{"prototype":{"polluted":1}}}',
    '{"listening_host":"10.0.0.1","listening_port":80,"prototype":{"polluted":1}}',
    '{"listening_host":"10.0.0.1","listening_port":80,"toString":"polluted","valueOf":1}',
    '{"listening_host":"10.0.0.1","listening_port":80,"hasOwnProperty":false}',
    '{"listening_host":"10.0.0.1","listening_port":80,"__defineGetter__":1,"__lookupGetter__":1}',
    '[{"__proto__":{"polluted":1}},{"constructor":{"prototype":{"polluted":1}}}]',
  ])("TRK-5: the body %s changes no prototype", async (body) => {
    await using api = handleApi();
    for (const path of ["/hash", "/peers"]) {
      expect((await postText(api, path, body)).status).toBeOneOf([200, 400]);
    }
    expect(Reflect.get({}, "polluted")).toBeUndefined();
    expect(Reflect.get([], "polluted")).toBeUndefined();
    expect({}.toString()).toBe("[object Object]");
    expect((await announce(api, await register(api))).peers).toHaveLength(1);
  });

  test("forgets a peer after the TTL and a swarm after its last peer", async () => {
    const clock = new FakeClock();
    await using api = handleApi({ clock, ttlMs: 1000 });
    const hash = await register(api);
    await clock.advance(600);
    expect((await announce(api, hash)).peers).toHaveLength(1);
    await clock.advance(600);
    expect((await announce(api, hash)).peers).toHaveLength(0);
    await clock.advance(1000);
    const body = { hash, listening_host: "10.1.1.1", listening_port: 1 };
    expect((await post(api, "/peers", body)).status).toBe(404);
  });

  test("refuses 0.0.0.0 from a caller whose address nobody sees", async () => {
    await using api = handleApi({ clientAddress: () => undefined });
    const body = { listening_host: "0.0.0.0", listening_port: 80 };
    expect(await post(api, "/hash", body)).toMatchObject({
      status: 400,
      json: { code: "bad_host" },
    });
  });

  test.each<[StoreErrorCode, number, string, string | null]>([
    ["busy", 503, '{"error":"The tracker is busy","code":"busy"}', "2"],
    ["overloaded", 503, '{"error":"The tracker is busy","code":"busy"}', "2"],
    ["failed", 503, `{"error":"The tracker is busy","code":"busy"}`, "2"],
  ])(
    "TRK-10: answers a store that is %s with %d and none of its words",
    async (code, status, text, retry) => {
      await using api = handleApi({
        store: brokenStore(new StoreError(code, "secret of the disk")),
      });
      const response = await api.fetch("/hash", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ listening_host: "10.0.0.1", listening_port: 80 }),
      });
      expect(response.status).toBe(status);
      expect(await response.text()).toBe(text);
      expect(response.headers.get("retry-after")).toBe(retry);
    },
  );

  test("answers a bug of ours with fixed words", async () => {
    await using api = handleApi({ store: brokenStore(new TypeError("secret of the code")) });
    const body = { listening_host: "10.0.0.1", listening_port: 80 };
    const answer = await post(api, "/hash", body);
    expect(answer).toMatchObject({
      status: 500,
      text: '{"error":"Internal error","code":"internal"}',
    });
  });

  test("TRK-4's control: without rules of ours the framework tells callers what an exception says", async () => {
    const app = new Elysia().get("/", () => {
      throw new TypeError("secret of the code");
    });
    const answer = await app.handle(new Request("http://localhost/"));
    expect(await answer.text()).toContain("secret of the code");
  });

  test("counts the totals at most once a second", async () => {
    const clock = new FakeClock();
    await using api = handleApi({ clock });
    const swarms = async (): Promise<unknown> =>
      Reflect.get(Object(await (await api.fetch("/stats")).json()), "swarms");
    expect(await swarms()).toBe(0);
    await register(api);
    expect(await swarms()).toBe(0);
    await clock.advance(1001);
    expect(await swarms()).toBe(1);
  });
});

/** A store whose disk is broken: every call rejects. */
function brokenStore(error: Error): SwarmStore {
  const fail = (): Promise<never> => Promise.reject(error);
  return { announce: fail, sweep: fail, totals: fail, [Symbol.asyncDispose]: async () => {} };
}
