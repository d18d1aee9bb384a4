import { createClient } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { type Clock, type Random, systemClock } from "../../tracker/clock.ts";
import { migrate } from "../../tracker/migrate.ts";
import { SharedSwarmStore } from "../../tracker/swarm-store/shared.ts";
import { DEFAULT_LIMITS, type SizeLimits } from "../../tracker/swarm-store/store-limits.ts";

export interface SharedStoreOptions {
  /** `file:PATH` or `http://…` */
  readonly url: string;
  readonly token?: string;
  readonly clock?: Clock;
  readonly slack?: number;
  readonly lanes?: number | undefined;
  /** Where they differ from DEFAULT_LIMITS. */
  readonly limits?: Partial<SizeLimits>;
}

/** A store on a database of any kind; by default exact about expiry. */
export async function openSharedStore(
  random: Random,
  { url, token = "", clock = systemClock, slack = 0, lanes = 4, limits = {} }: SharedStoreOptions,
): Promise<SharedSwarmStore> {
  const client = createClient({
    url,
    authToken: token,
    concurrency: url.startsWith("file:") ? 1 : 20,
  });
  await migrate(client);
  const database = drizzle(client);
  return new SharedSwarmStore(
    clock,
    random,
    { client, database },
    {
      slack,
      lanes,
      limits: { ...DEFAULT_LIMITS, ...limits },
    },
  );
}
