import { expect, test } from "bun:test";
import type { SwarmView } from "../../../tracker/swarm-store/store.ts";
import { NOW, peerId, peersOf, portsOf, type StoreUnderTest, swarmHash, TTL } from "./announces.ts";

/** Whom an answer tells of. */
export function testHandout({ announce, look }: StoreUnderTest): void {
  test("announce tells of a peer whose address leads to it from everywhere, else only callers of its zone", async () => {
    await announce({ create: true, port: 1, zone: "public" });
    await announce({ port: 2, zone: "private" });
    await announce({ port: 3, zone: "loopback" });
    expect(portsOf(await look({ zone: "public" }))).toEqual([1]);
    expect(portsOf(await look({ zone: "private" }))).toEqual([1, 2]);
    expect(portsOf(await look({ zone: "loopback" }))).toEqual([1, 3]);
    expect(await look()).toMatchObject({ complete: 0, incomplete: 3 });
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

  test("announce tells that another peer vouched for one, from that announce on", async () => {
    await announce({ create: true, port: 1 });
    await announce({ port: 2 });
    const view = await announce({ port: 3, reached: [{ host: "10.0.0.1", port: 2 }] });
    expect(verifiedIn(view)).toEqual([2]);
    expect(verifiedIn(await look())).toEqual([2]);
    expect(portsOf(await look())).toEqual([1, 2, 3]);
  });

  test("announce that vouches for nobody who is there, or for the caller itself, changes nothing", async () => {
    await announce({ create: true, port: 1 });
    await announce({ create: true, swarm: swarmHash(2), port: 2 });
    const reached = [1, 2, 3].map((port) => ({ host: "10.0.0.1", port }));
    await announce({ port: 1, reached });
    expect(verifiedIn(await look())).toEqual([]);
    expect(verifiedIn(await look({ swarm: swarmHash(2) }))).toEqual([]);
    expect(portsOf(await look())).toEqual([1]);
  });

  test("a peer that was vouched for stays verified as it announces, becomes complete and lives on", async () => {
    const own = { peer: peerId(1), port: 1 };
    await announce({ create: true, ...own });
    await announce({ port: 2, reached: [{ host: "10.0.0.1", port: 1 }] });
    for (const complete of [undefined, false, true]) {
      await announce({ ...own, complete, now: NOW + TTL / 2 });
      expect(verifiedIn(await look({ now: NOW + TTL / 2 }))).toEqual([1]);
    }
    expect(verifiedIn(await look({ now: NOW + TTL + 1 }))).toEqual([1]);
  });

  test("a peer that expired is not verified when it comes back", async () => {
    const own = { create: true, peer: peerId(1), port: 1 };
    await announce(own);
    await announce({ port: 2, reached: [{ host: "10.0.0.1", port: 1 }] });
    await announce({ port: 2, now: NOW + TTL / 2 });
    await announce({ ...own, now: NOW + TTL });
    expect(portsOf(await look({ now: NOW + TTL }))).toEqual([1, 2]);
    expect(verifiedIn(await look({ now: NOW + TTL }))).toEqual([]);
  });

  test("a peer is not verified by what was vouched for another one at its address, or for it elsewhere", async () => {
    await announce({ create: true, peer: peerId(1), port: 1 });
    await announce({ port: 9, reached: [{ host: "10.0.0.1", port: 1 }] });
    await announce({ peer: peerId(2), port: 1 });
    expect(verifiedIn(await look())).toEqual([]);
    await announce({ port: 9, reached: [{ host: "10.0.0.1", port: 1 }] });
    await announce({ peer: peerId(2), port: 2 });
    expect(verifiedIn(await look())).toEqual([]);
  });
}

function verifiedIn(view: SwarmView | undefined): readonly number[] {
  const verified = (peersOf(view) ?? []).filter((peer) => peer.verified === true);
  return verified.map(({ port }) => port).sort((one, other) => one - other);
}
