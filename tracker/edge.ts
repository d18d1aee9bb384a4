import { env } from "cloudflare:workers";
import { createClient } from "@libsql/client/web";
import { configureSync, getConsoleSink, getLogger, jsonLinesFormatter } from "@logtape/logtape";
import { drizzle } from "drizzle-orm/libsql/web";
import { CloudflareAdapter } from "elysia/adapter/cloudflare-worker";
import packageJson from "../package.json" with { type: "json" };
import { AnnounceService } from "./announce/service.ts";
import { createTracker } from "./app.ts";
import { createCallerLimits, peersPerNetworkMaxOf } from "./caller-limits.ts";
import { edgeAddress } from "./client-address.ts";
import { systemClock, systemRandom, systemStopwatch } from "./clock.ts";
import { parseEdgeConfig } from "./edge-config.ts";
import { RequestWatch } from "./request-watch.ts";
import { createDeadlineFetch } from "./swarm-store/deadline-fetch.ts";
import { SelfMigratingStore } from "./swarm-store/self-migrating.ts";
import { SHARED_OPTIONS, SharedSwarmStore } from "./swarm-store/shared.ts";
import { DEFAULT_LIMITS } from "./swarm-store/store-limits.ts";

/** The tracker as a Worker on an edge host: the same API before a remote database. An isolate keeps only what it read within the
 * last second; nothing runs between requests but what the cron trigger starts. It is put together while the isolate
 * starts, as only then code may be made from text, which Elysia does. */

/** How long the database may take to answer; the host lets a request wait no longer than some ten seconds. */
const REQUEST_TIMEOUT_MS = 5000;
/** From how long an answer is worth a warning: some round trips to a database on another continent. */
const SLOW_MS = 2000;
/** Requests of one isolate share its client, and none may wait for another one's to end. */
const CONCURRENCY = 100_000;
/** What one run of the trigger looks at: 100 times so many rows, at some four requests to the database each. */
const SWEEP_ROWS = 1000;
const SWEEPS_MAX = 100;

const config = parseEdgeConfig(env);
const log = createEdgeLog();
const store = createStore();
const limits = createCallerLimits(systemClock, config);
const app = createTracker({
  clock: systemClock,
  log,
  service: new AnnounceService(systemClock, systemRandom, store, { ...config, ...limits }),
  clientAddress: edgeAddress,
  rateLimit: limits.rateLimit,
  watch: new RequestWatch(log, systemStopwatch, systemRandom, { slowMs: SLOW_MS }),
  version: packageJson.version,
  adapter: CloudflareAdapter,
}).compile();

export default {
  fetch: (request: Request): Response | Promise<Response> => app.fetch(request),

  /** Brings the database up to date and clears away what expired. */
  async scheduled(): Promise<void> {
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

function createStore(): SelfMigratingStore {
  const { databaseUrl: url, databaseToken: authToken } = config;
  const client = createClient({
    url,
    ...(authToken === undefined ? {} : { authToken }),
    concurrency: CONCURRENCY,
    fetch: createDeadlineFetch(systemClock, REQUEST_TIMEOUT_MS),
  });
  const database = drizzle(client);
  const limits = { ...DEFAULT_LIMITS, peersPerNetworkMax: peersPerNetworkMaxOf(config) };
  const options = { ...SHARED_OPTIONS, lanes: undefined, limits };
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
