import { SPAN_SECONDS } from "../activity.ts";
import { formatNumber } from "./figures.ts";

/** The chart's own measures; the page stretches it to its width. */
export const CHART_WIDTH = 600;
export const CHART_HEIGHT = 120;
/** Of a span's width, what its bar takes. */
const BAR_SHARE = 0.75;

/** A chart, ready to be shown. */
export interface Chart {
  /** An SVG path: a bar for each span, none where nothing was. */
  readonly path: string;
  /** What the upper edge stands for. */
  readonly top: string;
  /** The same in words. */
  readonly text: string;
}

/** Draws how many announces a second there were.
 * @param series oldest first, at least one */
export function drawChart(series: readonly number[]): Chart {
  const highest = Math.max(...series);
  const count = Math.round(SPAN_SECONDS * series.reduce((sum, value) => sum + value, 0));
  const top = roundUp(highest);
  const step = CHART_WIDTH / series.length;
  const bars = series.map((value, at) => {
    const height = Math.round((CHART_HEIGHT * value * 10) / top) / 10;
    const width = step * BAR_SHARE;
    return height === 0 ? "" : `M${at * step} ${CHART_HEIGHT}v${-height}h${width}v${height}z`;
  });
  const text =
    highest === 0
      ? "No announces in the last five minutes."
      : `In the last five minutes: ${formatNumber(count)} announces, ${formatNumber(highest)} a second at most.`;
  return { path: bars.join(""), top: `${formatNumber(top)} a second`, text };
}

/** @returns the next of 1, 2, 5, 10, 20, 50, ... */
function roundUp(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((factor) => factor * power >= value) ?? 10);
}
