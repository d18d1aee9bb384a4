import type { Clock } from "../clock.ts";
import type { PeerConfig } from "../config.ts";
import { BarView } from "./bar.ts";
import { ErrorsView } from "./errors-view.ts";
import { PIPE_HINTS } from "./exit-codes.ts";
import { JsonView } from "./json.ts";
import type { LineOutput, Output } from "./output.ts";
import { createPaint } from "./paint.ts";
import { PlainView } from "./plain.ts";
import { Report } from "./report.ts";
import { ResultsView } from "./results.ts";
import type { Screen } from "./screen.ts";
import type { View } from "./view.ts";

/** What decides how a run is shown. */
export interface ReportConfig extends Pick<PeerConfig, "progress" | "json" | "color"> {
  /** Standard output carries a file's bytes: results go to standard error, JSON lines too. */
  readonly isPiped?: boolean;
}

/** @returns a report on standard output and standard error as the user wished it */
export function createReport(
  clock: Pick<Clock, "monotonic" | "sleep">,
  streams: { readonly output: Output; readonly screen: Screen },
  config: ReportConfig,
): Report {
  const { output, screen } = streams;
  const paint = createPaint(config.color, screen.isTerminal);
  const lines = config.isPiped ? toLines(screen) : output;
  const results = config.json ? new JsonView(lines) : new ResultsView(lines);
  // An error that is told in JSON on standard error is not told there twice.
  const errors = config.isPiped && config.json ? [] : [new ErrorsView(screen, paint)];
  // Progress comes first: a bar ends before a result or an error is printed below it.
  const views: readonly View[] = [...progressViews(screen, config), results, ...errors];
  return new Report(clock, views, config.isPiped ? PIPE_HINTS : {});
}

function toLines(screen: Screen): LineOutput {
  return { line: (line) => screen.print(line), pendingChars: 0 };
}

function progressViews(screen: Screen, config: ReportConfig): readonly View[] {
  switch (modeOf(screen, config)) {
    case "bar":
      return [new BarView(screen, createPaint(config.color, screen.isTerminal))];
    case "plain":
      return [new PlainView(screen)];
    case "none":
      return [];
  }
}

/** A bar needs a terminal that can move its cursor, whatever was asked for. */
function modeOf(screen: Screen, { progress, json }: ReportConfig): "bar" | "plain" | "none" {
  if (progress === "none" || progress === "plain") return progress;
  if (json && progress === "auto") return "none";
  return screen.isTerminal && !json ? "bar" : "plain";
}
