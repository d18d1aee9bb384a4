import {
  configureSync,
  defaultTextFormatter,
  getLogger,
  jsonLinesFormatter,
  type Logger,
  type LogLevel,
} from "@logtape/logtape";

export interface LogOptions {
  readonly level: LogLevel;
  /** Text for people, or one JSON object a line. */
  readonly format: "text" | "json";
  /** Takes whole lines, each with its line end. */
  readonly write: (line: string) => void;
}

/** Sets up the process's log and gives its logger. */
export function createLog({ level, format, write }: LogOptions): Logger {
  const formatter = format === "json" ? jsonLinesFormatter : defaultTextFormatter;
  configureSync({
    reset: true,
    sinks: { out: (record) => write(formatter(record)) },
    loggers: [
      { category: "tracker", lowestLevel: level, sinks: ["out"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["out"] },
    ],
  });
  return getLogger("tracker");
}
