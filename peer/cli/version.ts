import packageJson from "../../package.json" with { type: "json" };
import { EXIT_CODES } from "./exit-codes.ts";
import type { Context } from "./verbs.ts";

/** The program's version, as in package.json. */
export const VERSION: string = packageJson.version;

/** `peer version` */
export function version({ report }: Pick<Context, "report">): number {
  report.emit({ type: "version", version: VERSION, bun: Bun.version });
  return EXIT_CODES.ok;
}
