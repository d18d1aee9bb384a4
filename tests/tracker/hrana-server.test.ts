import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Client, createClient } from "@libsql/client";
import { startHranaProcess } from "../support/hrana-process.ts";
import { HranaServer } from "../support/hrana-server.ts";
import { eventually, makeTempDirectory, removeDirectory } from "../support/tracker.ts";

const TOKEN = "a token";

let directory: string;
let server: HranaServer;
let client: Client;

beforeEach(async () => {
  directory = await makeTempDirectory();
  server = new HranaServer({ path: join(directory, "hrana.db"), token: TOKEN });
  client = createClient({ url: server.url, authToken: TOKEN });
  await client.execute("CREATE TABLE numbers (number INTEGER UNIQUE)");
  server.resetCounters();
});
afterEach(async () => {
  client.close();
  await server[Symbol.asyncDispose]();
  await removeDirectory(directory);
});

async function numbers(): Promise<number[]> {
  const { rows } = await client.execute("SELECT number FROM numbers ORDER BY number");
  return rows.map((row) => Number(row[0]));
}

async function pipeline(body: unknown): Promise<{ status: number; json: unknown }> {
  const response = await fetch(`${server.url}/v2/pipeline`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, json: await response.json() };
}

async function codeOf(call: Promise<unknown>): Promise<unknown> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error === undefined ? undefined : (Reflect.get(Object(error), "code") ?? String(error));
}

