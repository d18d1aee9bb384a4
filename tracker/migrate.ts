import type { Client, Transaction } from "@libsql/client";
import { MIGRATIONS, type Migration } from "../migrations/index.ts";

/** The table in which Drizzle's own migrator keeps what was applied. */
const APPLIED = "__drizzle_migrations";

/** Brings the database's schema up to date. What is already applied is read inside the write transaction, so that any
 * number of trackers may start on one database at once; Drizzle's migrator reads it before and then races.
 * @returns the tags that were applied now, in order
 * @throws {LibsqlError} SQLITE_BUSY when another process holds the database longer than the client waits */
export async function migrate(
  client: Client,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<readonly string[]> {
  const transaction = await client.transaction("write");
  try {
    const applied = await applyMissing(transaction, migrations);
    await transaction.commit();
    return applied;
  } finally {
    transaction.close();
  }
}

/** Looks without a lock whether there is nothing to bring up to date.
 * @throws {LibsqlError} when the database cannot be asked */
export async function isMigrated(
  client: Client,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<boolean> {
  const table = "SELECT count(*) AS tables FROM sqlite_schema WHERE name = ?";
  const { rows } = await client.execute({ sql: table, args: [APPLIED] });
  if (Number(rows[0]?.tables ?? 0) === 0) return false;
  const newest = await client.execute(`SELECT max(created_at) AS newest FROM ${APPLIED}`);
  return migrations.every(({ when }) => when <= Number(newest.rows[0]?.newest ?? 0));
}

async function applyMissing(
  transaction: Transaction,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  await transaction.execute(
    `CREATE TABLE IF NOT EXISTS ${APPLIED} (id INTEGER PRIMARY KEY, hash text NOT NULL, created_at numeric)`,
  );
  const { rows } = await transaction.execute(`SELECT max(created_at) AS newest FROM ${APPLIED}`);
  const newest = Number(rows[0]?.newest ?? 0);
  const missing = migrations.filter(({ when }) => when > newest);
  for (const migration of missing) await apply(transaction, migration);
  return missing.map(({ tag }) => tag);
}

async function apply(transaction: Transaction, { sql, when }: Migration): Promise<void> {
  for (const statement of sql.split("--> statement-breakpoint")) {
    if (statement.trim() !== "") await transaction.execute(statement);
  }
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(sql));
  await transaction.execute({
    sql: `INSERT INTO ${APPLIED} (hash, created_at) VALUES (?, ?)`,
    args: [Buffer.from(digest).toString("hex"), when],
  });
}
