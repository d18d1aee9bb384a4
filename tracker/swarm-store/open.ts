import { type Client, createClient, LibsqlError } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import type { Clock, Random } from "../clock.ts";
import { FatalError } from "../errors.ts";
import { migrate } from "../migrate.ts";
import type { TimeCommit } from "../watch.ts";
import { isBusy } from "./database-error.ts";
import { createDeadlineFetch } from "./deadline-fetch.ts";
import { FileLog } from "./file-log.ts";
import { type IndexedOptions, IndexedSwarmStore } from "./indexed.ts";
import { createLocalClient, setUpConnection } from "./local-database.ts";
import { SHARED_OPTIONS, SharedSwarmStore } from "./shared.ts";
import type { SwarmStore } from "./store.ts";
import { DEFAULT_LIMITS, type StoreLimits } from "./store-limits.ts";

/** How long a remote database may take to answer a request, of which callers wait for one or two. */
const REQUEST_TIMEOUT_MS = 5000;
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
  /** Where they differ from DEFAULT_LIMITS. */
  readonly limits?: Partial<StoreLimits>;
  /** Stands around each commit. */
  readonly timeCommit?: TimeCommit;
}

/** Opens the store, brings its schema up to date and waits for other trackers that do so at the same time.
 * @throws {FatalError} io, when it cannot be opened, is no database, or stays locked for OPEN_TIMEOUT_MS */
export async function openSwarmStore(
  clock: Clock,
  random: Random,
  options: OpenOptions,
): Promise<SwarmStore> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  if (options.url === ":memory:") {
    return IndexedSwarmStore.inMemory(clock, random, limits);
  }
  const deadline = clock.now() + OPEN_TIMEOUT_MS;
  for (;;) {
    try {
      return await open(clock, random, { ...options, limits });
    } catch (error) {
      if (!isBusy(error) || options.signal.aborted || clock.now() >= deadline) throw toFatal(error);
    }
    const pauseMs = RETRY_MS_MIN + (random.uint32() % RETRY_MS_SPREAD);
    await clock.sleep(pauseMs, { signal: options.signal });
  }
}

async function open(
  clock: Clock,
  random: Random,
  { url, token, limits, timeCommit }: OpenOptions & { readonly limits: StoreLimits },
): Promise<SwarmStore> {
  const isFile = url.startsWith("file:");
  const client = isFile ? createLocalClient(url) : createRemoteClient(clock, url, token);
  try {
    if (isFile) await setUpConnection(client);
    await migrate(client);
  } catch (error) {
    client.close();
    throw error;
  }
  if (!isFile) {
    const options = { ...SHARED_OPTIONS, limits, timeCommit };
    return new SharedSwarmStore(clock, random, { client, database: drizzle(client) }, options);
  }
  client.close();
  return await openLog(clock, random, new FileLog(url), { limits, timeCommit });
}

function createRemoteClient(clock: Clock, url: string, token: string | undefined): Client {
  const fetch = createDeadlineFetch(clock, REQUEST_TIMEOUT_MS);
  return createClient({ url, fetch, ...(token === undefined ? {} : { authToken: token }) });
}

async function openLog(
  clock: Clock,
  random: Random,
  log: FileLog,
  options: IndexedOptions,
): Promise<SwarmStore> {
  try {
    return await IndexedSwarmStore.open(clock, random, log, options);
  } catch (error) {
    await log[Symbol.asyncDispose]();
    throw error;
  }
}

function toFatal(cause: unknown): FatalError {
  const state = cause instanceof LibsqlError ? cause.code : "unusable";
  return new FatalError("io", `Cannot open the database: ${state}`, {
    cause,
    hint: "name a database that can be read and written with --db, for instance --db file:tracker.db",
  });
}
