import { expect, test } from "bun:test";
import { NOW, peerId, peersOf, portsOf, type StoreUnderTest, swarmHash } from "./announces.ts";

/** Who is in a swarm after an announce, and whom it replaces. */
export function testMembership({ store, announce, look }: StoreUnderTest): void {
  test("announce into an unknown swarm gives undefined and changes nothing", async () => {
    expect(await announce()).toBeUndefined();
    expect(await store().totals(NOW)).toEqual({ swarms: 0, complete: 0, incomplete: 0 });
    expect(await announce()).toBeUndefined();
  });

  test("announce makes a swarm when asked to, and counts its caller", async () => {
    const view = await announce({ create: true, complete: true });
    expect(view).toEqual({ complete: 1, incomplete: 0, peersJson: "[]" });
    expect(await store().totals(NOW)).toEqual({ swarms: 1, complete: 1, incomplete: 0 });
  });

  test("announce with create leaves a known swarm as it is", async () => {
    await announce({ create: true, port: 1 });
    expect(portsOf(await announce({ create: true, port: 2 }))).toEqual([1]);
    expect((await store().totals(NOW)).swarms).toBe(1);
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
    expect((await store().totals(NOW)).incomplete).toBe(1);
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
}
