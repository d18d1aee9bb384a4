import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import type { Miniflare } from "miniflare";
import miniflarePackage from "miniflare/package.json" with { type: "json" };
import workerdPackage from "workerd/package.json" with { type: "json" };
import { bundleWorker } from "../../build.ts";
import { edgeAddress, socketAddress } from "../../tracker/client-address.ts";
import { parseEdgeConfig } from "../../tracker/edge-config.ts";
import { canRunWorkerd, type EdgeBindings, fireTrigger, startEdge } from "../support/edge.ts";
import { HranaServer } from "../support/hrana-server.ts";
import { makeTempDirectory, removeDirectory } from "../support/tracker.ts";
import { type Api, announce, describeApi, post, postText, register } from "./api-cases.ts";

const TOKEN = "a token";
const RUNTIME = `workerd ${workerdPackage.version}, miniflare ${miniflarePackage.version}`;
/** A host takes 3 MiB, compressed, of those who pay nothing. */
const BUNDLE_GZIP_BYTES_MAX = 300 * 1024;

const runs = await canRunWorkerd();
if (!runs)
  process.stderr.write(`NOT TESTED: the tracker as a Worker, ${RUNTIME} cannot run here\n`);

let directory: string;
let script: string;
let files = 0;

beforeAll(async () => {
  directory = await makeTempDirectory();
  script = await bundleWorker();
}, 30_000);
afterAll(() => removeDirectory(directory));

interface Edge extends Api {
  readonly server: HranaServer;
  readonly miniflare: Miniflare;
}

/** A Worker before a database of its own, not migrated; its caller is seen at 127.0.0.1, and may announce any address and ask as
 * often as he likes, unless bindings say otherwise. */
