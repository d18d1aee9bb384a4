import { createClient } from "@libsql/client/web";
import { configureSync, getConsoleSink, getLogger, jsonLinesFormatter } from "@logtape/logtape";
import { drizzle } from "drizzle-orm/libsql/web";
import type { ElysiaAdapter } from "elysia/adapter";
import packageJson from "../package.json" with { type: "json" };
import { AnnounceService } from "./announce/service.ts";
import { createTracker } from "./app.ts";
import { createCallerLimits, peersPerNetworkMaxOf } from "./caller-limits.ts";
import type { ClientAddress } from "./client-address.ts";
import { systemClock, systemRandom, systemStopwatch } from "./clock.ts";
import type { EdgeConfig } from "./edge-config.ts";
import { RequestWatch } from "./request-watch.ts";
import { createDeadlineFetch } from "./swarm-store/deadline-fetch.ts";
import { SelfMigratingStore } from "./swarm-store/self-migrating.ts";
import { SHARED_OPTIONS, SharedSwarmStore } from "./swarm-store/shared.ts";
import { DEFAULT_LIMITS } from "./swarm-store/store-limits.ts";

/** The tracker for hosts that hand over requests instead of a port: the same API before a remote database. It keeps only what it
 * read within the last second, and nothing runs between requests but what somebody asks for. */

/** How long the database may take to answer; an edge host lets a request wait no longer than some ten seconds. */
const REQUEST_TIMEOUT_MS = 5000;
/** From how long an answer is worth a warning: some round trips to a database on another continent. */
const SLOW_MS = 2000;
/** Requests share a client, and none may wait for another one's to end. */
const CONCURRENCY = 100_000;
/** What one sweep looks at: 100 times so many rows, at some four requests to the database each. */
const SWEEP_ROWS = 1000;
const SWEEPS_MAX = 100;

export interface EdgeTracker {
  readonly fetch: (request: Request) => Response | Promise<Response>;
  /** Brings the database up to date and clears away what expired. */
  readonly sweep: () => Promise<void>;
}

export interface EdgeOptions {
  readonly config: EdgeConfig;
  readonly clientAddress: ClientAddress;
  /** What Elysia runs on, when that is neither Bun nor the web's own interfaces. */
  readonly adapter?: ElysiaAdapter;
  /** How many transactions are on their way at once; undefined where a request may not wait for what another one does. */
  readonly lanes: number | undefined;
}

/** To be called while the program starts: an edge host lets code be made from text only then, which Elysia does. */
export function createEdgeTracker({
  config,
  clientAddress,
  adapter,
  lanes,
}: EdgeOptions): EdgeTracker {
  const log = createEdgeLog();
  const store = createStore(config, lanes);
  const limits = createCallerLimits(systemClock, config);
  const app = createTracker({
    clock: systemClock,
    log,
    service: new AnnounceService(systemClock, systemRandom, store, { ...config, ...limits }),
    clientAddress,
    rateLimit: limits.rateLimit,
    watch: new RequestWatch(log, systemStopwatch, systemRandom, { slowMs: SLOW_MS }),
    version: packageJson.version,
    ...(adapter === undefined ? {} : { adapter }),
  }).compile();
  return {
    fetch: (request) => app.fetch(request),
    sweep: async () => {
      const total = { peers: 0, swarms: 0 };
      for (let sweeps = 0; sweeps < SWEEPS_MAX; sweeps++) {
        const swept = await store.sweep({ now: systemClock.now(), limit: SWEEP_ROWS });
        total.peers += swept.peers;
        total.swarms += swept.swarms;
        if (swept.finished) break;
      }
      log.info("Expired {peers} peers, {swarms} swarms", total);
    },
  };
}

function createStore(config: EdgeConfig, lanes: number | undefined): SelfMigratingStore {
  const { databaseUrl: url, databaseToken: authToken } = config;
  const client = createClient({
    url,
    ...(authToken === undefined ? {} : { authToken }),
    concurrency: CONCURRENCY,
    fetch: createDeadlineFetch(systemClock, REQUEST_TIMEOUT_MS),
  });
  const database = drizzle(client);
  const limits = { ...DEFAULT_LIMITS, peersPerNetworkMax: peersPerNetworkMaxOf(config) };
  const options = { ...SHARED_OPTIONS, lanes, limits };
  const shared = new SharedSwarmStore(systemClock, systemRandom, { client, database }, options);
  return new SelfMigratingStore(client, shared);
}

function createEdgeLog() {
  configureSync({
    reset: true,
    sinks: { host: getConsoleSink({ formatter: jsonLinesFormatter }) },
    loggers: [
      { category: "tracker", lowestLevel: "info", sinks: ["host"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["host"] },
    ],
  });
  return getLogger("tracker");
}
