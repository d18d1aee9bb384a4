import { Database, type SQLQueryBindings } from "bun:sqlite";

/** What a Hrana 2 stream may be asked, and what it answers, over one connection of its own to a local database. Messages
 * are named and shaped as the protocol has them on the wire; integers travel as text. */

export interface HranaError {
  readonly message: string;
  readonly code: string;
}

export interface Counters {
  /** Pipeline requests that were let in. */
  requests: number;
  /** Statements that were run; those whose condition was not met are not. */
  statements: number;
  /** No more than a provider would bill: the rows that a statement gave, or, where a column is called `counted`, the rows
   * that it says an aggregate went through; at least one a statement, for the row that it looked up. */
  rowsRead: number;
  /** Rows inserted, updated or deleted. */
  rowsWritten: number;
}

export type Json = Readonly<Record<string, unknown>>;

/** One connection. What is between BEGIN and COMMIT stays with it, as a stream's must. */
export class HranaDatabase implements Disposable {
  readonly #database: Database;
  readonly #counters: Counters;
  readonly #sql = new Map<number, string>();

  constructor(path: string, counters: Counters) {
    this.#database = new Database(path, { create: true, safeIntegers: true, strict: true });
    this.#database.run("PRAGMA journal_mode = WAL");
    this.#database.run("PRAGMA synchronous = NORMAL");
    this.#counters = counters;
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction;
  }

  /** Makes it as good as new for the next stream: nothing uncommitted, no stored texts. */
  reset(): void {
    if (this.#database.inTransaction) this.#database.run("ROLLBACK");
    this.#sql.clear();
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  storeSql(id: number, sql: string): void {
    if (this.#sql.has(id)) throw new HranaFault("SQL_STORE_EXISTS", "SQL text is already stored");
    this.#sql.set(id, sql);
  }

  closeSql(id: number): void {
    this.#sql.delete(id);
  }

  /** @throws {Error} SQLITE_… when the statement cannot run */
  execute(statement: Json): Json {
    const query = this.#database.query<Record<string, never>, SQLQueryBindings[]>(
      this.#textOf(statement),
    );
    const before = this.#totalChanges();
    const rows = query.values(...toBindings(statement)) ?? [];
    const written = this.#totalChanges() - before;
    const columns = query.columnNames;
    const counted = Number(rows[0]?.[columns.indexOf("counted")] ?? 0);
    this.#counters.statements++;
    this.#counters.rowsRead += Math.max(1, rows.length, counted);
    this.#counters.rowsWritten += written;
    return {
      cols: columns.map((name) => ({ name, decltype: null })),
      rows: statement.want_rows === false ? [] : rows.map((row) => row.map(encodeValue)),
      affected_row_count: written,
      last_insert_rowid: null,
    };
  }

  sequence(request: Json): void {
    this.#counters.statements++;
    this.#database.run(this.#textOf(request));
  }

  describe(request: Json): Json {
    const query = this.#database.prepare(this.#textOf(request));
    try {
      return {
        params: Array.from({ length: query.paramsCount }, () => ({ name: null })),
        cols: query.columnNames.map((name) => ({ name, decltype: null })),
        is_explain: false,
        is_readonly: query.columnNames.length > 0,
      };
    } finally {
      query.finalize();
    }
  }

  #textOf({ sql, sql_id }: Json): string {
    if (typeof sql === "string") return sql;
    const stored = typeof sql_id === "number" ? this.#sql.get(sql_id) : undefined;
    if (stored === undefined) throw new HranaFault("SQL_NOT_FOUND", "There is no such SQL text");
    return stored;
  }

  #totalChanges(): number {
    const query = this.#database.query<Record<string, never>, []>("SELECT total_changes()");
    return Number(query.values()[0]?.[0] ?? 0);
  }
}

/** What the protocol itself refuses. */
export class HranaFault extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export function toHranaError(error: unknown): HranaError {
  if (!(error instanceof Error)) return { message: String(error), code: "UNKNOWN" };
  const code = "code" in error ? String(error.code) : "SQLITE_ERROR";
  return { message: error.message, code };
}

export function parseList(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

function toBindings(statement: Json): SQLQueryBindings[] {
  const named = parseList(statement.named_args);
  if (named.length === 0) return parseList(statement.args).map(decodeValue);
  return [
    Object.fromEntries(
      named.map(({ name, value }) => [
        String(name).replace(/^[:@$]/, ""),
        decodeValue(Object(value)),
      ]),
    ),
  ];
}

/** A number without a fraction arrives here as an integer even when it was sent as a float: the driver knows no other. */
function decodeValue({ type, value, base64 }: Json): string | number | bigint | Uint8Array | null {
  switch (type) {
    case "null":
      return null;
    case "integer":
      return BigInt(String(value));
    case "float":
      return Number(value);
    case "text":
      return String(value);
    case "blob":
      return Uint8Array.fromBase64(String(base64));
    default:
      throw new HranaFault("BAD_VALUE", `There is no value of type ${type}`);
  }
}

function encodeValue(value: unknown): Json {
  if (value === null) return { type: "null" };
  if (typeof value === "bigint") return { type: "integer", value: value.toString() };
  if (typeof value === "number") return { type: "float", value };
  if (typeof value === "string") return { type: "text", value };
  if (value instanceof Uint8Array) return { type: "blob", base64: value.toBase64() };
  throw new HranaFault("BAD_VALUE", "There is no such value in a database");
}
