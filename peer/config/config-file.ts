import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { TorrentError } from "../../protocol/errors.ts";
import { scanJson } from "../../protocol/json-scan.ts";
import { NotFoundError, UsageError } from "../errors.ts";
import { parseHost, parsePort } from "./host-port.ts";
import { parseTrackerUrl } from "./tracker-url.ts";

/** The original program's config: a flat JSON object with at most these five keys. */

/** Largest config file read, in bytes. */
export const CONFIG_BYTES_MAX = 64 * 1024;

/** The port of the original's tracker, when the file names a host only. */
const TRACKER_PORT_DEFAULT = 5000;
const SERVICE_CHARS_MAX = 4096;

const KEYS = ["self.service", "self.host", "self.port", "tracker.host", "tracker.port"] as const;
type Key = (typeof KEYS)[number];

/** What the file says; each field is absent when its keys are. */
export interface ConfigFile {
  /** The data directory, relative to the working directory unless absolute. */
  readonly service: string | undefined;
  /** Where to listen: a name or an address without brackets. */
  readonly host: string | undefined;
  /** 0 to 65535; 0 means any free port. */
  readonly port: number | undefined;
  /** An http or https URL without a slash at its end. */
  readonly trackerUrl: string | undefined;
}

/** Reads the file at exactly this path; there is no search for one.
 * @throws {NotFoundError} no_file
 * @throws {UsageError} bad_config: no regular file, too large, unreadable, or what `parseConfigFile` refuses */
export function readConfigFile(path: string): ConfigFile {
  return parseConfigFile(readBounded(path), path);
}

/** @param bytes UTF-8 JSON; a byte order mark is accepted
 * @param path only for messages
 * @throws {UsageError} bad_config, naming the key that is unknown or wrong */
export function parseConfigFile(bytes: Uint8Array, path: string): ConfigFile {
  if (bytes.length > CONFIG_BYTES_MAX) throw tooLarge(path);
  const values = parseKeys(bytes, path);
  return {
    service: parseService(values.get("self.service"), path),
    host: parseSelfHost(values.get("self.host"), path),
    port: parseKeyPort(values, "self.port", path),
    trackerUrl: parseTracker(values, path),
  };
}

function readBounded(path: string): Uint8Array {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    throw cannotOpen(path, cause);
  }
  try {
    if (!fstatSync(file).isFile()) throw refuse(path, "it is no regular file");
    // One byte more than allowed is read, so that a file that grows meanwhile is seen too.
    const buffer = new Uint8Array(CONFIG_BYTES_MAX + 1);
    let filled = 0;
    for (let read = -1; read !== 0 && filled < buffer.length; filled += read) {
      read = readSync(file, buffer, filled, buffer.length - filled, filled);
    }
    return buffer.subarray(0, filled);
  } finally {
    closeSync(file);
  }
}

function cannotOpen(path: string, cause: unknown): NotFoundError | UsageError {
  const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
  if (!isMissing) return refuse(path, "it cannot be opened", cause);
  return new NotFoundError("no_file", `Cannot read config ${path}: no such file`, { cause });
}

function parseKeys(bytes: Uint8Array, path: string): ReadonlyMap<Key, unknown> {
  const root = parseJson(bytes, path);
  if (typeof root !== "object" || root === null || Array.isArray(root)) {
    throw refuse(path, "it is no JSON object");
  }
  const values = new Map<Key, unknown>();
  for (const [name, value] of Object.entries(root)) {
    const key = KEYS.find((known) => known === name);
    if (key === undefined) {
      throw refuse(path, `unknown key "${name}", expected only ${KEYS.join(", ")}`);
    }
    values.set(key, value);
  }
  return values;
}

function parseJson(bytes: Uint8Array, path: string): unknown {
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const content = hasMark ? bytes.subarray(3) : bytes;
  try {
    scanJson(content, { depthMax: 1, valuesMax: CONFIG_BYTES_MAX });
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content));
  } catch (cause) {
    throw refuse(path, jsonFault(cause), cause);
  }
}

function jsonFault(error: unknown): string {
  if (error instanceof TorrentError && error.code === "duplicate_key") return "a key comes twice";
  if (error instanceof TorrentError && error.code === "too_deep")
    return "a value is no plain value";
  return "it is no JSON in UTF-8";
}

function parseService(value: unknown, path: string): string | undefined {
  if (value === undefined) return undefined;
  const isUsable =
    typeof value === "string" &&
    value.length >= 1 &&
    value.length <= SERVICE_CHARS_MAX &&
    !value.includes("\0");
  if (!isUsable) throw wrong(path, "self.service", value, "a directory");
  return value;
}

function parseSelfHost(value: unknown, path: string): string | undefined {
  if (value === undefined) return undefined;
  const host = typeof value === "string" ? parseHost(value) : undefined;
  if (host === undefined) throw wrong(path, "self.host", value, "a host name or an IP address");
  return host;
}

function parseKeyPort(
  values: ReadonlyMap<Key, unknown>,
  key: "self.port" | "tracker.port",
  path: string,
): number | undefined {
  const value = values.get(key);
  if (value === undefined) return undefined;
  const min = key === "self.port" ? 0 : 1;
  const port = parsePort(value, min);
  if (port === undefined) throw wrong(path, key, value, `a port from ${min} to 65535`);
  return port;
}

function parseTracker(values: ReadonlyMap<Key, unknown>, path: string): string | undefined {
  const named = values.get("tracker.host");
  const port = parseKeyPort(values, "tracker.port", path);
  if (named === undefined && port === undefined) return undefined;
  const host = named ?? "localhost";
  const parsed = typeof host === "string" ? parseTrackerUrl(withScheme(host)) : undefined;
  if (parsed === undefined || typeof host !== "string") {
    throw wrong(path, "tracker.host", named, "a host, or an http or https URL");
  }
  const url = new URL(parsed);
  if (port !== undefined && url.port !== "" && Number(url.port) !== port) {
    throw wrong(path, "tracker.port", port, `the port of tracker.host, which is ${url.port}`);
  }
  if (port !== undefined) url.port = String(port);
  else if (url.port === "" && !hasScheme(host)) url.port = String(TRACKER_PORT_DEFAULT);
  return url.href.replace(/\/+$/, "");
}

function hasScheme(host: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(host);
}

function withScheme(host: string): string {
  if (hasScheme(host)) return host;
  const bare = parseHost(host);
  return `http://${bare?.includes(":") ? `[${bare}]` : host}`;
}

function wrong(path: string, key: Key, value: unknown, wished: string): UsageError {
  return refuse(path, `${key} is ${shown(value)}, expected ${wished}`);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 100);
}

function tooLarge(path: string): UsageError {
  return refuse(path, `it is larger than ${CONFIG_BYTES_MAX} bytes`);
}

function refuse(path: string, state: string, cause?: unknown): UsageError {
  return new UsageError("bad_config", `Cannot read config ${path}: ${state}`, { cause });
}
