import { homedir } from "node:os";
import { join } from "node:path";
import { isLogLevel, type LogLevel } from "@logtape/logtape";
import { Command, CommanderError } from "commander";
import { usage } from "./errors.ts";
import { type Exposure, parseExposure } from "./exposure.ts";

/** What the tracker runs with; read once, at the start. */
export interface TrackerConfig extends Exposure {
  /** Where it listens: a name or IP literal, IPv6 without brackets. */
  readonly host: string;
  /** 0 to 65535; 0 lets the system choose. */
  readonly port: number;
  /** `:memory:`, or a libSQL URL. */
  readonly databaseUrl: string;
  /** For a remote database; from the environment only, since a command line is there for all to read. */
  readonly databaseToken: string | undefined;
  /** A directory to make for the database when it is missing; undefined when the user named the database. */
  readonly dataDirectory: string | undefined;
  /** How often peers are asked to announce themselves, in seconds. */
  readonly intervalSeconds: number;
  /** How long after its last announce a peer is forgotten, in milliseconds. */
  readonly ttlMs: number;
  /** From how long an answer or a commit is worth a warning, in milliseconds. */
  readonly slowMs: number;
  readonly logLevel: LogLevel;
  /** Text for people, or one JSON object a line. */
  readonly logFormat: "text" | "json";
}

/** What the command line asks for. */
export type TrackerCommand =
  | { readonly type: "print"; readonly text: string }
  | { readonly type: "serve"; readonly config: TrackerConfig };

/** What the configuration is read from. */
export interface Surroundings {
  /** Arguments after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether standard error is a terminal. */
  readonly isTerminal: boolean;
  /** As in package.json. */
  readonly version: string;
}

const INTERVAL_MS = 30_000;
const TTL_MS = 120_000;
const SLOW_MS = 250;
/** Longest interval and TTL: a week. */
const DURATION_MS_MAX = 7 * 24 * 60 * 60 * 1000;
const DATABASE_URL = /^(:memory:$|file:.|(libsql|https?):\/\/.)/;

type Flags = Readonly<Partial<Record<FlagName, string>>>;
type FlagName =
  | ("host" | "port" | "db" | "interval" | "ttl" | "logLevel" | "logFormat")
  | ("addressPolicy" | "rateLimit" | "trustProxy" | "slowQuery");

/** Reads the command line and the environment: flag > variable > default.
 * @throws {FatalError} usage, naming the flag or variable that is wrong */
