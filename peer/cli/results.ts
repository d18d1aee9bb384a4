import type { OutputEvent } from "../events.ts";
import { printable } from "../printable.ts";
import type { LineOutput } from "./output.ts";
import { formatBytes, percentDone } from "./quantity.ts";
import type { View } from "./view.ts";

type EventOf<Name extends OutputEvent["type"]> = Extract<OutputEvent, { type: Name }>;

/** Runs of bad parts named in a line; the rest are counted. */
const RUNS_SHOWN_MAX = 20;
const NAMELESS = "(no name)";

/** What a verb found or made, as text. */
export class ResultsView implements View {
  readonly #output: LineOutput;

  constructor(output: LineOutput) {
    this.#output = output;
  }

  show(event: OutputEvent): void {
    for (const line of toLines(event)) this.#output.line(line);
  }
}

function toLines(event: OutputEvent): readonly string[] {
  switch (event.type) {
    case "uploaded":
      return [
        "SUCCESSFUL UPLOAD",
        ...(event.next === undefined ? [] : [printable(event.next, 1000)]),
      ];
    case "downloaded":
      return ["SUCCESSFUL DOWNLOAD"];
    case "listed":
      return [listedLine(event)];
    case "inspected":
      return inspectedLines(event);
    case "verified":
      return [verifiedLine(event)];
    case "removed":
      return [removedLine(event)];
    case "version":
      return [`peer ${event.version} (bun ${event.bun})`];
    case "help":
      return [event.text.trimEnd()];
    default:
      return [];
  }
}

function listedLine(event: EventOf<"listed">): string {
  const done =
    event.bytesDone === undefined ? "?" : String(percentDone(event.bytesDone, event.size));
  const size = formatBytes(event.size).padStart(10);
  const name = printable(event.name ?? event.file);
  return `${event.hash}  ${done.padStart(3)} %  ${size}  ${printable(event.state)}  ${name}`;
}

function inspectedLines(event: EventOf<"inspected">): readonly string[] {
  const rows: readonly (readonly [string, string])[] = [
    ["name", printable(event.name ?? NAMELESS)],
    ["size", `${event.size} bytes (${formatBytes(event.size)})`],
    ["parts", `${event.parts} of ${event.partSize} bytes`],
    ["algorithm", event.algorithm],
    ["hash", event.hash],
    ["digest", event.digest],
    ...event.trackers.map((url): readonly [string, string] => ["tracker", printable(url)]),
    ["created", printable(event.created ?? "unknown")],
  ];
  return rows.map(([label, value]) => `${label.padEnd(10)}${value}`);
}

function verifiedLine(event: EventOf<"verified">): string {
  const file = printable(event.file);
  if (event.complete) return `${file}: complete, ${event.parts} of ${event.parts} parts are right`;
  const bad = `bad: ${formatRuns(event.badParts)}`;
  return `${file}: ${event.partsGood} of ${event.parts} parts are right, ${bad}`;
}

/** @returns `3, 7-9, 12 and 4 more runs` */
export function formatRuns(
  runs: readonly { readonly first: number; readonly count: number }[],
): string {
  const shown = runs
    .slice(0, RUNS_SHOWN_MAX)
    .map(({ first, count }) => (count === 1 ? `${first}` : `${first}-${first + count - 1}`));
  const rest = runs.length - shown.length;
  return `${shown.join(", ")}${rest > 0 ? ` and ${rest} more runs` : ""}`;
}

function removedLine(event: EventOf<"removed">): string {
  const fate = event.fileDeleted ? "deleted" : "stays";
  return `removed ${event.hash}, ${printable(event.file)} ${fate}`;
}
