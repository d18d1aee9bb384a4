import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import { ErrorResponse, HashResponse, PeersResponse } from "../../protocol/announce.ts";
import { hostileBodies } from "./hostile-bodies.ts";

/** A tracker under test, however it is reached; the caller is always seen at 127.0.0.1. */
export interface Api extends AsyncDisposable {
  readonly fetch: (path: string, init?: RequestInit) => Promise<Response>;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly json: unknown;
}

export async function post(api: Api, path: string, body: unknown): Promise<Answer> {
  return postText(api, path, JSON.stringify(body));
}

export async function postText(
  api: Api,
  path: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await api.fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : new Blob([new Uint8Array(body)]),
  });
  return toAnswer(response);
}

async function toAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  return {
    status: response.status,
    text,
    json: isJson && text !== "" ? JSON.parse(text) : undefined,
  };
}

/** @returns the hash of a new swarm, whose first peer listens at 10.1.1.1:1111 */
export async function register(api: Api): Promise<string> {
  const answer = await post(api, "/hash", { listening_host: "10.1.1.1", listening_port: 1111 });
  expect(answer.status).toBe(200);
  return Value.Parse(HashResponse, answer.json).hash;
}

export async function announce(
  api: Api,
  hash: string,
  fields: Record<string, unknown> = {},
): Promise<PeersResponse> {
  const body = { hash, listening_host: "10.1.1.2", listening_port: 2222, ...fields };
  const answer = await post(api, "/peers", body);
  expect(answer.status).toBe(200);
  return Value.Parse(PeersResponse, answer.json);
}

export const UNKNOWN_HASH = "00000000-0000-4000-8000-000000000000";
export const PEER = "0123456789abcdef0123456789abcdef";

/** Every refusal there is, word for word: whatever is sent, nothing else comes back. */
export const REFUSALS: readonly string[] = [
  ["The body is not JSON", "bad_json"],
  ["The body does not have the fields of this call", "bad_request"],
  ["listening_host is no address that this tracker gives to others", "bad_host"],
  ["listening_port is no port that this tracker gives to others", "bad_port"],
  ["The body is larger than 4096 bytes", "too_large"],
  ["The body must be application/json", "unsupported_media_type"],
  ["There is no such call", "not_found"],
].map(([error, code]) => JSON.stringify({ error, code }));
export const UNKNOWN_SWARM = JSON.stringify({
  error: "This tracker does not know the hash",
  code: "unknown_swarm",
  peers: [],
});

/** What every way to the tracker's API must do. */
export function describeApi(name: string, open: () => Promise<Api>): void {
  describe(name, () => {
    let api: Api;
    beforeAll(async () => {
      api = await open();
    });
    afterAll(() => api[Symbol.asyncDispose]());

    describeGoodRequests(() => api);
    describeRefusals(() => api);
  });
}

