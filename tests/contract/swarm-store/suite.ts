import { afterEach, beforeEach, describe } from "bun:test";
import type { Random } from "../../../tracker/clock.ts";
import type { SwarmStore } from "../../../tracker/swarm-store/store.ts";
import { SeededRandom } from "../../support/tracker.ts";
import { announceOf, type StoreUnderTest } from "./announces.ts";
import { testHandout } from "./handout.ts";
import { testLifetime } from "./lifetime.ts";
import { testMembership } from "./membership.ts";

/** What every swarm store promises (SwarmStore's own text), whatever keeps it. */
export function describeSwarmStore(
  name: string,
  open: (random: Random) => Promise<SwarmStore>,
): void {
  describe(name, () => {
    let store: SwarmStore;
    beforeEach(async () => {
      store = await open(new SeededRandom(1));
    });
    afterEach(() => store[Symbol.asyncDispose]());

    const announce: StoreUnderTest["announce"] = (fields = {}) =>
      store.announce(announceOf(fields));
    const look: StoreUnderTest["look"] = (fields = {}) =>
      announce({ host: "10.9.9.9", port: 9, action: "remove", ...fields });
    const underTest = { store: () => store, announce, look };
    testMembership(underTest);
    testHandout(underTest);
    testLifetime(underTest);
  });
}
