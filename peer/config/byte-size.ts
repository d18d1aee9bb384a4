const UNIT_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
  T: 1024 ** 4,
};

/** Reads `64K`, `10M`, `1.5G` or plain bytes; units are 1024-based, in either case.
 * @returns whole bytes from 0 to 2^53 - 1, or undefined when the text is no size */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,6})?)([KMGT]?)$/i.exec(text);
  const unitBytes = UNIT_BYTES[(match?.[2] ?? "-").toUpperCase()];
  if (match?.[1] === undefined || unitBytes === undefined) return undefined;
  if (unitBytes === 1 && match[1].includes(".")) return undefined;
  const bytes = Math.floor(Number(match[1]) * unitBytes);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
