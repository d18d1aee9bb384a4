import type { Client } from "@libsql/client";
import { isMigrated, migrate } from "../migrate.ts";
import { toStoreError } from "./commit-lanes.ts";
import type { Announce, SwarmStore, SwarmView, Swept, Totals } from "./store.ts";

/** A store that brings its database up to date when it is first used, for hosts where nothing runs before a request does.
 * Each call does so for itself until one has succeeded: where this is needed, a request cannot wait for another one's. */
export class SelfMigratingStore implements SwarmStore {
  readonly #client: Client;
  readonly #store: SwarmStore;
  #isReady = false;

  /** @param client the one of `store`, which it goes on belonging to */
  constructor(client: Client, store: SwarmStore) {
    this.#client = client;
    this.#store = store;
  }

  async announce(announce: Announce): Promise<SwarmView | undefined> {
    await this.#prepare();
    return this.#store.announce(announce);
  }

  async sweep(options: { readonly now: number; readonly limit: number }): Promise<Swept> {
    await this.#prepare();
    return this.#store.sweep(options);
  }

  async totals(now: number): Promise<Totals> {
    await this.#prepare();
    return this.#store.totals(now);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#store[Symbol.asyncDispose]();
  }

  async #prepare(): Promise<void> {
    if (this.#isReady) return;
    try {
      if (!(await isMigrated(this.#client))) await migrate(this.#client);
    } catch (error) {
      throw toStoreError(error);
    }
    this.#isReady = true;
  }
}
