import type { Logger, LogRecord } from "@logtape/logtape";
import { LOG_LEVELS, type LogFormat, type LogLevel } from "./config.ts";
import { escapeUnprintable, printable } from "./printable.ts";

/** What a log line says beside its message; strings may come from strangers. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A logger as it is handed down; error: someone must act; warn: degraded; info: a transfer's life; debug: per peer;
 * trace: per message. */
export interface Log {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  trace(message: string, fields?: LogFields): void;
  /** @returns a log whose lines all carry the fields too, such as `{ peer }` */
  child(fields: LogFields): Log;
  /** @returns whether such a line would be written: for fields that cost something to make */
  isEnabled(level: LogLevel): boolean;
}

export interface LogOptions {
  /** Least level written. */
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Takes each line, without its line end, fit to be shown; never standard output. */
  readonly writeLine: (line: string) => void;
}

const TO_LIBRARY = {
  error: "error",
  warn: "warning",
  info: "info",
  debug: "debug",
  trace: "trace",
} as const satisfies Record<LogLevel, LogRecord["level"]>;

/** @returns the process's log: the library keeps one configuration, which is that of the log that wrote its first line last */
export function createLog(options: LogOptions): Log {
  let library: Logger | undefined;
  return toLog(LOG_LEVELS.indexOf(options.level), () => {
    library ??= configure(options);
    return library;
  });
}

/** @param rank of the least level written, among LOG_LEVELS
 * @param logger asked for with the first line that is written */
function toLog(rank: number, logger: () => Logger): Log {
  const isEnabled = (level: LogLevel) => LOG_LEVELS.indexOf(level) <= rank;
  const to = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (isEnabled(level)) logger()[level](message, fields);
  };
  return {
    error: to("error"),
    warn: to("warn"),
    info: to("info"),
    debug: to("debug"),
    trace: to("trace"),
    child: (fields) => toLog(rank, () => logger().with(fields)),
    isEnabled,
  };
}

function configure({ level, format, writeLine }: LogOptions): Logger {
  // Loaded with the first line: most runs write none, and 5 ms of a start from source are not nothing.
  const library: typeof import("@logtape/logtape") = require("@logtape/logtape");
  const toLine = format === "json" ? formatJson : formatText;
  library.configureSync({
    reset: true,
    sinks: { lines: (record) => writeLine(toLine(record)) },
    loggers: [
      { category: ["peer"], sinks: ["lines"], lowestLevel: TO_LIBRARY[level] },
      { category: ["logtape", "meta"], sinks: ["lines"], lowestLevel: "error" },
    ],
  });
  return library.getLogger(["peer"]);
}

function formatText(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString().slice(11, 23);
  const level = nameOf(record).toUpperCase().padEnd(5);
  const fields = Object.entries(record.properties).map(
    ([key, value]) => ` ${key}=${quoted(value)}`,
  );
  return `${time} ${level} ${messageOf(record)}${fields.join("")}`;
}

/** A value with blanks or quotes in it is quoted, so that a stranger's text cannot pose as another field. */
function quoted(value: unknown): string {
  const text = printable(toText(value));
  return typeof value === "string" && !/^[^\s"=]+$/.test(text) ? JSON.stringify(text) : text;
}

function formatJson(record: LogRecord): string {
  const fields = Object.entries(record.properties).map(([key, value]) => [key, toJson(value)]);
  return escapeUnprintable(
    JSON.stringify({
      ...Object.fromEntries(fields),
      time: new Date(record.timestamp).toISOString(),
      level: nameOf(record),
      message: messageOf(record),
    }),
  );
}

function messageOf({ rawMessage, message }: LogRecord): string {
  return printable(typeof rawMessage === "string" ? rawMessage : message.map(String).join(""));
}

function nameOf(record: LogRecord): string {
  return record.level === "warning" ? "warn" : record.level;
}

function toJson(value: unknown): unknown {
  return typeof value === "number" || typeof value === "boolean" ? value : printable(toText(value));
}

function toText(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return String(value);
}
