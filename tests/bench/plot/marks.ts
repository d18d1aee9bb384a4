import { element, type Svg, text } from "./svg.ts";

/** The smallest marks, which all parts of the figure have in common. */

/** From the middle of a line to the baseline of its text. */
export const BASELINE = 4.5;

/** A line from the least to the most, with an end at both. */
export function whisker(y: number, from: number, to: number): Svg {
  const [left, right] = [from.toFixed(2), to.toFixed(2)];
  const ends = `M${left} ${y - 3.5}v7M${right} ${y - 3.5}v7`;
  return element("path", { class: "whisker", d: `M${left} ${y}H${right}${ends}` });
}

/** @param y the middle of the line */
export function label(x: number, y: number, className: string, content: string): Svg {
  return element("text", { class: className, x, y: y + BASELINE }, text(content));
}

export function clip(line: string, charsMax: number): string {
  const characters = [...line];
  return characters.length <= charsMax ? line : `${characters.slice(0, charsMax - 1).join("")}…`;
}
