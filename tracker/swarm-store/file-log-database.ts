import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Client, InStatement, ResultSet } from "@libsql/client";
import { asc, fillPlaceholders, gt, type Query, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";
import { InvariantError } from "../../protocol/errors.ts";
import { migrate } from "../migrate.ts";
import { peerLog } from "../schema.ts";
import { toStoreError } from "./database-error.ts";
import { createLocalClient, setUpConnection } from "./local-database.ts";

/** Rows that one `read` gives at most. */
const READ_ROWS_MAX = 2000;

/** The log in a database file. Many rows travel as one text in one statement, both ways: a statement or an object for each would
 * cost more than to write or read it. */
export class FileLogDatabase {
  readonly #path: string;
  readonly #client: Client;
  readonly #statements: ReturnType<typeof createStatements>;
  #isReady = false;
  /** Place of the last row that was read. */
  #read = 0;
  /** Which file the connection has open. */
  #file: string | undefined;
  /** The database's version when there was nothing more to read. */
  #versionRead: number | undefined;

  /** @param url of a file that is migrated, or can be */
  constructor(url: string) {
    this.#path = pathOf(url);
    this.#client = createLocalClient(url);
    this.#statements = createStatements(drizzle(this.#client));
  }

  /** @returns how many places lie between the first row and the last
   * @throws {StoreError} */
  async span(): Promise<number> {
    return numberOf(await this.#run(this.#statements.span), 0);
  }

  /** @param rows JSON text of an array of `[swarm, host, port, zone, peer, complete, expires]`
   * @param count how many they are
   * @returns the place of the first
   * @throws {StoreError} */
  async append(rows: string, count: number): Promise<number> {
    const { lastInsertRowid, rowsAffected } = await this.#run(this.#statements.append({ rows }));
    if (rowsAffected !== count)
      throw new InvariantError(`${rowsAffected} of ${count} rows written`);
    return Number(lastInsertRowid) - count + 1;
  }

  /** @param seqs JSON text of an array of numbers
   * @throws {StoreError} */
  async erase(seqs: string): Promise<void> {
    await this.#run(this.#statements.erase({ seqs }));
  }

  /** @returns the next rows as lines, as a LogReader reads them; nothing when there are no more
   * @throws {StoreError} */
  async read(): Promise<string> {
    // A file that was taken away could be written to for ever, and nobody would find it again.
    if (this.#isReady && fileAt(this.#path) !== this.#file) this.#isReady = false;
    // Counts what other connections commit: mostly nothing.
    const version = numberOf(await this.#run("PRAGMA data_version"), 0);
    if (version === this.#versionRead) return "";
    const result = await this.#run(
      this.#statements.read({ after: this.#read, limit: READ_ROWS_MAX }),
    );
    const last = numberOf(result, 1);
    if (last === 0) this.#versionRead = version;
    else this.#read = last;
    return last === 0 ? "" : String(result.rows[0]?.[0]);
  }

  close(): void {
    this.#client.close();
  }

  async #run(statement: InStatement): Promise<ResultSet> {
    try {
      if (!this.#isReady) await this.#prepare();
      return await this.#client.execute(statement);
    } catch (cause) {
      // A connection that met an error is not to be trusted, and the file may be another one by now.
      this.#isReady = false;
      throw toStoreError(cause);
    }
  }

  async #prepare(): Promise<void> {
    this.#client.reconnect();
    await setUpConnection(this.#client);
    await migrate(this.#client);
    const file = fileAt(this.#path);
    if (file !== this.#file) this.#read = 0;
    this.#file = file;
    this.#versionRead = undefined;
    this.#isReady = true;
  }
}

/** @param url as libSQL takes it: `file:PATH` or `file:///PATH`, maybe with a query */
function pathOf(url: string): string {
  const [bare = url] = url.split("?");
  return bare.startsWith("file://") ? fileURLToPath(bare) : bare.slice("file:".length);
}

/** @returns the same text for the same file */
function fileAt(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found && `${found.dev} ${found.ino}`;
}

const value = sql.placeholder;

function createStatements(db: ReturnType<typeof drizzle>) {
  const field = (at: number) => sql.raw(`value ->> ${at}`);
  const { seq } = peerLog;
  const piece = db
    .select()
    .from(peerLog)
    .where(gt(seq, value("after")))
    .orderBy(asc(seq))
    .limit(value("limit"))
    .as("piece");
  return {
    // To ask for both at once would read the whole table.
    span: db
      .select({
        places: sql`(select max(${seq}) from ${peerLog}) - (select min(${seq}) from ${peerLog}) + 1`,
      })
      .from(sql`(select 1)`)
      .toSQL().sql,
    append: compile<{ rows: string }>(
      db
        .run(
          sql`insert into ${peerLog} (swarm, host, port, zone, peer, complete, expires)
              select ${sql.join([0, 1, 2, 3, 4, 5, 6].map(field), sql`, `)} from json_each(${value("rows")})`,
        )
        .getQuery(),
    ),
    erase: compile<{ seqs: string }>(
      db
        .delete(peerLog)
        .where(sql`${seq} in (select value from json_each(${value("seqs")}))`)
        .toSQL(),
    ),
    read: compile<{ after: number; limit: number }>(
      db
        .select({
          rows: sql`group_concat(format('%d %s %s %d %s %s %s %d', ${sql.join(
            [
              piece.seq,
              piece.swarm,
              piece.host,
              piece.port,
              piece.zone,
              sql`coalesce(${piece.peer}, '-')`,
              sql`coalesce(${piece.complete}, '-')`,
              piece.expires,
            ],
            sql`, `,
          )}), char(10))`,
          last: sql`max(${piece.seq})`,
        })
        .from(piece)
        .toSQL(),
    ),
  };
}

function compile<Values extends Record<string, string | number>>({ sql: text, params }: Query) {
  return (values: Values): InStatement => ({
    sql: text,
    args: fillPlaceholders(params, values).map((argument) =>
      typeof argument === "number" ? argument : String(argument),
    ),
  });
}

function numberOf(result: ResultSet, column: number): number {
  return Number(result.rows[0]?.[column] ?? 0);
}
