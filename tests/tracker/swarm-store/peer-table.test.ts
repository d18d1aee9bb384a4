import { describe, expect, test } from "bun:test";
import { AnswerPage } from "../../../tracker/swarm-store/answer-page.ts";
import { PeerPool } from "../../../tracker/swarm-store/peer-pool.ts";
import { PEER, PeerTable } from "../../../tracker/swarm-store/peer-table.ts";

const PEER_DEFAULTS = {
  swarm: 1,
  key: 1,
  peer: 0,
  network: 0,
  zone: "public",
  complete: false,
  expires: 100,
} as const;

/** Entries of one network, the first the oldest. */
function addNetwork(peers: PeerTable, count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) =>
    peers.add({ ...PEER_DEFAULTS, key: 10 + at, network: 7, expires: 100 + at }),
  );
}

describe("PeerTable", () => {
  test("finds an entry by its address and its peer id, in its swarm only", () => {
    const peers = new PeerTable();
    const entry = peers.add({ ...PEER_DEFAULTS, key: 5, peer: 9 });
    expect(peers.at(1, 5)).toBe(entry);
    expect(peers.of(1, 9)).toBe(entry);
    expect([peers.at(2, 5), peers.of(2, 9), peers.of(1, 5), peers.at(1, 9)]).toEqual([0, 0, 0, 0]);
    const nameless = peers.add({ ...PEER_DEFAULTS, key: 6 });
    expect(peers.of(1, 0)).toBe(0);
    peers.remove(entry);
    expect([peers.at(1, 5), peers.of(1, 9), peers.at(1, 6)]).toEqual([0, 0, nameless]);
    expect(peers.size).toBe(1);
  });

  test("gives a number again only when it was released", () => {
    const peers = new PeerTable();
    const entry = peers.add({ ...PEER_DEFAULTS, peer: 3 });
    peers.set(entry, PEER.seq, 8);
    peers.remove(entry);
    expect(peers.add(PEER_DEFAULTS)).not.toBe(entry);
    peers.release(entry);
    const again = peers.add({ ...PEER_DEFAULTS, key: 2 });
    expect(again).toBe(entry);
    expect([peers.get(again, PEER.seq), peers.get(again, PEER.peer)]).toEqual([0, 0]);
  });

  test("names the oldest of a network that has as many as may be", () => {
    for (const gone of [0, 1, 2, 3]) {
      const peers = new PeerTable();
      const entries = addNetwork(peers, 4);
      expect(peers.oldestOf(1, 7, 5)).toBe(0);
      expect(peers.oldestOf(1, 7, 4)).toBe(entries[0] ?? 0);
      peers.remove(entries[gone] ?? 0);
      expect(peers.oldestOf(1, 7, 4)).toBe(0);
      expect(peers.oldestOf(1, 7, 3)).toBe(entries[gone === 0 ? 1 : 0] ?? 0);
      expect(peers.oldestOf(2, 7, 1)).toBe(0);
    }
  });
});

const page = new AnswerPage();

/** What a pool has, by entry. */
function textsOf(pool: PeerPool, peers: PeerTable): Map<number, string> {
  const found = new Map<number, string>();
  const [entries, neighbourhoods] = [new Uint32Array(1), new Int32Array(1)];
  for (let place = 0; place < pool.size; place++) {
    const entry = pool.at(place);
    expect(peers.get(entry, PEER.place)).toBe(place);
    pool.look(new Uint32Array([place]), 1, entries, neighbourhoods);
    expect([entries[0], neighbourhoods[0]]).toEqual([entry, 1 - entry]);
    page.clear();
    pool.tell(place, page);
    found.set(entry, JSON.stringify(JSON.parse(page.toJson())));
  }
  return found;
}

describe("PeerPool", () => {
  test("keeps texts of every length, and who is verified, through any removal, and gives memory back", () => {
    const peers = new PeerTable();
    const [pool, other] = [new PeerPool(peers), new PeerPool(peers)];
    const texts = new Map<number, string>();
    for (let number = 0; number < 2000; number++) {
      const entry = peers.add({ ...PEER_DEFAULTS, key: number });
      const [host, port] = ["x".repeat(1 + (number % 90)), 1 + ((number * 7919) % 65_535)];
      const verified = number % 3 === 0 && { verified: true };
      texts.set(entry, JSON.stringify([{ host, port, ...verified }]));
      pool.add(entry, { host, port }, -number);
      if (verified) pool.setVerified(entry);
    }
    expect(textsOf(pool, peers)).toEqual(texts);
    const entries = [...texts.keys()].toSorted((a, b) => ((a * 7919) % 2003) - ((b * 7919) % 2003));
    for (const gone of entries.splice(0, 1900)) {
      pool.remove(gone);
      texts.delete(gone);
    }
    expect(textsOf(pool, peers)).toEqual(texts);
    for (const moved of entries.splice(0, 70)) other.takeFrom(pool, moved);
    expect([pool.size, other.size]).toEqual([30, 70]);
    expect(new Map([...textsOf(pool, peers), ...textsOf(other, peers)])).toEqual(texts);
    expect(pool.bytes).toBeLessThan(200 * 64);
  });

  test("says whether one of it is for its own zone only", () => {
    const peers = new PeerTable();
    const [pool, other] = [new PeerPool(peers), new PeerPool(peers)];
    const [open, zoned] = [
      peers.add({ ...PEER_DEFAULTS, key: 1 }),
      peers.add({ ...PEER_DEFAULTS, key: 2, zone: "private" }),
    ];
    for (const entry of [open, zoned]) pool.add(entry, { host: "h", port: entry }, 0);
    expect([pool.isZoned, other.isZoned]).toEqual([true, false]);
    other.takeFrom(pool, zoned);
    expect([pool.isZoned, other.isZoned]).toEqual([false, true]);
    other.remove(zoned);
    expect(other.isZoned).toBe(false);
  });
});
