import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { getTableConfig } from "drizzle-orm/sqlite-core";
import { MIGRATIONS } from "../../migrations/index.ts";
import * as schema from "../../tracker/schema.ts";
import { ROOT } from "./sources.ts";

describe("migrations", () => {
  test("migrations need no further step to be what tracker/schema.ts says", async () => {
    expect(await newSteps(join(ROOT, "tracker/schema.ts"))).toEqual([]);
  }, 30_000);

  test("migrations need one more step when the schema has one more column", async () => {
    const text = await Bun.file(join(ROOT, "tracker/schema.ts")).text();
    const changed = text.replace("port: integer()", "fresh: integer(),\n    port: integer()");
    expect(changed).not.toBe(text);
    // There it finds drizzle-orm, and nobody finds it.
    await withDirectory(join(ROOT, "node_modules"), async (directory) => {
      const path = join(directory, "schema.ts");
      await writeFile(path, changed);
      expect(await newSteps(path)).toEqual([expect.stringMatching(/^0\d+_.*\.sql$/)]);
    });
  }, 30_000);

  test("migrations, edited by hand as they are, make the tables, columns and indexes of the schema", () => {
    const tables = [schema.peers, schema.swarms, schema.peerLog].map(getTableConfig);
    for (const table of tables) {
      expect([table.name, tableOf(applied(), table.name)]).toEqual([table.name, wished(table)]);
    }
  });

  test("migrations keep peers WITHOUT ROWID, which the schema cannot say", () => {
    expect(isWithoutRowid(applied(), "peers")).toBe(true);
    expect(isWithoutRowid(applied(), "swarms")).toBe(false);
  });
});

/** @returns the files that drizzle-kit would add for a schema */
async function newSteps(schemaPath: string): Promise<readonly string[]> {
  return await withDirectory(tmpdir(), async (directory) => {
    const out = join(directory, "migrations");
    await cp(join(ROOT, "migrations"), out, { recursive: true });
    const before = new Set(await readdir(out));
    const words = ["--dialect=sqlite", `--schema=${schemaPath}`, `--out=${relative(ROOT, out)}`];
    const child = Bun.spawn(
      [process.execPath, "node_modules/drizzle-kit/bin.cjs", "generate", ...words],
      { cwd: ROOT, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    );
    const said = await Promise.all([child.stdout.text(), child.stderr.text()]);
    expect([await child.exited, said]).toEqual([0, said]);
    return (await readdir(out)).filter((name) => !before.has(name));
  });
}

async function withDirectory<Value>(
  parent: string,
  use: (directory: string) => Promise<Value>,
): Promise<Value> {
  const directory = await mkdtemp(join(parent, "migrations-"));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function applied(): Database {
  const database = new Database(":memory:");
  for (const { sql } of MIGRATIONS) database.run(sql.replaceAll("--> statement-breakpoint", ""));
  return database;
}

interface Table {
  readonly columns: readonly (readonly [name: string, type: string, notNull: boolean])[];
  readonly key: readonly string[];
  /** Columns of the unique indexes. */
  readonly unique: readonly string[];
}

function tableOf(database: Database, name: string): Table {
  const columns = database
    .query<{ name: string; type: string; notnull: number; pk: number }, [string]>(
      'SELECT name, type, "notnull", pk FROM pragma_table_info(?)',
    )
    .all(name);
  const indexes = database
    .query<{ columns: string }, [string]>(
      `SELECT (SELECT group_concat(name) FROM pragma_index_info(list.name)) AS columns
       FROM pragma_index_list(?) AS list WHERE list."unique" AND list.origin = 'c'`,
    )
    .all(name);
  return {
    columns: columns.map((column) => [
      column.name,
      column.type.toLowerCase(),
      column.notnull === 1,
    ]),
    key: columns
      .filter(({ pk }) => pk > 0)
      .toSorted((a, b) => a.pk - b.pk)
      .map((column) => column.name),
    unique: indexes.map((index) => index.columns).toSorted(),
  };
}

function wished({ columns, indexes, primaryKeys }: ReturnType<typeof getTableConfig>): Table {
  const ofIndexes = indexes.map(({ config }) =>
    config.columns.map((column) => ("name" in column ? column.name : "?")).join(","),
  );
  const ofColumns = columns.filter(({ isUnique }) => isUnique).map(({ name }) => name);
  const own = columns.filter(({ primary }) => primary).map(({ name }) => name);
  return {
    columns: columns.map((column) => [column.name, column.getSQLType(), column.notNull]),
    key: primaryKeys[0]?.columns.map(({ name }) => name) ?? own,
    unique: [...ofIndexes, ...ofColumns].toSorted(),
  };
}

function isWithoutRowid(database: Database, name: string): boolean {
  const row = database
    .query<{ wr: number }, [string]>("SELECT wr FROM pragma_table_list WHERE name = ?")
    .get(name);
  return row?.wr === 1;
}
