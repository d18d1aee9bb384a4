import {
  type Counters,
  HranaDatabase,
  type HranaError,
  HranaFault,
  type Json,
  parseList,
  toHranaError,
} from "./hrana-database.ts";

/** A libSQL server for tests: Hrana 2 over HTTP (`POST /v2/pipeline`, JSON) before a local database file, with a connection
 * for each stream, so that what one stream has not committed no other sees or undoes. Faults and delays are settings. */

/** `refuse` closes the port, `unavailable` answers 503, `hang` takes requests and never answers, `swallow` does what it is
 * asked and never says so. */
export type Outage = "none" | "refuse" | "unavailable" | "hang" | "swallow";

export interface HranaServerOptions {
  /** The database file. */
  readonly path: string;
  /** What every request must carry as `Authorization: Bearer …`. */
  readonly token: string;
}

interface Stream {
  readonly database: HranaDatabase;
  expiry: ReturnType<typeof setTimeout> | undefined;
}

/** A stream whose baton nobody uses is closed, and its transaction undone. */
const STREAM_IDLE_MS = 10_000;
/** How long a statement waits for another stream's write transaction. */
const BUSY_MS = 5000;

export class HranaServer implements AsyncDisposable {
  readonly counters: Counters = { requests: 0, statements: 0, rowsRead: 0, rowsWritten: 0 };
  readonly port: number;
  /** Round trip that is added to every request. */
  latencyMs = 0;
  /** Streams that hold a connection between two requests. */
  readonly #streams = new Map<string, Stream>();
  readonly #idle: HranaDatabase[] = [];
  readonly #options: HranaServerOptions;
  readonly #stopped = new AbortController();
  #outage: Outage = "none";
  #unanswered = 0;
  #server: ReturnType<typeof Bun.serve> | undefined;
  #released = Promise.withResolvers<void>();

