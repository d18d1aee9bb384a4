import { expect, test } from "bun:test";
import { StoreError } from "../../../tracker/errors.ts";
import { NOW, peersOf, portsOf, type StoreUnderTest, swarmHash, TTL } from "./announces.ts";

/** How long what was announced lasts. */
export function testLifetime({ store, announce, look }: StoreUnderTest): void {
  test("a peer that expired is neither handed out nor counted, swept or not", async () => {
    await announce({ create: true, port: 1, complete: true });
    await announce({ port: 2, now: NOW + 1 });
    expect(portsOf(await look({ now: NOW + TTL - 1 }))).toEqual([1, 2]);
    const view = await look({ now: NOW + TTL });
    expect(view).toMatchObject({ complete: 0, incomplete: 1 });
    expect(peersOf(view)).toEqual([{ host: "10.0.0.1", port: 2 }]);
    expect(await store().totals(NOW + TTL)).toEqual({ swarms: 1, complete: 0, incomplete: 1 });
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
    expect(await store().totals(NOW + 10 + TTL)).toMatchObject({ swarms: 0 });
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
      const swept = await store().sweep({ now: NOW + TTL, limit: 10 });
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
        const { peers, swarms, finished } = await store().sweep({ now, limit: 3 });
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
    await store()[Symbol.asyncDispose]();
    expect(await underWay).toMatchObject({ incomplete: 1 });
    for (const call of [
      () => announce(),
      () => store().sweep({ now: NOW, limit: 1 }),
      () => store().totals(NOW),
    ]) {
      const error = await call().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(StoreError);
      expect(error).toMatchObject({ code: "closed" });
    }
  });
}
