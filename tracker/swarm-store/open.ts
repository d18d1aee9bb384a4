import { type Client, type Config, createClient, LibsqlError } from "@libsql/client";
import type { Clock, Random } from "../clock.ts";
import { FatalError } from "../errors.ts";
import { migrate } from "../migrate.ts";
import { LibsqlSwarmStore } from "./libsql.ts";
import { MemorySwarmStore } from "./memory.ts";
import type { SwarmStore } from "./store.ts";

/** How long one statement of a local database waits for another process's lock; the event loop stands still meanwhile. */
const BUSY_TIMEOUT_MS = 2000;
/** How long the start waits in all for other trackers that start on the same database. */
const OPEN_TIMEOUT_MS = 30_000;
const RETRY_MS_MIN = 20;
const RETRY_MS_SPREAD = 80;

export interface OpenOptions {
  /** `:memory:`, `file:PATH`, `libsql://…` or `http(s)://…`. */
  readonly url: string;
  /** For a remote database. */
  readonly token: string | undefined;
  /** Ends the waiting for other processes. */
  readonly signal: AbortSignal;
}

/** Opens the store, brings its schema up to date and waits for other trackers that do so at the same time.
 * @throws {FatalError} io, when it cannot be opened, is no database, or stays locked for OPEN_TIMEOUT_MS */
export async function openSwarmStore(
  clock: Clock,
  random: Random,
  options: OpenOptions,
): Promise<SwarmStore> {
  if (options.url === ":memory:") return new MemorySwarmStore(random);
  const deadline = clock.now() + OPEN_TIMEOUT_MS;
  for (;;) {
    try {
      const client = await openDatabase(options);
      return new LibsqlSwarmStore(clock, random, client, { onReconnect: setUp });
    } catch (error) {
      if (!isBusy(error) || options.signal.aborted || clock.now() >= deadline) throw toFatal(error);
    }
    const pauseMs = RETRY_MS_MIN + (random.uint32() % RETRY_MS_SPREAD);
    await clock.sleep(pauseMs, { signal: options.signal });
  }
}

async function openDatabase({ url, token }: OpenOptions): Promise<Client> {
  const client = createClient(toClientConfig(url, token));
  try {
    // Kept in the file's header; switching needs the database alone, which is why it can be busy.
    if (client.protocol === "file") await client.execute("PRAGMA journal_mode = WAL");
    await setUp(client);
    await migrate(client);
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}

function toClientConfig(url: string, token: string | undefined): Config {
  const config = { url, ...(token === undefined ? {} : { authToken: token }) };
  // One connection: see the trap in BatchWriter's reconnect.
  return url.startsWith("file:") ? { ...config, concurrency: 1, timeout: BUSY_TIMEOUT_MS } : config;
}

/** Settings that each new connection needs. With a write-ahead log, NORMAL keeps every commit through the death of the
 * process and loses at most the last ones in a power cut, never the database's consistency; peers announce again within
 * half a minute, so a disk's sync a commit would buy nothing. */
async function setUp(client: Client): Promise<void> {
  if (client.protocol === "file") await client.execute("PRAGMA synchronous = NORMAL");
}

function isBusy(error: unknown): boolean {
  return error instanceof LibsqlError && /^SQLITE_(BUSY|LOCKED)/.test(error.code);
}

function toFatal(cause: unknown): FatalError {
  const state = cause instanceof LibsqlError ? cause.code : "unusable";
  return new FatalError("io", `Cannot open the database: ${state}`, {
    cause,
    hint: "name a database that can be read and written with --db, for instance --db file:tracker.db",
  });
}
