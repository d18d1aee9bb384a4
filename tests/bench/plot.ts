import { compare } from "./plot/comparison.ts";
import { drawFigure } from "./plot/figure.ts";
import { readResults } from "./results.ts";

/** Draws what was recorded.
 * @param mib size of the file that was moved: transfers of other sizes are left out
 * @throws {ResultsError} when the results are none, or have no transfer of that size */
export async function plot(resultsPath: string, svgPath: string, mib: number): Promise<void> {
  const results = await readResults(resultsPath);
  await Bun.write(svgPath, drawFigure(compare(results, mib)));
}
