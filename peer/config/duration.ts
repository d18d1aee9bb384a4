const UNIT_MS: Readonly<Record<string, number>> = {
  "": 1000,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Longest time a timer can be set for; beyond it a timer fires at once. */
export const DURATION_MS_MAX = 2 ** 31 - 1;

/** Reads `500ms`, `30s`, `5m`, `1.5h` or plain seconds.
 * @returns whole milliseconds from 1 to DURATION_MS_MAX, or undefined when the text is no such time */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d{1,10}(?:\.\d{1,3})?)(ms|s|m|h|)$/.exec(text);
  const unitMs = UNIT_MS[match?.[2] ?? "-"];
  if (match?.[1] === undefined || unitMs === undefined) return undefined;
  const ms = Math.floor(Number(match[1]) * unitMs);
  return ms >= 1 && ms <= DURATION_MS_MAX ? ms : undefined;
}