describe("HranaServer", () => {
  test("gives back every kind of value as it was given", async () => {
    const blob = new Uint8Array([0, 255, 7]);
    const args = [null, 7n, 2.5, "é", blob, 2n ** 60n];
    const big = createClient({ url: server.url, authToken: TOKEN, intMode: "bigint" });
    const { rows } = await big.execute({ sql: "SELECT ?, ?, ?, ?, ?, ?", args });
    big.close();
    const [row] = rows;
    expect([0, 1, 2, 3, 5].map((at) => row?.[at])).toEqual([null, 7n, 2.5, "é", 2n ** 60n]);
    expect(new Uint8Array(Object(row?.[4]))).toEqual(blob);
    const named = { sql: "SELECT :two, @one", args: { two: 2n, one: 1n } };
    expect(
      Object.values(await client.execute(named).then((result) => ({ ...result.rows[0] }))),
    ).toEqual([2, 1]);
  });

  test("sends integers as text, as the protocol says", async () => {
    const stmt = { sql: "SELECT ? AS n", args: [{ type: "integer", value: "9007199254740993" }] };
    const { json } = await pipeline({ requests: [{ type: "execute", stmt }, { type: "close" }] });
    expect(json).toMatchObject({
      baton: null,
      results: [
        {
          type: "ok",
          response: {
            type: "execute",
            result: {
              cols: [{ name: "n" }],
              rows: [[{ type: "integer", value: "9007199254740993" }]],
            },
          },
        },
        { type: "ok", response: { type: "close" } },
      ],
    });
  });

  test("commits a batch as a whole or not at all", async () => {
    await client.batch(
      ["INSERT INTO numbers VALUES (1)", "INSERT INTO numbers VALUES (2)"],
      "write",
    );
    const bad = ["INSERT INTO numbers VALUES (3)", "INSERT INTO numbers VALUES (1)"];
    expect(await codeOf(client.batch(bad, "write"))).toMatch(/^SQLITE_CONSTRAINT/);
    expect(await numbers()).toEqual([1, 2]);
    expect(server.openStreams).toBe(0);
  });

  test("keeps to the conditions of a batch's steps", async () => {
    const insert = (number: number): unknown => ({ sql: `INSERT INTO numbers VALUES (${number})` });
    const ok = (step: number): unknown => ({ type: "ok", step });
    const steps = [
      { stmt: insert(1) },
      { stmt: insert(1) },
      { stmt: insert(2), condition: ok(1) },
      { stmt: insert(3), condition: { type: "error", step: 1 } },
      { stmt: insert(4), condition: { type: "and", conds: [ok(0), ok(3)] } },
      { stmt: insert(5), condition: { type: "or", conds: [ok(1), ok(2)] } },
      { stmt: insert(6), condition: { type: "not", cond: ok(2) } },
      { stmt: insert(7), condition: { type: "is_autocommit" } },
    ];
    const { json } = await pipeline({ requests: [{ type: "batch", batch: { steps } }] });
    expect(await numbers()).toEqual([1, 3, 4, 6, 7]);
    const result = Object(json).results[0].response.result;
    expect(result.step_results.map((one: unknown) => one !== null)).toEqual([
      true,
      false,
      false,
      true,
      true,
      false,
      true,
      true,
    ]);
    expect(result.step_errors.map((one: unknown) => one !== null)).toEqual([
      false,
      true,
      false,
      false,
      false,
      false,
      false,
      false,
    ]);
  });

  test("keeps a transaction to its stream: nobody else sees or undoes it", async () => {
    const one = await client.transaction("write");
    await one.execute("INSERT INTO numbers VALUES (1)");
    expect(await numbers()).toEqual([]);
    const other = await client.transaction("deferred");
    await other.execute("SELECT * FROM numbers");
    await other.rollback();
    await one.commit();
    expect(await numbers()).toEqual([1]);
  });

  test("lets a second writer wait for the first without holding up its end", async () => {
    const one = await client.transaction("write");
    await one.execute("INSERT INTO numbers VALUES (1)");
    const second = client.batch(["INSERT INTO numbers VALUES (2)"], "write");
    await eventually(
      () => server.counters.requests,
      (requests) => requests === 2,
    );
    await one.commit();
    await second;
    expect(await numbers()).toEqual([1, 2]);
  });

  test("undoes what a closed stream left open", async () => {
    const transaction = await client.transaction("write");
    await transaction.execute("INSERT INTO numbers VALUES (1)");
    transaction.close();
    await client.execute("INSERT INTO numbers VALUES (2)");
    expect(await numbers()).toEqual([2]);
  });

  test("takes each baton once, and no invented one", async () => {
    const first = Object((await pipeline({ requests: [] })).json);
    expect((await pipeline({ baton: first.baton, requests: [{ type: "close" }] })).status).toBe(
      200,
    );
    expect((await pipeline({ baton: first.baton, requests: [] })).status).toBe(400);
    expect((await pipeline({ baton: "invented", requests: [] })).status).toBe(400);
  });

  test("stores texts, runs sequences, describes statements", async () => {
    const sql = "SELECT number FROM numbers WHERE number > ?";
    const { json } = await pipeline({
      requests: [
        { type: "sequence", sql: "INSERT INTO numbers VALUES (1); INSERT INTO numbers VALUES (2)" },
        { type: "store_sql", sql_id: 1, sql },
        { type: "describe", sql_id: 1 },
        { type: "execute", stmt: { sql_id: 1, args: [{ type: "float", value: 1.5 }] } },
        { type: "close_sql", sql_id: 1 },
        { type: "execute", stmt: { sql_id: 1 } },
        { type: "close" },
      ],
    });
    const { results } = Object(json);
    expect(results[2].response.result).toMatchObject({ params: [{}], cols: [{ name: "number" }] });
    expect(results[3].response.result.rows).toEqual([[{ type: "integer", value: "2" }]]);
    expect(results[5]).toMatchObject({ type: "error", error: { code: "SQL_NOT_FOUND" } });
  });

  test("lets nobody in without the token", async () => {
    const stranger = createClient({ url: server.url, authToken: "another" });
    expect(await codeOf(stranger.execute("SELECT 1"))).toBe("AUTH_REJECTED");
    stranger.close();
    expect(server.counters.requests).toBe(0);
  });

  test("counts requests, statements, rows read and written", async () => {
    await client.batch(
      [1, 2, 3].map((number) => ({ sql: "INSERT INTO numbers VALUES (?)", args: [number] })),
      "write",
    );
    await client.execute("SELECT * FROM numbers");
    await client.execute("SELECT count(*) AS counted FROM numbers");
    const { rowsAffected } = await client.execute("DELETE FROM numbers WHERE number < 3");
    expect(rowsAffected).toBe(2);
    expect(server.counters).toEqual({ requests: 4, statements: 8, rowsRead: 12, rowsWritten: 5 });
  });

  test("is out of order in every way, and in order again", async () => {
    await server.setOutage("unavailable");
    expect(await codeOf(client.execute("SELECT 1"))).toBe("SERVER_ERROR");
    await server.setOutage("refuse");
    expect(await codeOf(client.execute("SELECT 1"))).toBe("ECONNREFUSED");
    await server.setOutage("hang");
    const hung = client.execute("INSERT INTO numbers VALUES (1)").catch(() => "aborted");
    await eventually(
      () => server.unanswered,
      (unanswered) => unanswered === 1,
    );
    await server.setOutage("swallow");
    const swallowed = client.execute("INSERT INTO numbers VALUES (2)").catch(() => "aborted");
    await eventually(
      () => server.unanswered,
      (unanswered) => unanswered === 2,
    );
    await server.setOutage("none");
    expect(await numbers()).toEqual([2]);
    await server[Symbol.asyncDispose]();
    await Promise.all([hung, swallowed]);
  });
});

describe("startHranaProcess", () => {
  test("serves from a process of its own and takes settings", async () => {
    await using child = await startHranaProcess(join(directory, "process.db"));
    const remote = createClient({ url: child.url, authToken: child.token });
    await remote.execute("CREATE TABLE numbers (number INTEGER)");
    expect(await child.set({ reset: true, outage: "unavailable" })).toMatchObject({ requests: 1 });
    expect(await codeOf(remote.execute("SELECT 1"))).toBe("SERVER_ERROR");
    expect(await child.set({ outage: "none" })).toMatchObject({ requests: 0 });
    await remote.execute("SELECT 1");
    remote.close();
  });
});
