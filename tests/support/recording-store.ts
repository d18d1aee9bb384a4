import type { Announce, SwarmStore } from "../../tracker/swarm-store/store.ts";

/** A store, and what it was told. */
export function createRecordingStore(store: SwarmStore) {
  const announces: Announce[] = [];
  const recorded: SwarmStore = {
    announce: (announce) => {
      announces.push(announce);
      return store.announce(announce);
    },
    totals: (now) => store.totals(now),
    sweep: (options) => store.sweep(options),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
  return { store: recorded, announces };
}