function describeGoodRequests(api: () => Api): void {
  test("GET /ready says so, word for word", async () => {
    const response = await api().fetch("/ready");
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("I am ready");
  });

  test("POST /hash gives a new uuid and the interval, and makes the caller the first peer", async () => {
    const body = { listening_host: "10.1.1.1", listening_port: 1111 };
    const first = Value.Parse(HashResponse, (await post(api(), "/hash", body)).json);
    const second = Value.Parse(HashResponse, (await post(api(), "/hash", body)).json);
    expect(first.hash).not.toBe(second.hash);
    expect(first.interval).toBe(30);
    const seen = await announce(api(), first.hash);
    expect(seen).toEqual({
      peers: [{ host: "10.1.1.1", port: 1111 }],
      interval: 30,
      min_interval: 2,
      complete: 1,
      incomplete: 1,
    });
  });

  test("POST /peers takes the original program's body: a string port, no optional field", async () => {
    const hash = await register(api());
    const body = { hash, listening_host: "10.1.1.3", listening_port: "300" };
    const answer = await post(api(), "/peers", body);
    expect(answer).toMatchObject({
      status: 200,
      json: { peers: [{ host: "10.1.1.1", port: 1111 }] },
    });
    const { peers } = await announce(api(), hash);
    expect(peers).toContainEqual({ host: "10.1.1.3", port: 300 });
  });

  test("POST /peers says of whom another peer reached that it is verified", async () => {
    const hash = await register(api());
    const reached = [
      { host: "10.1.1.1", port: 1111 },
      { host: "10.1.1.1", port: 1112 },
    ];
    const { peers } = await announce(api(), hash, { reached });
    expect(peers).toEqual([{ host: "10.1.1.1", port: 1111, verified: true }]);
    const later = await announce(api(), hash, { listening_port: 3333 });
    const byPort = later.peers.toSorted((one, other) => one.port - other.port);
    expect(byPort).toEqual([
      { host: "10.1.1.1", port: 1111, verified: true },
      { host: "10.1.1.2", port: 2222 },
    ]);
  });

  test("POST /peers takes a hash in upper case for the same swarm", async () => {
    const hash = await register(api());
    expect((await announce(api(), hash.toUpperCase())).peers).toHaveLength(1);
  });

  test.each(["0.0.0.0", "::", "[::]", "", " ", "*", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0"])(
    "POST /peers replaces the host %p by the caller's address",
    async (listening_host) => {
      const hash = await register(api());
      await announce(api(), hash, { listening_host, listening_port: 4444 });
      const { peers } = await announce(api(), hash);
      expect(peers).toContainEqual({ host: "127.0.0.1", port: 4444 });
      expect(peers).toHaveLength(2);
    },
  );

  test("POST /peers hands a complete caller incomplete peers only", async () => {
    const hash = await register(api());
    await announce(api(), hash, { left: 10 });
    const seen = await announce(api(), hash, { listening_port: 3333, left: 0 });
    expect(seen.peers).toEqual([{ host: "10.1.1.2", port: 2222 }]);
    expect(seen).toMatchObject({ complete: 2, incomplete: 1 });
  });

  test("POST /peers counts a peer as complete after the event completed", async () => {
    const hash = await register(api());
    await announce(api(), hash, { event: "started", left: 10 });
    expect(await announce(api(), hash, { event: "completed" })).toMatchObject({ complete: 2 });
    expect(await announce(api(), hash)).toMatchObject({ complete: 2, incomplete: 0 });
  });

  test("POST /peers forgets a peer that stopped and hands it nobody", async () => {
    const hash = await register(api());
    await announce(api(), hash);
    expect(await announce(api(), hash, { event: "stopped" })).toEqual({
      peers: [],
      interval: 30,
      min_interval: 2,
      complete: 1,
      incomplete: 0,
    });
  });

  test("POST /peers asks a downloader with few others to come again soon", async () => {
    const hash = await register(api());
    expect(await announce(api(), hash, { left: 10 })).toMatchObject({ interval: 2 });
    for (let port = 1; port <= 4; port++) {
      await announce(api(), hash, { listening_port: 4000 + port, left: 10 });
    }
    expect(await announce(api(), hash, { left: 10 })).toMatchObject({ interval: 30 });
  });

  test("POST /peers moves a peer that comes from a new address", async () => {
    const hash = await register(api());
    await announce(api(), hash, { peer: PEER, listening_host: "10.1.1.5" });
    await announce(api(), hash, { peer: PEER, listening_host: "10.1.1.6" });
    const { peers } = await announce(api(), hash);
    expect(peers.map(({ host }) => host).sort()).toEqual(["10.1.1.1", "10.1.1.6"]);
  });

  test("POST /peers gives at most 50 peers, fewer when fewer are wanted, never the caller", async () => {
    const hash = await register(api());
    for (let port = 1; port <= 60; port++) await announce(api(), hash, { listening_port: port });
    const all = await announce(api(), hash, { listening_port: 7 });
    expect(all.peers).toHaveLength(50);
    expect(all.peers).not.toContainEqual({ host: "10.1.1.2", port: 7 });
    expect(all.incomplete).toBe(60);
    expect((await announce(api(), hash, { want: 3 })).peers).toHaveLength(3);
    expect((await announce(api(), hash, { want: 0 })).peers).toHaveLength(0);
    expect((await announce(api(), hash, { want: 1000 })).peers).toHaveLength(50);
  });

  test("POST /peers answers an unknown hash with 404, fixed words and no peers", async () => {
    const body = { hash: UNKNOWN_HASH, listening_host: "10.1.1.1", listening_port: 1 };
    for (const fields of [{}, { left: 1 }, { event: "completed" }, { left: 0, event: "stopped" }]) {
      const answer = await post(api(), "/peers", { ...body, ...fields });
      expect(answer).toMatchObject({ status: 404, text: UNKNOWN_SWARM });
      expect(Value.Check(ErrorResponse, answer.json)).toBe(true);
    }
  });

  test("POST /peers makes an unknown hash known again for who has all of it", async () => {
    const hash = crypto.randomUUID();
    expect(await announce(api(), hash, { left: 0 })).toMatchObject({ complete: 1, peers: [] });
    const seen = await announce(api(), hash, { listening_port: 3333, left: 5 });
    expect(seen.peers).toEqual([{ host: "10.1.1.2", port: 2222 }]);
  });

  test("POST /peers ignores fields it does not know", async () => {
    const hash = await register(api());
    expect((await announce(api(), hash, { from: "the future", peers: [] })).peers).toHaveLength(1);
  });

  test("TRK-7: GET /stats gives totals only", async () => {
    await register(api());
    const answer = await toAnswer(await api().fetch("/stats"));
    expect(answer.status).toBe(200);
    expect(Object.keys(Object(answer.json)).sort()).toEqual([
      "announces",
      "announcesPerSecond",
      "complete",
      "incomplete",
      "swarms",
      "uptimeSeconds",
      "version",
    ]);
  });
}

function describeRefusals(api: () => Api): void {
  test.each([
    ["POST", "/"],
    ["GET", "/hash"],
    ["GET", "/peers"],
    ["POST", "/ready"],
    ["PUT", "/peers"],
    ["DELETE", "/hash"],
    ["GET", "/nope"],
    ["GET", "/peers/x"],
    ["GET", "/%00"],
    ["GET", "/../etc/passwd"],
  ])("TRK-4: %s %s is refused with 404", async (method, path) => {
    const answer = await toAnswer(await api().fetch(path, { method }));
    expect(answer.status).toBe(404);
    expect(REFUSALS).toContain(answer.text);
  });

  test.each(["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])(
    "TRK-4: a body of type %s is refused with 415",
    async (type) => {
      const init = { method: "POST", headers: { "content-type": type }, body: "{}" };
      const answer = await toAnswer(await api().fetch("/peers", init));
      expect(answer.status).toBe(415);
      expect(REFUSALS).toContain(answer.text);
    },
  );

  test("TRK-4: a body of 4096 bytes is read, one of 4097 is refused with 413", async () => {
    const hash = await register(api());
    const padded = (bytes: number): string => {
      const body = { hash, listening_host: "10.1.1.2", listening_port: 1, pad: "" };
      return JSON.stringify({ ...body, pad: "x".repeat(bytes - JSON.stringify(body).length) });
    };
    expect((await postText(api(), "/peers", padded(4096))).status).toBe(200);
    expect((await postText(api(), "/peers", padded(4097))).status).toBe(413);
    expect((await postText(api(), "/peers", padded(1_000_000))).status).toBe(413);
  });

  test("TRK-4: a body without a length is refused with 413 above 4096 bytes", async () => {
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        controller.enqueue(new Uint8Array(3000).fill(32));
        if (sent++ > 3) controller.close();
      },
    });
    let sent = 0;
    const headers = { "content-type": "application/json" };
    const response = await api().fetch("/peers", { method: "POST", headers, body });
    expect(response.status).toBe(413);
  });

  test("TRK-4: 200 hostile bodies get a fixed refusal or a true answer, never a 500", async () => {
    const hash = await register(api());
    const cases = hostileBodies(hash);
    expect(cases.length).toBeGreaterThanOrEqual(200);
    for (const { path, body, status } of cases) {
      const answer = await postText(api(), path, body);
      const shown = typeof body === "string" ? body.slice(0, 120) : [...body.slice(0, 20)];
      expect({ path, body: shown, status: answer.status }).toEqual({ path, body: shown, status });
      if (status !== 200) expect([...REFUSALS, UNKNOWN_SWARM, ""]).toContain(answer.text);
    }
    expect((await api().fetch("/ready")).status).toBe(200);
  });
}
