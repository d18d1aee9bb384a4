/** Figures as a Markdown table, the form in which they are kept. */

/** @param head names of the columns
 * @param rows one cell a column */
export function printTable(
  title: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  print(`\n### ${title}\n`);
  print(formatRow(head));
  print(formatRow(head.map(() => "---")));
  for (const row of rows) print(formatRow(row));
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** @param fraction 0 for the least, 0.5 for the median, 1 for the most
 * @returns 0 when there are no values */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** @returns the median, and the least to the most behind it */
export function spread(values: readonly number[], digits: number): string {
  const at = (fraction: number) => quantile(values, fraction).toFixed(digits);
  return values.length === 1 ? at(0) : `${at(0.5)} (${at(0)}-${at(1)})`;
}

function formatRow(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
