import { isAbsolute, join, resolve } from "node:path";
import {
  MEMORY_BYTES_DEFAULT,
  MEMORY_BYTES_MIN,
  PEERS_PER_SWARM_DEFAULT,
} from "../protocol/limits.ts";
import { TRANSPORT_MODES, type TransportMode } from "../protocol/session.ts";
import { parseByteSize } from "./config/byte-size.ts";
import { type ConfigFile, readConfigFile } from "./config/config-file.ts";
import { Given, type Variables } from "./config/given.ts";
import { type HostPort, isUnspecifiedHost, parseHostPort } from "./config/host-port.ts";
import type { FlagValues } from "./config/settings.ts";
import { parseTrackerUrl } from "./config/tracker-url.ts";
import { UsageError } from "./errors.ts";

export const LOG_LEVELS = ["error", "warn", "info", "debug", "trace"] as const;
export const LOG_FORMATS = ["text", "json"] as const;
export const PROGRESS_MODES = ["auto", "bar", "plain", "none"] as const;
export const COLOR_MODES = ["auto", "always", "never"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = (typeof LOG_FORMATS)[number];
export type ProgressMode = (typeof PROGRESS_MODES)[number];
export type ColorMode = (typeof COLOR_MODES)[number];

/** Most connections a torrent may be allowed: each may hold its share of buffers and one file descriptor. */
export const MAX_PEERS_LIMIT = 1000;
/** More has no use: a connection is asked for 16 MiB at most. */
const MAX_MEMORY_LIMIT = 4 * 1024 ** 3;
/** Asked when nothing else names a tracker: where the tracker of the same machine listens by default. */
export const TRACKER_DEFAULT = "http://localhost:5000";
/** Least rate a limit may ask for, in bytes a second: below it one block would take longer than its deadline. */
const RATE_MIN = 1024;

/** All that a peer's run can be told, read once at the start: flag, else variable, else config file, else default. */
export interface PeerConfig {
  /** Absolute path of what is served and resumed; two runs with one directory know the same torrents. */
  readonly dataDir: string;
  /** URLs from flag or variable, which replace those of a torrent; empty: the torrent's own are asked. */
  readonly trackers: readonly string[];
  /** URLs asked when neither the user nor the torrent names one; at least one. */
  readonly trackersFallback: readonly string[];
  /** Where connections are taken; port 0 is any free one, so that several peers run on one machine. */
  readonly listen: HostPort;
  /** What others are told to dial, for peers behind a forwarded port; absent: what the tracker sees. */
  readonly announce: HostPort | undefined;
  /** Peers dialled besides those the tracker names: works with no tracker at all. */
  readonly peers: readonly HostPort[];
  /** Bytes a second over all connections, received and sent; absent: no limit. */
  readonly limitDownBytesPerSecond: number | undefined;
  readonly limitUpBytesPerSecond: number | undefined;
  /** Connections a torrent, 1 to MAX_PEERS_LIMIT; bounds memory and descriptors. */
  readonly maxPeers: number;
  /** All buffers of the process together, in bytes: 64 MiB unless told otherwise. */
  readonly maxMemoryBytes: number;
  /** How connections are protected; both sides must say the same. */
  readonly transport: TransportMode;
  /** Least level that is logged. */
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** Absolute path that logs are appended to; absent: standard error. */
  readonly logFile: string | undefined;
  /** How progress is shown on standard error. */
  readonly progress: ProgressMode;
  /** Results as JSON lines on standard output, for programs. */
  readonly json: boolean;
  readonly color: ColorMode;
}

/** Where a config comes from. */
export interface ConfigSources {
  readonly flags: FlagValues;
  readonly variables: Variables;
  /** What relative paths start from, absolute. */
  readonly workingDirectory: string;
  /** The user's home directory, absolute. */
  readonly homeDirectory: string;
  /** The original's form `peer CONFIG.json`; takes the place of `--config`. */
  readonly configPath?: string | undefined;
}

/** @returns the config, frozen
 * @throws {UsageError} bad_flag, bad_config: naming the flag, variable or key that is wrong
 * @throws {NotFoundError} no_file: the config file named is not there */
export function loadConfig(sources: ConfigSources): PeerConfig {
  const given = new Given(sources.flags, sources.variables);
  const file = readFile(given, sources);
  return Object.freeze({
    dataDir: dataDirectory(given, file, sources),
    trackers: given.list("tracker", parseTrackerUrl, "an http or https URL"),
    trackersFallback: [file?.trackerUrl ?? TRACKER_DEFAULT],
    listen: listenAddress(given, file),
    announce: announceAddress(given),
    peers: given.list("peer", (text) => parseHostPort(text, 1), "HOST:PORT"),
    limitDownBytesPerSecond: rate(given, "limitDown"),
    limitUpBytesPerSecond: rate(given, "limitUp"),
    maxPeers:
      given.value("maxPeers", parsePeerCount, `1 to ${MAX_PEERS_LIMIT}`) ?? PEERS_PER_SWARM_DEFAULT,
    maxMemoryBytes:
      given.value("maxMemory", parseMemorySize, "a size from 24M to 4G") ?? MEMORY_BYTES_DEFAULT,
    transport: given.oneOf("transport", TRANSPORT_MODES) ?? "tls",
    logLevel: logLevel(given, sources.flags),
    logFormat: given.oneOf("logFormat", LOG_FORMATS) ?? "text",
    logFile: filePath(given, sources),
    progress: progressMode(given, sources.flags),
    json: given.isSwitchedOn("json"),
    color: colorMode(given, sources),
  });
}

/** @returns the trackers to ask for a torrent: the user's, else the torrent's own, else the fallback; never empty */
export function trackersFor(config: PeerConfig, ofTorrent: readonly string[]): readonly string[] {
  if (config.trackers.length > 0) return config.trackers;
  return ofTorrent.length > 0 ? ofTorrent : config.trackersFallback;
}

function readFile(given: Given, sources: ConfigSources): ConfigFile | undefined {
  const named = given.value("config", parsePath, "a file");
  if (sources.configPath !== undefined && sources.flags.config !== undefined) {
    throw new UsageError(
      "bad_flag",
      "Cannot use --config: a config is named as the argument already",
    );
  }
  const path = sources.configPath ?? named;
  return path === undefined ? undefined : readConfigFile(resolve(sources.workingDirectory, path));
}

function dataDirectory(given: Given, file: ConfigFile | undefined, sources: ConfigSources): string {
  const chosen = given.value("dataDir", parsePath, "a directory") ?? file?.service;
  if (chosen !== undefined) return resolve(sources.workingDirectory, chosen);
  const xdg = sources.variables.XDG_DATA_HOME;
  // The XDG specification asks for a relative path to be ignored.
  const base =
    xdg !== undefined && isAbsolute(xdg) ? xdg : join(sources.homeDirectory, ".local/share");
  return join(base, "peer");
}

function listenAddress(given: Given, file: ConfigFile | undefined): HostPort {
  const chosen = given.value(
    "listen",
    (text) => parseHostPort(text, 0),
    "HOST:PORT such as [::]:7000",
  );
  return Object.freeze(chosen ?? { host: file?.host ?? "::", port: file?.port ?? 0 });
}

function announceAddress(given: Given): HostPort | undefined {
  const parse = (text: string): HostPort | undefined => {
    const address = parseHostPort(text, 1);
    return address === undefined || isUnspecifiedHost(address.host) ? undefined : address;
  };
  return given.value("announce", parse, "HOST:PORT that others can dial");
}

function rate(given: Given, key: "limitDown" | "limitUp"): number | undefined {
  const parse = (text: string): number | "none" | undefined => {
    if (text === "none") return "none";
    const bytes = parseByteSize(text);
    return bytes === undefined || bytes < RATE_MIN ? undefined : bytes;
  };
  const chosen = given.value(key, parse, "a rate such as 500K or 10M, at least 1K, or none");
  return chosen === "none" ? undefined : chosen;
}

function parsePeerCount(text: string): number | undefined {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return count >= 1 && count <= MAX_PEERS_LIMIT ? count : undefined;
}

function parseMemorySize(text: string): number | undefined {
  const bytes = parseByteSize(text) ?? 0;
  return bytes >= MEMORY_BYTES_MIN && bytes <= MAX_MEMORY_LIMIT ? bytes : undefined;
}

function parsePath(text: string): string | undefined {
  return text.length >= 1 && text.length <= 4096 && !text.includes("\0") ? text : undefined;
}

function logLevel(given: Given, flags: FlagValues): LogLevel {
  if (flags.quiet && flags.verbose !== undefined) {
    throw new UsageError(
      "bad_flag",
      "Cannot use -q and -v together: one asks for less, one for more",
    );
  }
  const chosen = given.oneOf("logLevel", LOG_LEVELS);
  if (flags.logLevel !== undefined && chosen !== undefined) return chosen;
  if (flags.quiet) return "warn";
  if (flags.verbose !== undefined) return flags.verbose === 1 ? "debug" : "trace";
  return chosen ?? "info";
}

function filePath(given: Given, sources: ConfigSources): string | undefined {
  const path = given.value("logFile", parsePath, "a file");
  return path === undefined ? undefined : resolve(sources.workingDirectory, path);
}

function progressMode(given: Given, flags: FlagValues): ProgressMode {
  const chosen = given.oneOf("progress", PROGRESS_MODES);
  return flags.quiet && flags.progress === undefined ? "none" : (chosen ?? "auto");
}

/** The variables are those of no-color.org and bixense.com/clicolors. */
function colorMode(given: Given, { variables }: ConfigSources): ColorMode {
  const chosen = given.oneOf("color", COLOR_MODES);
  if (chosen !== undefined) return chosen;
  if (variables.NO_COLOR) return "never";
  return variables.CLICOLOR_FORCE && variables.CLICOLOR_FORCE !== "0" ? "always" : "auto";
}
