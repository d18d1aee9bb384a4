import type { Client } from "./client.ts";
import { print } from "./table.ts";
import type { Contender } from "./turns.ts";

/** A program that is there to be measured. */
export interface Installed extends Client, Contender {
  /** The version that is here. */
  readonly found: string;
}

/** Says of each program which version is here, or that it is not.
 * @param wanted names of programs; empty for all
 * @returns those that are here, ours first */
export async function findInstalled(
  { ours, others }: { readonly ours: readonly Client[]; readonly others: readonly Client[] },
  wanted: readonly string[],
): Promise<readonly Installed[]> {
  const found: Installed[] = [];
  for (const client of [...ours, ...others]) {
    if (wanted.length > 0 && !wanted.includes(client.name)) continue;
    const version = await client.version();
    if (version === undefined) print(`- ${client.name}: not installed, left out`);
    else {
      print(`- ${client.name}: ${version}; ${client.settings}`);
      found.push({ ...client, found: version, isOurs: ours.includes(client) });
    }
  }
  return found;
}
