import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { PeerAddress } from "../../protocol/announce.ts";
import { parseSwarmHash, type SwarmHash } from "../../protocol/ids.ts";
import type { Random } from "../../tracker/clock.ts";
import { StoreError } from "../../tracker/errors.ts";
import type { Announce, SwarmStore, SwarmView } from "../../tracker/swarm-store/store.ts";
import { SeededRandom } from "../support/tracker.ts";

export const NOW = 1_700_000_000_000;
export const TTL = 120_000;

export function swarmHash(number: number): SwarmHash {
  const hash = parseSwarmHash(`00000000-0000-4000-8000-${String(number).padStart(12, "0")}`);
  if (hash === undefined) throw new Error("A test's swarm hash is wrong");
  return hash;
}

export function peerId(number: number): string {
  return number.toString(16).padStart(32, "0");
}

/** An announce of 10.0.0.1:port into swarm 1; what a test sets is what matters. */
export function announceOf(fields: Partial<Announce> = {}): Announce {
  const now = fields.now ?? NOW;
  return {
    swarm: swarmHash(1),
    host: "10.0.0.1",
    port: 1000,
    zone: "public",
    peer: undefined,
    action: "add",
    complete: undefined,
    create: false,
    want: 50,
    only: "all",
    now,
    expires: now + TTL,
    ...fields,
  };
}

export function peersOf(view: SwarmView | undefined): readonly PeerAddress[] | undefined {
  return view && JSON.parse(view.peersJson);
}

export function portsOf(view: SwarmView | undefined): readonly number[] {
  return (peersOf(view) ?? []).map(({ port }) => port).sort((one, other) => one - other);
}

