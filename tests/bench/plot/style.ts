import { type Svg, text } from "./svg.ts";

/** How the figure looks, on a light page and on a dark one: it has no ground of its own. Colours stand in classes and not in
 * variables, since some that draw SVG know neither those nor the question for the scheme: they get the light ones. */

interface Colours {
  readonly text: string;
  readonly muted: string;
  readonly ours: string;
  readonly other: string;
  readonly line: string;
}

const LIGHT: Colours = {
  text: "#1f2328",
  muted: "#59636e",
  ours: "#0969da",
  other: "#afb8c1",
  line: "#818b98",
};
const DARK: Colours = {
  text: "#f0f6fc",
  muted: "#9198a1",
  ours: "#4493f8",
  other: "#59616b",
  line: "#9198a1",
};

const FONT = "-apple-system, BlinkMacSystemFont, Segoe UI, Noto Sans, Helvetica, Arial, sans-serif";

export function styleSheet(): Svg {
  return text(
    [
      `text { font: 13px ${FONT}; }`,
      ".title { font-size: 18px; font-weight: 600; }",
      ".heading { font-size: 14px; font-weight: 600; }",
      ".own { font-weight: 600; }",
      toRules(LIGHT),
      `@media (prefers-color-scheme: dark) { ${toRules(DARK)} }`,
    ].join(" "),
  );
}

function toRules(colours: Colours): string {
  return [
    `text { fill: ${colours.text}; }`,
    `.muted { fill: ${colours.muted}; }`,
    `.ours { fill: ${colours.ours}; }`,
    `.other { fill: ${colours.other}; }`,
    `.limit { fill: url(#hatch); stroke: ${colours.line}; }`,
    `.hatch, .axis { stroke: ${colours.line}; }`,
    `.whisker { stroke: ${colours.text}; fill: none; }`,
  ].join(" ");
}
