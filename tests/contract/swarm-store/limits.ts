import { describe, expect, test } from "bun:test";
import type { Random } from "../../../tracker/clock.ts";
import type { Announce, SwarmStore, SwarmView } from "../../../tracker/swarm-store/store.ts";
import type { SizeLimits } from "../../../tracker/swarm-store/store-limits.ts";
import { SeededRandom } from "../../support/tracker.ts";
import { announceOf, NOW, peersOf, swarmHash, TTL } from "./announces.ts";

type OpenLimited = (random: Random, limits: Partial<SizeLimits>) => Promise<SwarmStore>;

/** What a swarm store promises about how much it holds, while one process announces to it, an announce at a time. */
export function describeStoreLimits(name: string, open: OpenLimited): void {
  describe(`${name}, limited`, () => {
    test("TRK-6: keeps so many of a network in a swarm, those heard of last", async () => {
      await using store = await open(new SeededRandom(1), { peersPerNetworkMax: 3 });
      const add = adding(store);
      for (const last of [1, 2, 3, 4, 5]) await add({ host: `2001:db8::${last}` });
      for (const port of [1, 2, 3, 4, 5]) await add({ host: "192.0.2.1", port });
      await add({ host: "2001:db8:0:1::1" });
      await add({ host: "192.0.2.2" });
      for (const port of [1, 2, 3]) await add({ host: "192.0.2.1", port, swarm: swarmHash(2) });
      expect(await told(store)).toEqual([
        "192.0.2.1 3",
        "192.0.2.1 4",
        "192.0.2.1 5",
        "192.0.2.2 1000",
        "2001:db8:0:1::1 1000",
        "2001:db8::3 1000",
        "2001:db8::4 1000",
        "2001:db8::5 1000",
      ]);
      expect(await told(store, { swarm: swarmHash(2) })).toHaveLength(3);
      expect(await store.totals(NOW)).toMatchObject({ incomplete: 11 });
    });

    test("TRK-6's control: without the limit all of a network stay", async () => {
      await using store = await open(new SeededRandom(1), {});
      const add = adding(store);
      for (const port of [1, 2, 3, 4, 5]) await add({ host: "192.0.2.1", port });
      expect(await told(store)).toHaveLength(5);
    });

    test("TRK-6: nobody goes for a peer that is there already, or comes back from another address", async () => {
      await using store = await open(new SeededRandom(1), {
        peersPerNetworkMax: 2,
        peersPerSwarmMax: 2,
        peersMax: 2,
      });
      const add = adding(store);
      await add({ port: 1, peer: "a".repeat(32) });
      await add({ port: 2 });
      await add({ port: 1, peer: "a".repeat(32), complete: true });
      expect(await told(store)).toEqual(["10.0.0.1 1", "10.0.0.1 2"]);
      await add({ port: 3, peer: "a".repeat(32) });
      expect(await told(store)).toEqual(["10.0.0.1 2", "10.0.0.1 3"]);
    });

    test("TRK-6: keeps so many in a swarm, and the newest always", async () => {
      await using store = await open(new SeededRandom(1), { peersPerSwarmMax: 20 });
      const add = adding(store);
      for (let number = 1; number <= 60; number++) {
        const host = `10.0.0.${number}`;
        const { complete, incomplete } = (await add({ host, complete: number % 2 === 0 })) ?? {};
        expect(Number(complete) + Number(incomplete)).toBe(Math.min(number, 20));
        expect(await told(store)).toContain(`${host} 1000`);
      }
    });

    test("TRK-6: keeps so many in all swarms, and the newest always", async () => {
      await using store = await open(new SeededRandom(1), { peersMax: 40 });
      const add = adding(store);
      for (let number = 1; number <= 120; number++) {
        const swarm = swarmHash(1 + (number % 30));
        const host = `10.0.0.${number}`;
        await add({ swarm, host, now: NOW + number });
        expect(await told(store, { swarm, now: NOW + number })).toContain(`${host} 1000`);
        const { complete, incomplete } = await store.totals(NOW + number);
        expect(complete + incomplete).toBe(Math.min(number, 40));
      }
    });

    test("TRK-6: refuses a swarm too many, takes announces of those it has, and another once one went", async () => {
      await using store = await open(new SeededRandom(1), { swarmsMax: 3 });
      const add = adding(store);
      for (const number of [1, 2, 3]) await add({ swarm: swarmHash(number) });
      const refused = await add({ swarm: swarmHash(4) }).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "full" });
      expect(await store.announce(announceOf({ swarm: swarmHash(4) }))).toBeUndefined();
      expect(await store.totals(NOW)).toMatchObject({ swarms: 3, incomplete: 3 });
      const later = NOW + TTL / 2;
      for (const number of [2, 3]) await add({ swarm: swarmHash(number), now: later });
      const now = NOW + TTL + 1000;
      await sweepAll(store, now);
      expect(await add({ swarm: swarmHash(4), now })).toMatchObject({ incomplete: 1 });
      expect(await store.totals(now)).toMatchObject({ swarms: 3 });
    });
  });
}

/** Announces, each a little later than the one before and into a swarm that is made when it is new. */
function adding(store: SwarmStore) {
  let expires = NOW + TTL;
  return (fields: Partial<Announce>): Promise<SwarmView | undefined> => {
    const announce = announceOf({ create: true, want: 0, ...fields });
    expires = Math.max(expires + 1, announce.expires);
    return store.announce({ ...announce, expires });
  };
}

/** @returns host and port of all that a caller is told of who leaves no trace of his own */
async function told(store: SwarmStore, fields: Partial<Announce> = {}): Promise<string[]> {
  const looks = announceOf({ host: "198.51.100.9", port: 9, action: "remove", ...fields });
  const peers = peersOf(await store.announce(looks)) ?? [];
  return peers.map(({ host, port }) => `${host} ${port}`).sort();
}

async function sweepAll(store: SwarmStore, now: number): Promise<void> {
  for (;;) {
    const { finished } = await store.sweep({ now, limit: 100 });
    if (finished) return;
  }
}
