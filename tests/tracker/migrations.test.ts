import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Client, createClient } from "@libsql/client";
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { MIGRATIONS, type Migration } from "../../migrations/index.ts";
import { migrate } from "../../tracker/migrate.ts";
import * as schema from "../../tracker/schema.ts";
import { makeTempDirectory, removeDirectory } from "../support/tracker.ts";

const FOLDER = join(import.meta.dir, "../../migrations");

let directory: string;
let files = 0;

beforeAll(async () => {
  directory = await makeTempDirectory();
});
afterAll(() => removeDirectory(directory));

function openNew(): Client {
  return createClient({ url: `file:${join(directory, `${files++}.db`)}`, concurrency: 1 });
}

async function column(client: Client, sql: string, args: string[] = []): Promise<string[]> {
  const { rows } = await client.execute({ sql, args });
  return rows.map((row) => String(row[0]));
}

describe("MIGRATIONS", () => {
  test("hold every file of the folder, in the order of the journal", async () => {
    const names = (await readdir(FOLDER)).filter((name) => name.endsWith(".sql")).sort();
    expect(MIGRATIONS.map(({ tag }) => `${tag}.sql`)).toEqual(names);
    for (const { tag, sql } of MIGRATIONS) {
      expect(sql).toBe(await Bun.file(join(FOLDER, `${tag}.sql`)).text());
    }
    const times = MIGRATIONS.map(({ when }) => when);
    expect(times).toEqual([...new Set(times)].sort((one, other) => one - other));
  });

  test("lead to what tracker/schema.ts says: drizzle-kit finds nothing to add", async () => {
    const [newest] = (await readdir(join(FOLDER, "meta")))
      .filter((name) => name.endsWith("_snapshot.json"))
      .sort()
      .reverse();
    const snapshot = await Bun.file(join(FOLDER, "meta", newest ?? "")).json();
    const wanted = await generateSQLiteDrizzleJson({ ...schema }, snapshot.id);
    expect(await generateSQLiteMigration(snapshot, wanted)).toEqual([]);
    const { swarms: _gone, ...without } = schema;
    const control = await generateSQLiteDrizzleJson({ ...without }, snapshot.id);
    expect(await generateSQLiteMigration(snapshot, control)).not.toEqual([]);
  });
});

describe("migrate", () => {
  const first: Migration = { tag: "0000_a", when: 1, sql: "CREATE TABLE a (x INTEGER)" };
  const second: Migration = {
    tag: "0001_b",
    when: 2,
    sql: "CREATE TABLE b (x INTEGER);--> statement-breakpoint\nCREATE TABLE c (x INTEGER)",
  };
  const tables = (client: Client): Promise<string[]> =>
    column(client, "SELECT name FROM sqlite_master WHERE name IN ('a', 'b', 'c') ORDER BY name");

  test("applies what is missing, once", async () => {
    const client = openNew();
    expect(await migrate(client, [first])).toEqual(["0000_a"]);
    expect(await migrate(client, [first])).toEqual([]);
    expect(await migrate(client, [first, second])).toEqual(["0001_b"]);
    expect(await tables(client)).toEqual(["a", "b", "c"]);
    client.close();
  });

  test("leaves nothing behind when a step fails", async () => {
    const client = openNew();
    const broken = { ...second, sql: `${second.sql};--> statement-breakpoint\nCREATE TABLE a (x)` };
    await expect(migrate(client, [first, broken])).rejects.toThrow();
    expect(await tables(client)).toEqual([]);
    expect(await migrate(client, [first, second])).toEqual(["0000_a", "0001_b"]);
    client.close();
  });
});