async function openEdge(bindings: EdgeBindings = {}, path = newPath()): Promise<Edge> {
  const server = new HranaServer({ path, token: TOKEN });
  const open = { TRACKER_ADDRESS_POLICY: "compat", TRACKER_RATE_LIMIT: "0" };
  const all = { TRACKER_DB_URL: server.url, TRACKER_DB_TOKEN: TOKEN, ...open, ...bindings };
  const miniflare = await startEdge(script, all);
  return {
    server,
    miniflare,
    fetch: (path, init) => request(miniflare, path, init),
    [Symbol.asyncDispose]: async () => {
      await miniflare.dispose();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function request(miniflare: Miniflare, path: string, init: RequestInit = {}) {
  const headers = new Headers(init.headers);
  headers.set("cf-connecting-ip", headers.get("cf-connecting-ip") ?? "127.0.0.1");
  // Where workerd has refused a body unread it ends the connection, which the next call may have taken by then.
  headers.set("connection", "close");
  const { method = "GET" } = init;
  const body = init.body == null ? undefined : await new Response(init.body).arrayBuffer();
  const response = await miniflare.dispatchFetch(`http://localhost${path}`, {
    method,
    headers: Object.fromEntries(headers),
    ...(body === undefined ? {} : { body }),
  });
  return new Response(await response.arrayBuffer(), {
    status: response.status,
    headers: Object.fromEntries(response.headers),
  });
}

function newPath(): string {
  return join(directory, `${files++}.db`);
}

async function tablesOf(server: HranaServer): Promise<readonly unknown[]> {
  const client = createClient({ url: server.url, authToken: TOKEN });
  const { rows } = await client.execute("SELECT name FROM sqlite_schema WHERE type = 'table'");
  client.close();
  return rows.map((row) => row[0]);
}

describe.skipIf(!runs)(`The tracker in ${RUNTIME}`, () => {
  describeApi(`tracker Worker in ${RUNTIME}, over HTTP to its database`, () => openEdge());

  test("takes the caller's address from the host's header", async () => {
    await using edge = await openEdge();
    const hash = await register(edge);
    const body = { hash, listening_host: "0.0.0.0", listening_port: 7 };
    const headers = { "content-type": "application/json", "cf-connecting-ip": "9.9.9.9" };
    const init = { method: "POST", headers, body: JSON.stringify(body) };
    expect((await edge.fetch("/peers", init)).status).toBe(200);
    expect((await announce(edge, hash)).peers).toContainEqual({ host: "9.9.9.9", port: 7 });
  }, 20_000);

  test("makes its tables at the first request, once, however many come together", async () => {
    await using edge = await openEdge();
    expect((await edge.fetch("/ready")).status).toBe(200);
    expect(await tablesOf(edge.server)).not.toContain("peers");
    const body = { listening_host: "10.0.0.1", listening_port: 1 };
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(edge, "/hash", body)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(await tablesOf(edge.server)).toContain("peers");
    edge.server.resetCounters();
    expect((await post(edge, "/hash", body)).status).toBe(200);
    expect(edge.server.counters.requests).toBe(1);
  }, 20_000);

  test("answers many requests at a time, none by way of another's", async () => {
    await using edge = await openEdge();
    const hash = await register(edge);
    const ports = Array.from({ length: 150 }, (_, at) => 1000 + at);
    await Promise.all(ports.map((listening_port) => announce(edge, hash, { listening_port })));
    const stats = await Promise.all(ports.map(() => edge.fetch("/stats")));
    expect(stats.every(({ status }) => status === 200)).toBe(true);
    expect(Object((await stats[0]?.json()) ?? {}).uptimeSeconds).toBeLessThan(60);
    const client = createClient({ url: edge.server.url, authToken: TOKEN });
    const { rows } = await client.execute("SELECT count(*) FROM peers");
    client.close();
    expect(rows[0]?.[0]).toBe(151);
  }, 30_000);

  test("clears away what expired, and migrates, when its trigger fires", async () => {
    await using edge = await openEdge({ TRACKER_INTERVAL: "1", TRACKER_TTL: "2" });
    await fireTrigger(edge.miniflare);
    expect(await tablesOf(edge.server)).toContain("peers");
    const client = createClient({ url: edge.server.url, authToken: TOKEN });
    await client.batch([
      "INSERT INTO swarms (id, hash, expires) VALUES (1, 'old', 5), (2, 'new', 9e15)",
      "INSERT INTO peers (swarm, random, host, port, complete, expires) VALUES (1, 1, 'a', 1, 0, 5), (2, 1, 'b', 1, 0, 9e15)",
    ]);
    await fireTrigger(edge.miniflare);
    const { rows } = await client.execute("SELECT hash, host FROM swarms, peers");
    client.close();
    expect(rows.map((row) => [row[0], row[1]])).toEqual([["new", "b"]]);
  }, 20_000);

  test("TRK-10: answers 503 while the database of a Worker is away, and works on when it is back", async () => {
    await using edge = await openEdge();
    const body = { listening_host: "10.0.0.1", listening_port: 1 };
    await edge.server.setOutage("unavailable");
    const refused = await post(edge, "/hash", body);
    expect(refused).toMatchObject({ status: 503, json: { code: "busy" } });
    await edge.server.setOutage("none");
    expect((await post(edge, "/hash", body)).status).toBe(200);
  }, 20_000);

  test("stores callers where they are seen, and limits what they ask, unless told otherwise", async () => {
    await using edge = await openEdge({ TRACKER_ADDRESS_POLICY: "", TRACKER_RATE_LIMIT: "" });
    const ask = async (address: string): Promise<Response> =>
      edge.fetch("/hash", {
        method: "POST",
        headers: { "content-type": "application/json", "cf-connecting-ip": address },
        body: JSON.stringify({ listening_host: "10.1.1.1", listening_port: 7000 }),
      });
    const { hash } = Object(await (await ask("9.9.9.9")).json());
    const seen = await edge.fetch("/peers", {
      method: "POST",
      headers: { "content-type": "application/json", "cf-connecting-ip": "8.8.8.8" },
      body: JSON.stringify({ hash, listening_host: "", listening_port: 7001, left: 1 }),
    });
    expect(Object(await seen.json()).peers).toEqual([{ host: "9.9.9.9", port: 7000 }]);
    const statuses = new Set<number>();
    for (let asked = 0; asked < 80; asked++) statuses.add((await ask("9.9.9.8")).status);
    expect(statuses).toEqual(new Set([200, 429]));
    expect((await ask("9.9.9.7")).status).toBe(200);
  }, 30_000);

  test("TRK-6: a Worker keeps eight of one network in a swarm, and without limits all", async () => {
    for (const [limits, kept] of [
      [{ TRACKER_RATE_LIMIT: "" }, 8],
      [{ TRACKER_RATE_LIMIT: "0" }, 12],
    ] as const) {
      await using edge = await openEdge({ TRACKER_ADDRESS_POLICY: "", ...limits });
      const hash = crypto.randomUUID();
      const callAs = (address: string, listening_port: number, left = 0) => {
        const body = { hash, listening_host: "", listening_port, left };
        return postText(edge, "/peers", JSON.stringify(body), { "cf-connecting-ip": address });
      };
      for (let port = 1; port <= 12; port++) {
        expect((await callAs(`2600:1:2:3::${port}`, 6000 + port)).status).toBe(200);
      }
      const { json } = await callAs("9.9.9.9", 7000, 1);
      expect(Object(json)).toMatchObject({ complete: kept, incomplete: 1 });
      expect(Object(json).peers).toHaveLength(kept);
    }
  }, 30_000);

  test("does not start without a database", async () => {
    const starting = startEdge(script, { TRACKER_DB_URL: "file:tracker.db" });
    const message = await starting.then(
      (miniflare) => miniflare.dispose().then(() => "started"),
      (error: unknown) => String(error),
    );
    expect(message).toContain("TRACKER_DB_URL is neither");
  }, 20_000);
});

describe("The Worker's bundle", () => {
  test("is small, and carries no native addon and no file system", () => {
    expect(Bun.gzipSync(script).length).toBeLessThan(BUNDLE_GZIP_BYTES_MAX);
    expect(script).not.toMatch(/\brequire\(|from\s*"node:|from\s*"bun|index\.node/);
  });
});

describe("edgeAddress", () => {
  test("TRK-3: believes cf-connecting-ip; socketAddress does not", () => {
    const headers = { "cf-connecting-ip": "203.0.113.9" };
    const asked = new Request("http://localhost/", { headers });
    const server = { requestIP: () => ({ address: "10.0.0.1" }) };
    expect(edgeAddress(asked)).toBe("203.0.113.9");
    expect(edgeAddress(new Request("http://localhost/"))).toBeUndefined();
    expect(socketAddress(asked, server)).toBe("10.0.0.1");
    expect(socketAddress(asked, null)).toBeUndefined();
  });
});

describe("parseEdgeConfig", () => {
  const url = { TRACKER_DB_URL: "libsql://db.example" };

  test("reads bindings, with defaults", () => {
    expect(parseEdgeConfig(url)).toEqual({
      databaseUrl: "libsql://db.example",
      databaseToken: undefined,
      intervalSeconds: 30,
      ttlMs: 120_000,
      isPublic: true,
      addressPolicy: "source",
      requestsPerSecond: 20,
      trustedProxies: [],
    });
    const exposed = { TRACKER_ADDRESS_POLICY: "lan", TRACKER_RATE_LIMIT: "0" };
    const times = { TRACKER_INTERVAL: "5", TRACKER_TTL: "60" };
    const all = { ...url, TRACKER_DB_TOKEN: "t", ...times, ...exposed };
    expect(parseEdgeConfig(all)).toMatchObject({
      databaseToken: "t",
      intervalSeconds: 5,
      ttlMs: 60_000,
      addressPolicy: "lan",
      requestsPerSecond: 0,
    });
  });

  test.each<Record<string, string>>([
    {},
    { TRACKER_DB_URL: "file:tracker.db" },
    { TRACKER_DB_URL: "https://" },
    { ...url, TRACKER_TTL: "0" },
    { ...url, TRACKER_TTL: "30" },
    { ...url, TRACKER_INTERVAL: "1m" },
    { ...url, TRACKER_TTL: "9999999" },
  ])("refuses %j", (env) => {
    expect(() => parseEdgeConfig(env)).toThrow(/^TRACKER_/);
  });
});
