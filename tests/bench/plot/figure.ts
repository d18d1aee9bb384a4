import type { Comparison, Entry, Group, Range } from "./comparison.ts";
import { drawHeader, titleOf } from "./header.ts";
import { BASELINE, clip, label, whisker } from "./marks.ts";
import { styleSheet } from "./style.ts";
import { element, lines, type Svg, text } from "./svg.ts";

/** The comparison as one figure: two panels side by side that share the names at the left. Bars of one panel have one scale,
 * whichever group they stand in. The same comparison gives the same bytes. */

interface Panel {
  readonly heading: string;
  readonly hint: string;
  readonly digits: number;
  readonly pick: (entry: Entry) => Range;
}

/** A panel with its place. */
interface Placed extends Panel {
  readonly left: number;
  /** Pixels a unit. */
  readonly scale: number;
}

const RATE: Panel = {
  heading: "Transfer rate, MiB/s",
  hint: "longer is better",
  digits: 0,
  pick: (entry) => entry.mibPerSecond,
};
const CPU: Panel = {
  heading: "CPU time, s per GiB",
  hint: "shorter is better",
  digits: 2,
  pick: (entry) => entry.cpuSecondsPerGib,
};

const WIDTH = 880;
const NAMES_WIDTH = 190;
const BARS_WIDTH = 281;
const VALUE_WIDTH = 46;
const PANEL_GAP = 20;
const HEADER_HEIGHT = 122;
const GROUP_HEIGHT = 28;
const ROW_HEIGHT = 23;
const BAR_HEIGHT = 15;
const NAME_CHARS_MAX = 26;
const GROUP_GAP = 8;

export function drawFigure(comparison: Comparison): string {
  const { groups } = comparison;
  const entries = groups.flatMap((group) => group.entries);
  const panels = [RATE, CPU].map((panel, at) => place(panel, at, entries));
  const height =
    HEADER_HEIGHT + groups.length * (GROUP_HEIGHT + GROUP_GAP) + entries.length * ROW_HEIGHT;
  const root = {
    xmlns: "http://www.w3.org/2000/svg",
    viewBox: `0 0 ${WIDTH} ${height}`,
    width: WIDTH,
    height,
    role: "img",
    "aria-labelledby": "title description",
  };
  const figure = element(
    "svg",
    root,
    lines([
      element("title", { id: "title" }, text(titleOf(comparison))),
      element("desc", { id: "description" }, text(describe(comparison))),
      element("style", {}, styleSheet()),
      hatch(),
      ...drawHeader(comparison),
      ...panels.map(drawHeading),
      ...drawGroups(groups, panels),
    ]),
  );
  return `${figure.markup}\n`;
}

function place(panel: Panel, at: number, entries: readonly Entry[]): Placed {
  const most = Math.max(...entries.map((entry) => panel.pick(entry).most));
  return {
    ...panel,
    left: NAMES_WIDTH + at * (BARS_WIDTH + VALUE_WIDTH + PANEL_GAP),
    // Of zeros only, any scale is right but the infinite one.
    scale: most === 0 ? 1 : BARS_WIDTH / most,
  };
}

/** The figures for those who do not see them. */
function describe({ groups }: Comparison): string {
  const told = groups.map(({ leechers, entries }) => {
    const each = entries.map(
      (entry) =>
        `${entry.client} ${entry.mibPerSecond.median.toFixed(0)} and ${entry.cpuSecondsPerGib.median.toFixed(2)}`,
    );
    return `1 → ${leechers}: ${each.join(", ")}.`;
  });
  return `Medians, in MiB/s and in CPU seconds per GiB. ${told.join(" ")}`;
}

/** A pattern is drawn in the colours of the class, as everything is. */
function hatch(): Svg {
  const line = element("path", { class: "hatch", d: "M0 0V6", "stroke-width": 2.4 });
  const attributes = {
    ...{ id: "hatch", width: 6, height: 6 },
    patternUnits: "userSpaceOnUse",
    patternTransform: "rotate(45)",
  };
  return element("defs", {}, element("pattern", attributes, line));
}

function drawHeading({ heading, hint, left }: Placed): Svg {
  return element(
    "text",
    { class: "heading", x: left, y: HEADER_HEIGHT - 14 },
    element("tspan", {}, text(heading)),
    element("tspan", { class: "muted", dx: 10, "font-weight": 400 }, text(hint)),
  );
}

function drawGroups(groups: readonly Group[], panels: readonly Placed[]): readonly Svg[] {
  let top = HEADER_HEIGHT;
  return groups.flatMap((group) => {
    const first = top + GROUP_HEIGHT;
    const height = group.entries.length * ROW_HEIGHT;
    const middle = (row: number) => first + (row + 0.5) * ROW_HEIGHT;
    top = first + height + GROUP_GAP;
    return [
      label(0, first - 14, "heading", groupName(group)),
      ...group.entries.map((entry, row) => drawName(entry, middle(row))),
      ...panels.flatMap((panel) => [
        ...group.entries.map((entry, row) => drawBar(entry, panel, middle(row))),
        element("path", { class: "axis", d: `M${panel.left} ${first}v${height}` }),
      ]),
    ];
  });
}

function groupName({ leechers }: Group): string {
  return leechers === 1
    ? "1 → 1"
    : `1 → ${leechers} (the rate is that of all ${leechers} together)`;
}

function drawName({ client, kind }: Entry, y: number): Svg {
  const x = NAMES_WIDTH - 10;
  return element(
    "text",
    { class: kind === "ours" ? "own" : "muted", x, y: y + BASELINE, "text-anchor": "end" },
    text(clip(client, NAME_CHARS_MAX)),
  );
}

function drawBar(entry: Entry, panel: Placed, y: number): Svg {
  const { least, median, most } = panel.pick(entry);
  const at = (value: number) => panel.left + value * panel.scale;
  const bar = element("rect", {
    class: entry.kind,
    x: panel.left,
    y: y - BAR_HEIGHT / 2,
    width: median * panel.scale,
    height: BAR_HEIGHT,
  });
  const spread = least === most ? [] : [whisker(y, at(least), at(most))];
  const className = entry.kind === "ours" ? "own" : "";
  return element(
    "g",
    {},
    bar,
    ...spread,
    label(at(most) + 7, y, className, median.toFixed(panel.digits)),
  );
}
