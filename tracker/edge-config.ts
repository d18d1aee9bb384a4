import { type Exposure, parseExposure } from "./exposure.ts";

/** What the tracker runs with as a Worker; its bindings have the names of the program's variables. */
export interface EdgeConfig extends Exposure {
  /** `libsql://…` or `http(s)://…`: there is no file. */
  readonly databaseUrl: string;
  readonly databaseToken: string | undefined;
  /** How often peers are asked to announce themselves, in seconds. */
  readonly intervalSeconds: number;
  /** How long after its last announce a peer is forgotten, in milliseconds. */
  readonly ttlMs: number;
}

const INTERVAL_SECONDS = 30;
const TTL_SECONDS = 120;
/** A week. */
const SECONDS_MAX = 7 * 24 * 60 * 60;

/** @param env the Worker's bindings
 * @throws {Error} naming the binding that is wrong; the host then refuses to start the Worker */
export function parseEdgeConfig(env: Readonly<Record<string, unknown>>): EdgeConfig {
  const { TRACKER_DB_URL: url, TRACKER_DB_TOKEN: token } = env;
  if (typeof url !== "string" || !/^(libsql|https?):\/\/./.test(url)) {
    throw new Error("TRACKER_DB_URL is neither libsql://… nor http(s)://…");
  }
  const intervalSeconds = parseSeconds("TRACKER_INTERVAL", env, INTERVAL_SECONDS);
  const ttlSeconds = parseSeconds("TRACKER_TTL", env, TTL_SECONDS);
  if (intervalSeconds >= ttlSeconds)
    throw new Error("TRACKER_INTERVAL must be shorter than TRACKER_TTL");
  return {
    databaseUrl: url,
    databaseToken: typeof token === "string" && token !== "" ? token : undefined,
    intervalSeconds,
    ttlMs: ttlSeconds * 1000,
    // Whoever calls an edge host is a stranger.
    ...parseExposure("::", {
      addressPolicy: parseText(env.TRACKER_ADDRESS_POLICY),
      rateLimit: parseText(env.TRACKER_RATE_LIMIT),
      trustProxy: parseText(env.TRACKER_TRUST_PROXY),
    }),
  };
}

function parseText(value: unknown): string | undefined {
  return value === undefined || value === "" ? undefined : String(value);
}

function parseSeconds(name: string, env: Readonly<Record<string, unknown>>, usual: number): number {
  const text = env[name];
  if (text === undefined || text === "") return usual;
  const seconds = /^[0-9]{1,6}$/.test(String(text)) ? Number(text) : Number.NaN;
  if (seconds >= 1 && seconds <= SECONDS_MAX) return seconds;
  throw new Error(`${name} is no number of seconds from 1 to ${SECONDS_MAX}`);
}