/** What every swarm store promises (SwarmStore's own text), whatever keeps it. */
export function describeSwarmStore(
  name: string,
  open: (random: Random) => Promise<SwarmStore>,
): void {
  describe(name, () => {
    let store: SwarmStore;
    const announce = (fields: Partial<Announce> = {}): Promise<SwarmView | undefined> =>
      store.announce(announceOf(fields));
    /** Who is there for a caller that leaves no trace of its own. */
    const look = (fields: Partial<Announce> = {}): Promise<SwarmView | undefined> =>
      announce({ host: "10.9.9.9", port: 9, action: "remove", ...fields });

    beforeEach(async () => {
      store = await open(new SeededRandom(1));
    });
    afterEach(() => store[Symbol.asyncDispose]());

    test("announce tells of a peer whose address leads to it from everywhere, else only callers of its zone", async () => {
      await announce({ create: true, port: 1, zone: "public" });
      await announce({ port: 2, zone: "private" });
      await announce({ port: 3, zone: "loopback" });
      expect(portsOf(await look({ zone: "public" }))).toEqual([1]);
      expect(portsOf(await look({ zone: "private" }))).toEqual([1, 2]);
      expect(portsOf(await look({ zone: "loopback" }))).toEqual([1, 3]);
      expect(await look()).toMatchObject({ complete: 0, incomplete: 3 });
    });

    test("announce into an unknown swarm gives undefined and changes nothing", async () => {
      expect(await announce()).toBeUndefined();
      expect(await store.totals(NOW)).toEqual({ swarms: 0, complete: 0, incomplete: 0 });
      expect(await announce()).toBeUndefined();
    });

    test("announce makes a swarm when asked to, and counts its caller", async () => {
      const view = await announce({ create: true, complete: true });
      expect(view).toEqual({ complete: 1, incomplete: 0, peersJson: "[]" });
      expect(await store.totals(NOW)).toEqual({ swarms: 1, complete: 1, incomplete: 0 });
    });

    test("announce with create leaves a known swarm as it is", async () => {
      await announce({ create: true, port: 1 });
      expect(portsOf(await announce({ create: true, port: 2 }))).toEqual([1]);
      expect((await store.totals(NOW)).swarms).toBe(1);
    });

    test("announce hands out the others with host and port, never the caller", async () => {
      await announce({ create: true, host: "10.0.0.1", port: 1 });
      await announce({ host: "2001:db8::1", port: 2 });
      const view = await announce({ host: "peer.example", port: 3 });
      expect(peersOf(view)?.toSorted((one, other) => one.port - other.port)).toEqual([
        { host: "10.0.0.1", port: 1 },
        { host: "2001:db8::1", port: 2 },
      ]);
    });

    test("announce tells hosts with one port apart, and ports of one host", async () => {
      await announce({ create: true, host: "10.0.0.1", port: 1 });
      await announce({ host: "10.0.0.2", port: 1 });
      await announce({ host: "10.0.0.1", port: 2 });
      expect((await look())?.incomplete).toBe(3);
    });

    test("announce keeps swarms apart, also for one address and one peer id", async () => {
      await announce({ create: true, swarm: swarmHash(1), peer: peerId(1), port: 1 });
      await announce({ create: true, swarm: swarmHash(2), peer: peerId(1), port: 2 });
      await announce({ create: true, swarm: swarmHash(3), port: 1 });
      expect(portsOf(await look({ swarm: swarmHash(1) }))).toEqual([1]);
      expect(portsOf(await look({ swarm: swarmHash(2) }))).toEqual([2]);
    });

    test("announce without a peer id has host and port for its name", async () => {
      await announce({ create: true, port: 1 });
      expect(await announce({ port: 1 })).toEqual({ complete: 0, incomplete: 1, peersJson: "[]" });
    });

    test("announce of a known peer id from a new address replaces the old entry", async () => {
      await announce({ create: true, peer: peerId(1), host: "10.0.0.1", port: 1 });
      await announce({ peer: peerId(1), host: "10.0.0.2", port: 2 });
      expect(peersOf(await look())).toEqual([{ host: "10.0.0.2", port: 2 }]);
    });

    test("announce of a new peer id from a known address replaces the old entry", async () => {
      await announce({ create: true, peer: peerId(1), port: 1 });
      await announce({ peer: peerId(2), port: 1 });
      expect(portsOf(await look())).toEqual([1]);
      await announce({ peer: peerId(1), port: 7 });
      expect(portsOf(await look())).toEqual([1, 7]);
    });

    test("announce of a known peer id from another's address leaves one entry of the two", async () => {
      await announce({ create: true, peer: peerId(1), port: 1 });
      await announce({ peer: peerId(2), port: 2 });
      await announce({ peer: peerId(1), port: 2 });
      expect(portsOf(await look())).toEqual([2]);
      expect((await store.totals(NOW)).incomplete).toBe(1);
    });

    test("announce counts a peer that turns complete on the other side", async () => {
      await announce({ create: true, complete: false });
      expect(await announce({ complete: true })).toMatchObject({ complete: 1, incomplete: 0 });
      expect(await announce({ complete: false })).toMatchObject({ complete: 0, incomplete: 1 });
    });

    test("announce that does not say whether it is complete keeps what was said before", async () => {
      await announce({ create: true, peer: peerId(1), port: 1, complete: true });
      expect(await announce({ peer: peerId(1), port: 1 })).toMatchObject({ complete: 1 });
      expect(await announce({ peer: peerId(1), port: 2 })).toMatchObject({ complete: 1 });
      expect(await announce({ port: 2 })).toMatchObject({ complete: 1, incomplete: 0 });
      expect(await announce({ port: 3 })).toMatchObject({ complete: 1, incomplete: 1 });
    });

    test("announce hands a complete caller only those that miss parts", async () => {
      await announce({ create: true, port: 1, complete: true });
      await announce({ port: 2, complete: false });
      await announce({ port: 3 });
      expect(portsOf(await announce({ port: 4, only: "incomplete" }))).toEqual([2, 3]);
      expect(portsOf(await announce({ port: 4, only: "all" }))).toEqual([1, 2, 3]);
    });

    test("announce hands out no more than wanted, each peer once", async () => {
      for (let port = 1; port <= 60; port++) await announce({ create: true, port });
      for (const want of [0, 1, 7, 50]) {
        const ports = portsOf(await announce({ port: 1, want }));
        expect(ports.length).toBe(want);
        expect(new Set(ports).size).toBe(want);
        expect(ports).not.toContain(1);
      }
    });

    test("announce hands out random samples that reach every peer", async () => {
      for (let port = 1; port <= 20; port++) await announce({ create: true, port });
      const samples = new Set<string>();
      const seen = new Set<number>();
      for (let draw = 0; draw < 200; draw++) {
        const ports = portsOf(await announce({ port: 1 + (draw % 20), want: 5 }));
        samples.add(ports.join());
        for (const port of ports) seen.add(port);
      }
      expect(seen.size).toBe(20);
      expect(samples.size).toBeGreaterThan(50);
    });

    test("remove takes a peer away, and again does no harm", async () => {
      await announce({ create: true, port: 1 });
      await announce({ port: 2 });
      expect(await announce({ port: 1, action: "remove" })).toMatchObject({ incomplete: 1 });
      expect(await announce({ port: 1, action: "remove" })).toMatchObject({ incomplete: 1 });
      expect(portsOf(await look())).toEqual([2]);
    });

    test("remove takes the entry of its peer id, wherever it stands", async () => {
      await announce({ create: true, peer: peerId(1), port: 1 });
      await announce({ peer: peerId(1), port: 5, action: "remove" });
      expect(portsOf(await look())).toEqual([]);
    });

    test("remove leaves another peer id's entry at the same address alone", async () => {
      await announce({ create: true, peer: peerId(1), port: 1 });
      await announce({ peer: peerId(2), port: 1, action: "remove" });
      expect(portsOf(await look())).toEqual([1]);
      await announce({ port: 1, action: "remove" });
      expect(portsOf(await look())).toEqual([]);
    });

    test("remove with a peer id takes an entry without one at the same address", async () => {
      await announce({ create: true, port: 1 });
      await announce({ peer: peerId(1), port: 1, action: "remove" });
      expect(portsOf(await look())).toEqual([]);
    });

    test("a peer that expired is neither handed out nor counted, swept or not", async () => {
      await announce({ create: true, port: 1, complete: true });
      await announce({ port: 2, now: NOW + 1 });
      expect(portsOf(await look({ now: NOW + TTL - 1 }))).toEqual([1, 2]);
      const view = await look({ now: NOW + TTL });
      expect(view).toMatchObject({ complete: 0, incomplete: 1 });
      expect(peersOf(view)).toEqual([{ host: "10.0.0.1", port: 2 }]);
      expect(await store.totals(NOW + TTL)).toEqual({ swarms: 1, complete: 0, incomplete: 1 });
    });

    test("a peer that announces again lives on from then", async () => {
      await announce({ create: true, port: 1 });
      await announce({ port: 1, now: NOW + TTL - 1 });
      expect(portsOf(await look({ now: NOW + TTL + 1 }))).toEqual([1]);
    });

    test("a peer that expired has nothing to say about its successor being complete", async () => {
      await announce({ create: true, port: 1, complete: true });
      await announce({ port: 2, now: NOW + 1 });
      expect(await announce({ port: 1, now: NOW + TTL })).toMatchObject({ complete: 0 });
    });

    test("a swarm is known until its last announce expires, empty or not", async () => {
      await announce({ create: true, port: 1 });
      await announce({ port: 1, action: "remove", now: NOW + 10 });
      expect(await look({ now: NOW + 10 + TTL - 1, expires: NOW + 10 + TTL })).toBeDefined();
      expect(await look({ now: NOW + 10 + TTL })).toBeUndefined();
      expect(await store.totals(NOW + 10 + TTL)).toMatchObject({ swarms: 0 });
    });

    test("a swarm that expired can be made again and begins empty", async () => {
      await announce({ create: true, port: 1 });
      const view = await announce({ create: true, port: 2, now: NOW + TTL });
      expect(view).toEqual({ complete: 0, incomplete: 1, peersJson: "[]" });
    });

    test("sweep takes away what expired, a bounded piece a call, and nothing else", async () => {
      for (let port = 1; port <= 25; port++) await announce({ create: true, port });
      await announce({ create: true, swarm: swarmHash(2), now: NOW + 5, port: 30 });
      const removed = { peers: 0, swarms: 0, calls: 0 };
      for (let finished = false; !finished; ) {
        const swept = await store.sweep({ now: NOW + TTL, limit: 10 });
        expect(swept.peers).toBeLessThanOrEqual(10);
        removed.peers += swept.peers;
        removed.swarms += swept.swarms;
        removed.calls++;
        finished = swept.finished;
        expect(removed.calls).toBeLessThan(10);
      }
      expect(removed.peers).toBe(25);
      expect(removed.calls).toBeGreaterThanOrEqual(3);
      expect(portsOf(await look({ swarm: swarmHash(2), now: NOW + TTL }))).toEqual([30]);
    });

    test("sweep begins again after its end and takes empty swarms away", async () => {
      const walk = async (now: number): Promise<{ peers: number; swarms: number }> => {
        const removed = { peers: 0, swarms: 0 };
        for (let calls = 0; calls < 10; calls++) {
          const { peers, swarms, finished } = await store.sweep({ now, limit: 3 });
          removed.peers += peers;
          removed.swarms += swarms;
          if (finished) return removed;
        }
        throw new Error("A sweep never came to its end");
      };
      for (let port = 1; port <= 4; port++) {
        await announce({ create: true, swarm: swarmHash(port), port });
      }
      expect(await walk(NOW)).toEqual({ peers: 0, swarms: 0 });
      const first = await walk(NOW + TTL);
      const second = await walk(NOW + TTL);
      expect(first.peers + second.peers).toBe(4);
      expect(first.swarms + second.swarms).toBe(4);
      expect(await walk(NOW + TTL)).toEqual({ peers: 0, swarms: 0 });
    });

    test("concurrent announces are all applied, in the order of the calls", async () => {
      await announce({ create: true, port: 9999 });
      const views = await Promise.all(
        Array.from({ length: 300 }, (_, at) => announce({ port: 1 + at, want: 3 })),
      );
      expect(views.map((view) => view?.incomplete)).toEqual(views.map((_, at) => at + 2));
      const flips = await Promise.all([
        announce({ port: 1, complete: true }),
        announce({ port: 1, action: "remove" }),
        announce({ port: 1, complete: false }),
        announce({ port: 2, action: "remove" }),
      ]);
      expect(flips.map((view) => [view?.complete, view?.incomplete])).toEqual([
        [1, 300],
        [0, 300],
        [0, 301],
        [0, 300],
      ]);
    });

    test("a closed store rejects with closed, after what was under way is done", async () => {
      const underWay = announce({ create: true });
      await store[Symbol.asyncDispose]();
      expect(await underWay).toMatchObject({ incomplete: 1 });
      for (const call of [
        () => announce(),
        () => store.sweep({ now: NOW, limit: 1 }),
        () => store.totals(NOW),
      ]) {
        const error = await call().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(StoreError);
        expect(error).toMatchObject({ code: "closed" });
      }
    });
  });
}
