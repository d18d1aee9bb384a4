/** SVG as text. What is made here is well-formed whatever the names and texts in it are. */

/** Markup, which a text must be made before it comes into a figure. */
export interface Svg {
  readonly markup: string;
}

/** @param attributes numbers are written with at most two digits behind the point */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  ...children: readonly Svg[]
): Svg {
  const written = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${typeof value === "number" ? shorten(value) : escapeXml(value)}"`,
  );
  const start = `<${name}${written.join("")}`;
  const inside = children.map(({ markup }) => markup).join("");
  return { markup: children.length === 0 ? `${start}/>` : `${start}>${inside}</${name}>` };
}

export function text(content: string): Svg {
  return { markup: escapeXml(content) };
}

/** @returns each on a line of its own, so that two versions of a figure can be compared */
export function lines(children: readonly Svg[]): Svg {
  return { markup: `\n${children.map(({ markup }) => markup).join("\n")}\n` };
}

function shorten(value: number): string {
  return String(Number(value.toFixed(2)));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

function escapeXml(content: string): string {
  return content
    .replace(NOT_IN_XML, "\uFFFD")
    .replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}

/** Control characters, halves of characters, and the two that are none: no escape makes them allowed. */
const NOT_IN_XML = /[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu;