  constructor(options: HranaServerOptions) {
    this.#options = options;
    this.#server = this.#listen(0);
    this.port = Number(this.#server.port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** How many requests an outage left without an answer so far. */
  get unanswered(): number {
    return this.#unanswered;
  }

  resetCounters(): void {
    Object.assign(this.counters, { requests: 0, statements: 0, rowsRead: 0, rowsWritten: 0 });
  }

  /** Begins or ends an outage. */
  async setOutage(outage: Outage): Promise<void> {
    this.#outage = outage;
    if (outage === "refuse") {
      const server = this.#server;
      this.#server = undefined;
      await server?.stop(true);
    } else {
      this.#server ??= this.#listen(this.port);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await this.#server?.stop(true);
    for (const stream of this.#streams.values()) this.#release(stream);
    this.#streams.clear();
    for (const database of this.#idle.splice(0)) database[Symbol.dispose]();
  }

  #listen(port: number): ReturnType<typeof Bun.serve> {
    return Bun.serve({
      hostname: "127.0.0.1",
      port,
      idleTimeout: 0,
      maxRequestBodySize: 64 * 2 ** 20,
      fetch: (request) => this.#answer(request),
    });
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/v2") return new Response("");
    if (pathname !== "/v2/pipeline" || request.method !== "POST") {
      return new Response("Not found", { status: 404 });
    }
    if (this.#outage === "unavailable") return new Response("Out of order", { status: 503 });
    if (this.#outage === "hang") return this.#never();
    if (request.headers.get("authorization") !== `Bearer ${this.#options.token}`) {
      return refuse({ message: "Wrong token", code: "AUTH_REJECTED" }, 401);
    }
    this.counters.requests++;
    const body = Object(await request.json());
    await Bun.sleep(this.latencyMs / 2);
    const response = await this.#pipeline(body);
    await Bun.sleep(this.latencyMs / 2);
    return this.#outage === "swallow" ? this.#never() : response;
  }

  /** @returns when the server stops; by then nobody reads it */
  #never(): Promise<Response> {
    this.#unanswered++;
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.#stopped.signal.addEventListener("abort", () => resolve(new Response("")), { once: true });
    return promise;
  }

  async #pipeline({ baton, requests }: Json): Promise<Response> {
    const stream = this.#take(baton);
    if (stream === undefined) {
      return refuse({ message: "The stream has expired", code: "STREAM_EXPIRED" }, 400);
    }
    const results: Json[] = [];
    let isClosed = false;
    for (const request of parseList(requests)) {
      if (request.type === "close") isClosed = true;
      results.push(await this.#settle(stream.database, request));
    }
    return Response.json({ baton: this.#keep(stream, isClosed), base_url: null, results });
  }

  #take(baton: unknown): Stream | undefined {
    if (typeof baton !== "string") {
      const database = this.#idle.pop() ?? new HranaDatabase(this.#options.path, this.counters);
      return { database, expiry: undefined };
    }
    const stream = this.#streams.get(baton);
    this.#streams.delete(baton);
    clearTimeout(stream?.expiry);
    return stream;
  }

  /** @returns the baton of the next request, another one each time */
  #keep(stream: Stream, isClosed: boolean): string | null {
    if (isClosed || this.#stopped.signal.aborted) {
      this.#release(stream);
      return null;
    }
    const baton = crypto.randomUUID();
    stream.expiry = setTimeout(() => {
      this.#streams.delete(baton);
      this.#release(stream);
    }, STREAM_IDLE_MS);
    this.#streams.set(baton, stream);
    return baton;
  }

  #release({ database, expiry }: Stream): void {
    clearTimeout(expiry);
    database.reset();
    if (this.#stopped.signal.aborted) database[Symbol.dispose]();
    else this.#idle.push(database);
    this.#wake();
  }

  /** Tells who waits for a lock that one may be free. */
  #wake(): void {
    this.#released.resolve();
    this.#released = Promise.withResolvers();
  }

  async #settle(database: HranaDatabase, request: Json): Promise<Json> {
    try {
      return { type: "ok", response: await this.#do(database, request) };
    } catch (error) {
      return { type: "error", error: toHranaError(error) };
    }
  }

  async #do(database: HranaDatabase, request: Json): Promise<Json> {
    const { type } = request;
    switch (type) {
      case "execute":
        return { type, result: await this.#execute(database, Object(request.stmt)) };
      case "batch":
        return { type, result: await this.#batch(database, Object(request.batch)) };
      case "sequence":
        database.sequence(request);
        break;
      case "describe":
        return { type, result: database.describe(request) };
      case "store_sql":
        database.storeSql(Number(request.sql_id), String(request.sql));
        break;
      case "close_sql":
        database.closeSql(Number(request.sql_id));
        break;
      case "get_autocommit":
        return { type, is_autocommit: !database.inTransaction };
      case "close":
        break;
      default:
        throw new HranaFault("BAD_REQUEST", `There is no request of type ${type}`);
    }
    return { type };
  }

  async #batch(database: HranaDatabase, batch: Json): Promise<Json> {
    const results: (Json | null)[] = [];
    const errors: (HranaError | null)[] = [];
    for (const { condition, stmt } of parseList(batch.steps)) {
      const isMet = condition == null || isTrue(Object(condition), { results, errors, database });
      const outcome = isMet ? await this.#try(database, Object(stmt)) : {};
      results.push(outcome.result ?? null);
      errors.push(outcome.error ?? null);
    }
    return { step_results: results, step_errors: errors };
  }

  async #try(
    database: HranaDatabase,
    statement: Json,
  ): Promise<{ readonly result?: Json; readonly error?: HranaError }> {
    try {
      return { result: await this.#execute(database, statement) };
    } catch (error) {
      return { error: toHranaError(error) };
    }
  }

  /** Runs a statement; one that meets another stream's lock waits its turn without holding up anybody. */
  async #execute(database: HranaDatabase, statement: Json): Promise<Json> {
    const deadline = Date.now() + BUSY_MS;
    for (;;) {
      const released = this.#released.promise;
      try {
        const result = database.execute(statement);
        if (!database.inTransaction) this.#wake();
        return result;
      } catch (error) {
        const isBusy = toHranaError(error).code.startsWith("SQLITE_BUSY");
        if (!isBusy || database.inTransaction || Date.now() > deadline) throw error;
      }
      await Promise.race([released, Bun.sleep(50)]);
    }
  }
}

interface Steps {
  readonly results: readonly (Json | null)[];
  readonly errors: readonly (HranaError | null)[];
  readonly database: HranaDatabase;
}

function isTrue(condition: Json, steps: Steps): boolean {
  const all = parseList(condition.conds);
  switch (condition.type) {
    case "ok":
      return steps.results[Number(condition.step)] != null;
    case "error":
      return steps.errors[Number(condition.step)] != null;
    case "not":
      return !isTrue(Object(condition.cond), steps);
    case "and":
      return all.every((one) => isTrue(one, steps));
    case "or":
      return all.some((one) => isTrue(one, steps));
    case "is_autocommit":
      return !steps.database.inTransaction;
    default:
      throw new HranaFault("BAD_CONDITION", `There is no condition of type ${condition.type}`);
  }
}

function refuse(error: HranaError, status: number): Response {
  // The client takes no other spelling of the type for an error of the protocol's.
  const headers = { "content-type": "application/json" };
  return new Response(JSON.stringify(error), { status, headers });
}