export function parseTrackerCommand(surroundings: Surroundings): TrackerCommand {
  const program = createProgram(surroundings.version);
  const [first] = surroundings.argv;
  if (first === "help") return { type: "print", text: program.helpInformation() };
  if (first === "version") return { type: "print", text: `${surroundings.version}\n` };
  let printed = "";
  program.configureOutput({ writeOut: (text) => (printed += text), writeErr: () => {} });
  try {
    program.parse([...surroundings.argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { type: "print", text: printed };
    throw usage(error.message.replace(/^error: /, ""));
  }
  return { type: "serve", config: toConfig(readFlags(program), surroundings) };
}

function createProgram(version: string): Command {
  return new Command("tracker")
    .description("Introduces peers that have a file to peers that want it")
    .usage("[options] [HOST PORT]\n       tracker check URL\n       tracker help | version")
    .argument("[host]", "where to listen (default: localhost)")
    .argument("[port]", "0 for any (default: 5000)")
    .option("--host <host>", "the same as a flag (TRACKER_HOST)")
    .option("--port <port>", "the same as a flag (TRACKER_PORT, PORT)")
    .option(
      "--db <url>",
      "file:PATH, libsql://…, http(s)://… or :memory: (TRACKER_DB_URL, TRACKER_DB_TOKEN)",
    )
    .option(
      "--interval <time>",
      "how often peers announce themselves (TRACKER_INTERVAL, default: 30s)",
    )
    .option("--ttl <time>", "how long a silent peer is kept (TRACKER_TTL, default: 120s)")
    .option(
      "--address-policy <policy>",
      "source, lan or compat: which addresses peers are known by (TRACKER_ADDRESS_POLICY, " +
        "default: source, lan on a private address, compat on localhost)",
    )
    .option(
      "--rate-limit <n>",
      "requests a second that one network may make, 0 for any (TRACKER_RATE_LIMIT, default: 20)",
    )
    .option(
      "--trust-proxy <ranges>",
      "CIDR,…: proxies whose X-Forwarded-For is believed (TRACKER_TRUST_PROXY, default: none)",
    )
    .option(
      "--slow-query <time>",
      "warn of answers and commits that take so long (TRACKER_SLOW_QUERY, default: 250ms)",
    )
    .option(
      "--log-level <level>",
      "trace, debug, info, warning or error (TRACKER_LOG_LEVEL, default: info)",
    )
    .option(
      "--log-format <format>",
      "text or json (TRACKER_LOG_FORMAT, default: text on a terminal)",
    )
    .version(version, "-V, --version")
    .allowExcessArguments(false)
    .exitOverride();
}

/** Joins `HOST PORT` with the flags of the same meaning. */
function readFlags(program: Command): Flags {
  const flags = program.opts<Flags>();
  const [host, port] = program.args;
  if (host === undefined) return flags;
  if (port === undefined) throw usage("HOST and PORT go together: one of them is missing");
  if (flags.host !== undefined || flags.port !== undefined) {
    throw usage("HOST and PORT are given twice: as arguments and as flags");
  }
  return { ...flags, host, port };
}

function toConfig(flags: Flags, { env, isTerminal }: Surroundings): TrackerConfig {
  const read = (flag: string | undefined, ...names: readonly string[]): string | undefined =>
    flag ?? names.map((name) => env[name]).find((value) => value !== undefined && value !== "");
  const databaseUrl = read(flags.db, "TRACKER_DB_URL");
  const dataDirectory = databaseUrl === undefined ? defaultDataDirectory(env) : undefined;
  const host = parseHost(read(flags.host, "TRACKER_HOST") ?? "localhost");
  return Object.freeze({
    host,
    port: parsePort(read(flags.port, "TRACKER_PORT", "PORT") ?? "5000"),
    databaseUrl: parseDatabaseUrl(databaseUrl ?? `file:${join(dataDirectory ?? "", "tracker.db")}`),
    databaseToken: read(undefined, "TRACKER_DB_TOKEN"),
    dataDirectory,
    ...parseTimes(read(flags.interval, "TRACKER_INTERVAL"), read(flags.ttl, "TRACKER_TTL")),
    ...parseExposure(host, {
      addressPolicy: read(flags.addressPolicy, "TRACKER_ADDRESS_POLICY"),
      rateLimit: read(flags.rateLimit, "TRACKER_RATE_LIMIT"),
      trustProxy: read(flags.trustProxy, "TRACKER_TRUST_PROXY"),
    }),
    slowMs: parseSlow(read(flags.slowQuery, "TRACKER_SLOW_QUERY")),
    logLevel: parseLogLevel(read(flags.logLevel, "TRACKER_LOG_LEVEL") ?? "info"),
    logFormat: parseLogFormat(
      read(flags.logFormat, "TRACKER_LOG_FORMAT") ?? (isTerminal ? "text" : "json"),
    ),
  });
}

function defaultDataDirectory(env: Surroundings["env"]): string {
  const base = env.XDG_DATA_HOME;
  // The XDG rules: a relative path is to be ignored.
  if (base?.startsWith("/")) return join(base, "tracker");
  return join(env.HOME || homedir(), ".local", "share", "tracker");
}

function parseHost(text: string): string {
  const host = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  if (!/^[A-Za-z0-9_.:-]+$/.test(host)) throw usage("HOST is no host name or address");
  return host;
}

function parsePort(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw usage("PORT is no number from 0 to 65535");
  return port;
}

function parseDatabaseUrl(text: string): string {
  if (DATABASE_URL.test(text)) return text;
  throw usage("--db is none of :memory:, file:PATH, libsql://…, http(s)://…");
}

function parseTimes(
  interval: string | undefined,
  ttl: string | undefined,
): Pick<TrackerConfig, "intervalSeconds" | "ttlMs"> {
  const ttlMs = ttl === undefined ? TTL_MS : parseDuration("--ttl", ttl);
  // With a short TTL alone, the usual interval would lose every peer between two of its announces.
  const intervalMs =
    interval === undefined
      ? Math.min(INTERVAL_MS, ttlMs / 4)
      : parseDuration("--interval", interval);
  if (intervalMs >= ttlMs) throw usage("--interval must be shorter than --ttl");
  return { intervalSeconds: intervalMs / 1000, ttlMs };
}

function parseSlow(text: string | undefined): number {
  return text === undefined ? SLOW_MS : parseDuration("--slow-query", text);
}

const UNIT_MS: Readonly<Record<string, number>> = {
  "": 1000,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** `90`, `90s`, `500ms`, `2m`, `1h`: a bare number is seconds. */
function parseDuration(flag: string, text: string): number {
  const [, digits, unit = ""] = /^([0-9]{1,9})(ms|s|m|h)?$/.exec(text) ?? [];
  const ms = Number(digits) * (UNIT_MS[unit] ?? Number.NaN);
  if (!(ms >= 1 && ms <= DURATION_MS_MAX)) throw usage(`${flag} is no time like 30s, 2m or 1h`);
  return ms;
}

function parseLogLevel(text: string): LogLevel {
  const level = text === "warn" ? "warning" : text;
  if (isLogLevel(level)) return level;
  throw usage("--log-level is none of trace, debug, info, warning, error");
}

function parseLogFormat(text: string): "text" | "json" {
  if (text === "text" || text === "json") return text;
  throw usage("--log-format is neither text nor json");
}
