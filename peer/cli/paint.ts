import type { ColorMode } from "../config.ts";

/** Colours a text, or leaves it as it is. */
export type Paint = (color: "red" | "cyan" | "green" | "yellow", text: string) => string;

const CODES = { red: 31, green: 32, yellow: 33, cyan: 36 } as const;

/** @param isTerminal whether what is painted goes to a terminal that knows colours: what "auto" asks */
export function createPaint(mode: ColorMode, isTerminal: boolean): Paint {
  const isOn = mode === "always" || (mode === "auto" && isTerminal);
  return (color, text) => (isOn ? `\x1b[${CODES[color]}m${text}\x1b[0m` : text);
}
