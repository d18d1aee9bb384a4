import { MIB } from "../options.ts";
import type { Comparison, Entry, Kind } from "./comparison.ts";
import { clip, label, whisker } from "./marks.ts";
import { element, type Svg } from "./svg.ts";

/** What stands above the panels: the title, what was measured where and when, and the legend. */

const LEGEND_Y = 70;
const SAMPLE_WIDTH = 22;
const LEGEND: readonly { readonly kind: Kind; readonly width: number; readonly words: string }[] = [
  { kind: "ours", width: 118, words: "this project" },
  { kind: "other", width: 88, words: "others" },
  { kind: "limit", width: 300, words: "physical limit of one thread, not a rival" },
];
const LINE_CHARS_MAX = 126;

export function drawHeader(comparison: Comparison): readonly Svg[] {
  const { commit, date, bun, machine } = comparison.head;
  const day = date.slice(0, "2000-01-01".length);
  const parts = `parts of ${comparison.partBytes / MIB} MiB`;
  const where = [`commit ${commit}`, day, `Bun ${bun}`, parts, machine].join(" · ");
  return [
    label(0, 22, "title", titleOf(comparison)),
    label(0, 45, "muted", clip(where, LINE_CHARS_MAX)),
    ...drawLegend(comparison.groups.flatMap(({ entries }) => entries)),
  ];
}

export function titleOf({ mib }: Comparison): string {
  return `Moving ${sizeOf(mib)} over loopback`;
}

function sizeOf(mib: number): string {
  return mib % 1024 === 0 ? `${mib / 1024} GiB` : `${mib} MiB`;
}

/** Only what the figure has. The widths hold the texts in the widest of the fonts. */
function drawLegend(entries: readonly Entry[]): readonly Svg[] {
  let x = 0;
  const item = (width: number, sample: (from: number) => Svg, words: string) => {
    const drawn = [sample(x), label(x + SAMPLE_WIDTH + 7, LEGEND_Y, "muted", words)];
    x += width;
    return drawn;
  };
  const kinds = LEGEND.filter(({ kind }) => entries.some((entry) => entry.kind === kind));
  const most = Math.max(...entries.map(({ rounds }) => rounds));
  return [
    ...kinds.flatMap(({ kind, width, words }) => item(width, (from) => swatch(kind, from), words)),
    ...(most === 1 ? [label(x, LEGEND_Y, "muted", "one round")] : []),
    ...(most > 1
      ? item(0, sampleWhisker, `least to most; bar: median of ${roundsOf(entries)}`)
      : []),
  ];
}

function swatch(kind: Kind, from: number): Svg {
  const [width, height] = [SAMPLE_WIDTH, 12];
  return element("rect", { class: kind, x: from + 0.5, y: LEGEND_Y - height / 2, width, height });
}

function sampleWhisker(from: number): Svg {
  return whisker(LEGEND_Y, from, from + SAMPLE_WIDTH);
}

function roundsOf(entries: readonly Entry[]): string {
  const rounds = entries.map((entry) => entry.rounds);
  const [least, most] = [Math.min(...rounds), Math.max(...rounds)];
  return `${least === most ? least : `${least} to ${most}`} rounds`;
}
