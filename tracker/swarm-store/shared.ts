import type { Client } from "@libsql/client";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import type { Clock, Random } from "../clock.ts";
import { StoreError } from "../errors.ts";
import { Census } from "./census.ts";
import { CommitLanes, type LanesOptions } from "./commit-lanes.ts";
import { createEvictStatements } from "./evict-statements.ts";
import { AnnounceJob, FULL, LookJob, type SharedState, UNREAD } from "./shared-announce.ts";
import { createSharedStatements } from "./shared-statements.ts";
import { SharedSweep } from "./shared-sweep.ts";
import type { Announce, SwarmStore, SwarmView, Swept, Totals } from "./store.ts";
import { DEFAULT_LIMITS, type SizeLimits } from "./store-limits.ts";
import { SwarmCache } from "./swarm-cache.ts";

/** A swarm store in a database that many trackers share, a round trip away. Every announce is committed there before it is
 * answered; what is answered is drawn from what this tracker has read of the swarm within the last second, with all that
 * went through this tracker applied to it. So a tracker keeps nothing that another would miss, and may come and go. */

export interface SharedOptions extends LanesOptions {
  /** How much longer than told the database remembers, as a part of the time told. Announces meanwhile write nothing, and
   * a peer that falls silent is told of so much longer. 0 is exact, and writes every time. */
  readonly slack: number;
  readonly limits: SizeLimits;
}

export const SHARED_OPTIONS: SharedOptions = { lanes: 4, slack: 0.25, limits: DEFAULT_LIMITS };

export class SharedSwarmStore implements SwarmStore {
  readonly #state: SharedState;
  readonly #lanes: CommitLanes;
  readonly #sweep: SharedSweep;

  /** @param client migrated; belongs to the store from now on
   * @param database writes the statements, runs none */
  constructor(
    clock: Clock,
    random: Random,
    { client, database }: { readonly client: Client; readonly database: LibSQLDatabase },
    { slack, limits, ...lanes }: SharedOptions = SHARED_OPTIONS,
  ) {
    const census = new Census(database, limits);
    this.#state = {
      random,
      statements: { ...createSharedStatements(database), ...createEvictStatements(database) },
      cache: new SwarmCache(),
      reading: new Set(),
      census,
      limits,
      slack,
    };
    this.#lanes = new CommitLanes(clock, client, lanes);
    this.#sweep = new SharedSweep(this.#lanes, database, census);
  }

  async announce(announce: Announce): Promise<SwarmView | undefined> {
    let view = await this.#lanes.submit(announce.swarm, new AnnounceJob(this.#state, announce));
    while (view === UNREAD) {
      view = await this.#lanes.submit(announce.swarm, new LookJob(this.#state, announce));
    }
    if (view === FULL) {
      throw new StoreError("full", "Cannot make a swarm: there are as many as may be");
    }
    return view;
  }

  sweep(options: { readonly now: number; readonly limit: number }): Promise<Swept> {
    return this.#sweep.sweep(options);
  }

  totals(now: number): Promise<Totals> {
    return this.#sweep.totals(now);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lanes[Symbol.asyncDispose]();
  }
}
