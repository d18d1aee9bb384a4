import { type Library, openLibrary } from "../library.ts";
import { createCrypto } from "../storage/hash.ts";
import type { Context } from "./verbs.ts";

/** @returns the library in the run's data directory, which is made when it is not there
 * @throws as `openLibrary` */
export function openContextLibrary(
  context: Pick<Context, "config" | "clock" | "random" | "disk" | "log">,
): Promise<Library> {
  const { config, clock, random, disk, log } = context;
  const warn = (message: string): void => log.warn(message);
  return openLibrary(config.dataDir, { clock, random, disk, crypto: createCrypto(), warn });
}
