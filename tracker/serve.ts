import { mkdir } from "node:fs/promises";
import type { Logger } from "@logtape/logtape";
import { AnnounceService } from "./announce/service.ts";
import { createTracker, type TrackerDeps } from "./app.ts";
import { createCallerLimits, peersPerNetworkMaxOf } from "./caller-limits.ts";
import { systemClock, systemRandom, systemStopwatch } from "./clock.ts";
import type { TrackerConfig } from "./config.ts";
import { FatalError } from "./errors.ts";
import { createForwardedAddress, createProxyTrust } from "./forwarded-address.ts";
import { collectEvery } from "./garbage.ts";
import { Metrics, type ProcessUse } from "./metrics.ts";
import { RequestWatch } from "./request-watch.ts";
import { openSwarmStore } from "./swarm-store/open.ts";
import type { SwarmStore } from "./swarm-store/store.ts";
import { sweepForever } from "./sweep.ts";

export interface ServeOptions {
  readonly version: string;
  /** Ends serving, in order: no new connection, requests under way answered, store closed. */
  readonly signal: AbortSignal;
  /** Called once, when requests are taken.
   * @param url with the real port */
  readonly onReady: (url: string) => void;
}

/** How long a stopping tracker waits for the requests under way. */
const STOP_TIMEOUT_MS = 5000;
const ANSWERS_PER_COLLECTION = 2500;

/** Runs a tracker until told to stop.
 * @throws {FatalError} io, busy, usage: when it cannot start */
export async function serve(
  log: Logger,
  config: TrackerConfig,
  { version, signal, onReady }: ServeOptions,
): Promise<void> {
  if (config.dataDirectory !== undefined) await makeDirectory(config.dataDirectory);
  const metrics = createMetrics(version);
  const watch = new RequestWatch(log, systemStopwatch, systemRandom, {
    slowMs: config.slowMs,
    meter: metrics,
    onAnswered: collectEvery(ANSWERS_PER_COLLECTION),
    ...(config.trustedProxies.length > 0 && { mayName: createProxyTrust(config.trustedProxies) }),
  });
  await using store = await openSwarmStore(systemClock, systemRandom, {
    url: config.databaseUrl,
    token: config.databaseToken,
    signal,
    limits: {
      lifetimeMsMax: 2 * config.ttlMs,
      peersPerNetworkMax: peersPerNetworkMaxOf(config),
    },
    timeCommit: watch.timeCommit,
  });
  const app = createApp(log, store, { config, version, watch, metrics, signal });
  if (config.isPublic && config.addressPolicy !== "source") {
    const said =
      "Strangers can reach this tracker and have its peers call any address that they name";
    log.warn(`${said}; unless you mean that: --address-policy source`);
  }
  const { stop, url } = listen(app, config);
  const sweeping = sweepForever(systemClock, log, store, { signal });
  onReady(url);
  log.debug("Ready", { url, version });
  await aborted(signal);
  log.info("Stopping");
  await stop();
  await sweeping;
}

type App = ReturnType<typeof createTracker>;

interface AppOptions extends Pick<TrackerDeps, "version" | "watch" | "metrics"> {
  readonly config: TrackerConfig;
  readonly signal: AbortSignal;
}

function createMetrics(version: string): Metrics {
  const processUse = (): ProcessUse => {
    const { user, system } = process.cpuUsage();
    return { memoryBytes: process.memoryUsage.rss(), cpuSeconds: (user + system) / 1e6 };
  };
  return new Metrics({ version, startedAt: systemClock.now(), processUse });
}

function createApp(
  log: Logger,
  store: SwarmStore,
  { config, signal: liveUntil, ...given }: AppOptions,
): App {
  const limits = createCallerLimits(systemClock, config);
  const service = new AnnounceService(systemClock, systemRandom, store, { ...config, ...limits });
  const clientAddress = createForwardedAddress(log, config.trustedProxies);
  const deps = { clock: systemClock, log, service, clientAddress, ...limits, ...given };
  return createTracker({ ...deps, liveUntil });
}

function listen(
  app: App,
  { host, port }: TrackerConfig,
): { readonly url: string; readonly stop: () => Promise<void> } {
  try {
    app.listen({ hostname: host, port });
  } catch (cause) {
    throw toFatal(cause, `${host} ${port}`);
  }
  const { server } = app;
  if (server === null)
    throw new FatalError("error", "Cannot listen: no server", { hint: "tell us" });
  const shownHost = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${shownHost}:${server.port}`,
    stop: async () => {
      const timeout = new AbortController();
      const late = systemClock.sleep(STOP_TIMEOUT_MS, { signal: timeout.signal });
      await Promise.race([server.stop(false), late]);
      timeout.abort();
      await server.stop(true);
    },
  };
}

function toFatal(cause: unknown, place: string): FatalError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
  switch (code) {
    case "EADDRINUSE":
      return new FatalError("busy", `Cannot listen on ${place}: the port is in use`, {
        cause,
        hint: "stop what listens there, or name another port",
      });
    case "EACCES":
      return new FatalError("io", `Cannot listen on ${place}: permission denied`, {
        cause,
        hint: "name a port of 1024 or above",
      });
    default:
      return new FatalError("usage", `Cannot listen on ${place}: ${code}`, {
        cause,
        hint: "name a host that is an address of this machine",
      });
  }
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw noDirectory(path, cause);
  }
}

function noDirectory(path: string, cause: unknown): FatalError {
  return new FatalError("io", `Cannot make the data directory: ${path}`, {
    cause,
    hint: "set XDG_DATA_HOME, or name a database with --db",
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
