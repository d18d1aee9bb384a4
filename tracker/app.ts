import type { Logger } from "@logtape/logtape";
import { Elysia } from "elysia";
import type { ElysiaAdapter } from "elysia/adapter";
import { REQUEST_BYTES_MAX } from "../protocol/announce-limits.ts";
import { announceRoutes } from "./announce/routes.ts";
import type { AnnounceService } from "./announce/service.ts";
import { type ClientAddress, rememberLast } from "./client-address.ts";
import type { Clock } from "./clock.ts";
import type { Metrics } from "./metrics.ts";
import { metricsRoute } from "./metrics-route.ts";
import { openApiRoute } from "./openapi.ts";
import { Live } from "./page/live.ts";
import { pageRoutes, readNews } from "./page/routes.ts";
import type { RateLimit } from "./rate-limit.ts";
import { toRefusal } from "./refusal.ts";
import type { RequestWatch } from "./request-watch.ts";

export interface TrackerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly service: AnnounceService;
  readonly clientAddress: ClientAddress;
  /** How many requests a network may make; undefined for any number. */
  readonly rateLimit: RateLimit | undefined;
  readonly watch: RequestWatch;
  /** What `GET /metrics` shows; absent: there is no such call. */
  readonly metrics?: Metrics | undefined;
  /** As in package.json. */
  readonly version: string;
  /** Lets the page for people hear what happens as it happens, until this aborts; undefined where nothing can run between two
   * requests. */
  readonly liveUntil?: AbortSignal;
  /** What Elysia runs on, when that is not Bun. */
  readonly adapter?: ElysiaAdapter;
}

/** A connection that says nothing for so long is closed. */
const IDLE_SECONDS_MAX = 10;

/** Makes the tracker's HTTP API, not yet listening: `handle(request)` answers, `listen()` opens a port. */
export function createTracker(deps: TrackerDeps) {
  const { clock, log, service, rateLimit, watch, metrics, version } = deps;
  const clientAddress = rememberLast(deps.clientAddress);
  const { adapter, liveUntil } = deps;
  let startedAt = clock.monotonic();
  const { activity } = service;
  const figures = async () => {
    // An edge host's clock stands at zero until there is a request.
    if (adapter !== undefined) startedAt ||= clock.monotonic();
    return {
      ...(await service.totals()),
      announces: activity.total,
      announcesPerSecond: activity.perSecond(),
      uptimeSeconds: Math.floor((clock.monotonic() - startedAt) / 1000),
      version,
    };
  };
  const read = () => readNews({ figures, activity });
  const live = liveUntil && new Live(clock, log, read, { signal: liveUntil });
  return (
    new Elysia({
      ...(adapter === undefined ? {} : { adapter }),
      serve: {
        maxRequestBodySize: REQUEST_BYTES_MAX,
        idleTimeout: IDLE_SECONDS_MAX,
        // Elysia's default lets a second tracker take half of the connections of the first instead of failing.
        reusePort: false,
      },
    })
      .headers({ "x-content-type-options": "nosniff" })
      .use(watch.plugin())
      .onError(({ code, error, set }) => {
        const refusal = toRefusal(code, error);
        set.status = refusal.status;
        Object.assign(set.headers, refusal.headers);
        return refusal.body;
      })
      .onRequest(({ request, server }) => rateLimit?.check(clientAddress(request, server)))
      // A function: a text would be looked up by a path that the framework misreads for hosts of three letters, and an edge host
      // lets nobody make a response before there is a request.
      .get("/ready", ({ set }) => {
        set.headers["content-type"] = "text/plain;charset=utf-8";
        return "I am ready";
      })
      .get("/stats", figures)
      .use(pageRoutes({ figures, activity, live }))
      .use(metricsRoute(service, metrics))
      .use(openApiRoute({ version, hasMetrics: metrics !== undefined }))
      .use(announceRoutes(service, clientAddress, watch.meter))
  );
}
