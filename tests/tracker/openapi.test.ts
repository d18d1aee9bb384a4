import { describe, expect, test } from "bun:test";
import { validate } from "@readme/openapi-parser";
import Ajv from "ajv";
import { StoreError } from "../../tracker/errors.ts";
import { describeApi } from "../../tracker/openapi.ts";
import { createTestApp } from "../support/tracker.ts";
import { PEER, UNKNOWN_HASH } from "./api-cases.ts";

type App = ReturnType<typeof createTestApp>["app"];

function send(app: App, path: string, body?: unknown): Promise<Response> {
  return Promise.resolve(app.handle(new Request(`http://localhost${path}`, toInit(body))));
}

function toInit(body: unknown): RequestInit {
  if (body === undefined) return {};
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { method: "POST", headers: { "content-type": "application/json" }, body: text };
}

async function documentOf(app: App): Promise<object> {
  const response = await send(app, "/openapi");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toStartWith("application/json");
  return Object(await response.json());
}

/** Checks answers against what the document says of them; throws for an answer of which it says nothing. */
function createAnswerCheck(document: object) {
  const ajv = new Ajv({ strict: false });
  ajv.addSchema(document, "openapi");
  return async (method: string, path: string, response: Response): Promise<unknown> => {
    const [mediaType = ""] = (response.headers.get("content-type") ?? "").split(";");
    const keys = [
      "paths",
      path,
      method,
      "responses",
      String(response.status),
      "content",
      mediaType,
    ];
    const pointer = keys.map((key) => key.replaceAll("~", "~0").replaceAll("/", "~1")).join("/");
    const check = ajv.compile({ $ref: `openapi#/${pointer}/schema` });
    const value = mediaType === "application/json" ? await response.json() : await response.text();
    check(value);
    return check.errors ?? "fits";
  };
}

describe("GET /openapi", () => {
  test("gives a valid document", async () => {
    const { app } = createTestApp();
    const document = await documentOf(app);
    const result = await validate(JSON.parse(JSON.stringify(document)));
    expect(result).toMatchObject({ valid: true, specification: "OpenAPI" });
    const broken = JSON.stringify({ ...document, paths: { "no-slash": { get: {} } } });
    expect(await validate(JSON.parse(broken))).toMatchObject({ valid: false });
  });

  test("describes every route of the app, and no other", async () => {
    const { app } = createTestApp();
    const { paths } = Object(await documentOf(app));
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(Object(methods)).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const page = ["/", "/events", "/icon.svg", "/page.css", "/page.js"];
    const calls = app.routes.filter(({ path }) => !page.includes(path));
    expect(described.sort()).toEqual(calls.map(({ method, path }) => `${method} ${path}`).sort());
    const { paths: without } = Object(describeApi({ version: "1", hasMetrics: false }));
    expect(Object.keys(without)).not.toContain("/metrics");
  });

  test("holds the answers of the API itself, refusals too", async () => {
    const { app } = createTestApp({ clientAddress: () => "127.0.0.1" });
    const check = createAnswerCheck(await documentOf(app));
    const address = { listening_host: "10.1.1.1", listening_port: 1111 };
    const made = await send(app, "/hash", address);
    const { hash } = Object(await made.clone().json());
    expect(await check("post", "/hash", made)).toBe("fits");
    const asked: readonly (readonly [path: string, status: number, body?: unknown])[] = [
      ["/ready", 200],
      ["/stats", 200],
      ["/metrics", 200],
      ["/openapi", 200],
      ["/peers", 200, { ...address, hash, listening_port: "2222", peer: PEER, left: 7 }],
      ["/peers", 200, { ...address, hash, event: "stopped" }],
      ["/peers", 404, { ...address, hash: UNKNOWN_HASH }],
      ["/peers", 400, { ...address, hash: "x" }],
      ["/peers", 400, "{"],
      ["/hash", 400, { ...address, listening_port: 0 }],
      ["/hash", 413, { ...address, more: "x".repeat(5000) }],
    ];
    for (const [path, status, body] of asked) {
      const response = await send(app, path, body);
      expect([path, response.status]).toEqual([path, status]);
      expect(response.headers.get("x-request-id")).toBeString();
      const method = body === undefined ? "get" : "post";
      expect([path, status, await check(method, path, response)]).toEqual([path, status, "fits"]);
    }
    const typeless = await app.handle(
      new Request("http://localhost/hash", { method: "POST", body: "x" }),
    );
    expect(await check("post", "/hash", typeless)).toBe("fits");
  });

  test.each([
    ["busy", 503],
    ["failed", 503],
  ] as const)("holds the answers of a store that is %s", async (code, status) => {
    const fail = () => Promise.reject(new StoreError(code, "secret of the disk"));
    const store = {
      announce: fail,
      sweep: fail,
      totals: fail,
      [Symbol.asyncDispose]: async () => {},
    };
    const { app } = createTestApp({ clientAddress: () => "127.0.0.1", store });
    const check = createAnswerCheck(await documentOf(app));
    for (const path of ["/stats", "/metrics"]) {
      const response = await send(app, path);
      expect(response.status).toBe(status);
      expect(await check("get", path, response)).toBe("fits");
    }
    const body = { listening_host: "10.1.1.1", listening_port: 1111 };
    expect(await check("post", "/hash", await send(app, "/hash", body))).toBe("fits");
  });

  test("holds the answer of a store that is full", async () => {
    const full = new StoreError("full", "secret of the disk");
    const store = createTestApp().store;
    const { app } = createTestApp({
      clientAddress: () => "127.0.0.1",
      store: Object.assign(store, { announce: () => Promise.reject(full) }),
    });
    const check = createAnswerCheck(await documentOf(app));
    const answer = await send(app, "/hash", { listening_host: "10.1.1.1", listening_port: 1111 });
    expect(answer.status).toBe(429);
    expect(await check("post", "/hash", answer)).toBe("fits");
  });

  test("would not hold other answers (control)", async () => {
    const { app } = createTestApp();
    const check = createAnswerCheck(await documentOf(app));
    const wrong = Response.json({ hash: "not a uuid" });
    expect(await check("post", "/hash", wrong)).not.toBe("fits");
    await expect(check("get", "/hash", Response.json({}))).rejects.toThrow();
    await expect(check("post", "/hash", Response.json({}, { status: 418 }))).rejects.toThrow();
  });

  test("gives nothing to be loaded from elsewhere", async () => {
    const { app } = createTestApp();
    expect(JSON.stringify(await documentOf(app))).not.toMatch(/https?:|\/\//);
  });
});
