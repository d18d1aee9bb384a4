import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { AddressBook } from "../../../peer/swarm/address-book.ts";
import { type Address, formatAddress } from "../../../protocol/address.ts";
import { addressOf, fractionsOf } from "../../support/swarm-fixtures.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(60_000);

const START_MS = 5_000_000;
const MINUTE_MS = 60_000;

function createBook(seed = 1): AddressBook {
  return new AddressBook(fractionsOf(seed));
}

function addresses(count: number, from = 0): Address[] {
  return Array.from({ length: count }, (_, at) => addressOf(from + at));
}

/** Dials whatever may be dialled now. */
function dialAll(book: AddressBook, nowMs: number): Address[] {
  const dialled: Address[] = [];
  for (let next = book.next(nowMs); next !== undefined; next = book.next(nowMs)) dialled.push(next);
  return dialled;
}

/** Dials all that may be dialled every second, each attempt failing at once.
 * @returns the times of the attempts by address */
function dialInVain(book: AddressBook, forMs: number): Map<string, number[]> {
  const attempts = new Map<string, number[]>();
  for (let at = START_MS; at < START_MS + forMs; at += 1000) {
    for (const address of dialAll(book, at)) {
      const key = formatAddress(address);
      attempts.set(key, [...(attempts.get(key) ?? []), at]);
      book.onFailed(address, "refused", at);
    }
  }
  return attempts;
}

/** @returns the most of the times that lie within any window of that length */
function mostWithin(times: readonly number[], windowMs: number): number {
  const counts = times.map(
    (from) => times.filter((at) => at >= from && at < from + windowMs).length,
  );
  return Math.max(0, ...counts);
}

describe("AddressBook", () => {
  test("CLI-3: next gives at most eight addresses to dial at once", () => {
    const book = createBook();
    book.learn(addresses(50), "tracker");
    // Six from one source: what another source names has two left, even when none of the first answers.
    const dialled = dialAll(book, START_MS);
    expect(dialled).toHaveLength(6);
    book.learn(addresses(100).slice(50), "exchange");
    dialled.push(...dialAll(book, START_MS));
    expect(dialled).toHaveLength(8);
    expect(new Set(dialled.map(formatAddress)).size).toBe(8);
    expect(book.dialling).toBe(8);
    book.onFailed(dialled[0] ?? addressOf(0), "refused", START_MS);
    expect(dialAll(book, START_MS)).toHaveLength(1);
  });

  test("learn takes the tracker's last word on whether somebody reached an address, and nobody else's", () => {
    const book = createBook();
    const [one = addressOf(0)] = addresses(1);
    const reach = () => {
      book.next(START_MS);
      book.onJoined(one, 1, START_MS);
      return book.reached(8);
    };
    book.learn([one], "tracker");
    expect(book.reached(8)).toEqual([]);
    expect(reach()).toEqual([one]);
    book.learn([{ ...one, verified: true }], "exchange");
    expect(book.reached(8)).toEqual([one]);
    book.learn([{ ...one, verified: true }], "tracker");
    expect(book.reached(8)).toEqual([]);
    book.learn([one], "tracker");
    expect(book.reached(8)).toEqual([one]);
    book.onLeft(one, 1, "reset", START_MS);
    expect(book.reached(8)).toEqual([]);
  });

  test("reached names those that were called, some by lot, and never one that only called us", () => {
    const book = createBook();
    book.learn(addresses(20), "user");
    const all: Address[] = [];
    for (let address = book.next(START_MS); address !== undefined; address = book.next(START_MS)) {
      all.push(address);
      book.onJoined(address, all.length, START_MS);
    }
    book.onJoined(addressOf(99), 99, START_MS);
    const seen = new Set<string>();
    for (let draw = 0; draw < 50; draw++) {
      const reached = book.reached(8).map(formatAddress);
      expect(new Set(reached).size).toBe(8);
      for (const address of reached) seen.add(address);
    }
    expect([...seen].sort()).toEqual(all.map(formatAddress).sort());
    expect(all.length).toBe(20);
  });

  test("CLI-3: next gives at most thirty strangers a minute, whatever the trackers say", () => {
    const book = createBook();
    book.learn(addresses(2000), "tracker");
    const firsts: number[] = [];
    for (const times of dialInVain(book, 5 * MINUTE_MS).values()) firsts.push(times[0] ?? 0);
    expect(mostWithin(firsts, MINUTE_MS)).toBe(30);
    expect(firsts.length).toBeGreaterThanOrEqual(5 * 30);
  });

  test("CLI-3: next gives a stranger that never answers at most three times in any ten minutes", () => {
    for (let seed = 0; seed < 20; seed++) {
      const book = createBook(seed);
      book.learn([addressOf(1)], "tracker");
      const [times = []] = dialInVain(book, 60 * MINUTE_MS).values();
      expect(mostWithin(times, 10 * MINUTE_MS)).toBeLessThanOrEqual(3);
      // Negative control: it is not given up either.
      expect(times.length).toBeGreaterThanOrEqual(6);
      expect((times[1] ?? 0) - START_MS).toBeLessThanOrEqual(20_000);
    }
  });

  test("next gives one that proved itself again within a second, and every few seconds for ever", () => {
    const book = createBook();
    book.learn([addressOf(1)], "tracker");
    book.next(START_MS);
    book.onJoined(addressOf(1), 7, START_MS);
    book.onLeft(addressOf(1), 7, "reset", START_MS + 1);
    expect(book.next(START_MS + 100)).toBeUndefined();
    expect(book.next(START_MS + 1000)).toEqual(addressOf(1));
    book.onFailed(addressOf(1), "refused", START_MS + 1000);
    const [times = []] = dialInVain(book, 60 * MINUTE_MS).values();
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(4000);
    expect(mostWithin(times, MINUTE_MS)).toBeLessThan(30);
  });

  test("next gives what the user named first, again and again, outside the strangers' budget", () => {
    const book = createBook();
    book.learn(addresses(100), "tracker");
    dialInVain(book, 1000);
    book.learn([addressOf(777)], "user");
    expect(book.next(START_MS)).toEqual(addressOf(777));
    book.onFailed(addressOf(777), "refused", START_MS);
    const times = dialInVain(book, 2 * MINUTE_MS).get(formatAddress(addressOf(777))) ?? [];
    expect(times.length).toBeGreaterThanOrEqual(5);
  });

  test("onJoined of one that leaves at once every time makes each wait longer than the last", () => {
    const book = createBook();
    book.learn([addressOf(1)], "tracker");
    let dials = 0;
    for (let at = START_MS; at < START_MS + 2 * MINUTE_MS; at += 100) {
      if (book.next(at) === undefined) continue;
      dials++;
      book.onJoined(addressOf(1), dials, at);
      book.onLeft(addressOf(1), dials, "no place left", at + 50);
    }
    expect(dials).toBeLessThanOrEqual(12);
    // One that stayed a while begins anew.
    const at = START_MS + 10 * MINUTE_MS;
    expect(book.next(at)).toEqual(addressOf(1));
    book.onJoined(addressOf(1), 99, at);
    book.onLeft(addressOf(1), 99, "reset", at + MINUTE_MS);
    expect(book.next(at + MINUTE_MS + 1000)).toEqual(addressOf(1));
  });

  test("CLI-3: onJoined of one that calls us makes it no friend: it says itself where it listens", () => {
    const book = createBook();
    const attempts: number[] = [];
    for (let at = START_MS; at < START_MS + 60 * MINUTE_MS; at += 1000) {
      // It calls every minute, and is gone at once each time.
      if ((at - START_MS) % MINUTE_MS === 0) {
        book.onJoined(addressOf(1), at, at);
        book.onLeft(addressOf(1), at, "reset", at + 1);
      }
      for (const address of dialAll(book, at + 900)) {
        attempts.push(at);
        book.onFailed(address, "refused", at + 900);
      }
    }
    expect(mostWithin(attempts, 10 * MINUTE_MS)).toBeLessThanOrEqual(3);
    expect(attempts.length).toBeGreaterThanOrEqual(3);
  });

  test("CLI-3: onJoined of many that call us and claim to listen elsewhere dials thirty of them a minute", () => {
    const book = createBook();
    const dialled: number[] = [];
    for (let call = 0; call < 1000; call++) {
      const at = START_MS + call * 100;
      book.onJoined(addressOf(call), call, at);
      book.onLeft(addressOf(call), call, "reset", at + 1);
      for (const address of dialAll(book, at + 50)) {
        dialled.push(at);
        book.onFailed(address, "refused", at + 50);
      }
    }
    expect(mostWithin(dialled, 10_000)).toBeLessThanOrEqual(30);
    expect(dialled.length).toBeGreaterThanOrEqual(30);
  });

  test("CLI-3: learn of an address that was forgotten brings it no new attempts", () => {
    const book = createBook();
    const times: number[] = [];
    for (let round = 0; round < 300; round++) {
      const at = START_MS + round * 20_000;
      // The book is flooded, so that what failed is forgotten, and then named again.
      book.learn(addresses(2000, 1 + ((round * 2000) % 60_000)), "tracker");
      book.learn([addressOf(0)], "tracker");
      for (const address of dialAll(book, at)) {
        if (address.host === addressOf(0).host) times.push(at);
        book.onFailed(address, "refused", at);
      }
    }
    expect(mostWithin(times, 10 * MINUTE_MS)).toBeLessThanOrEqual(3);
  });

  test("learn of what the user names makes it the user's, whoever named it before", () => {
    const book = createBook();
    book.learn([addressOf(1)], "tracker", "9.9.9.9");
    expect(book.originOf(addressOf(1))).toEqual({ isUsers: false, teller: "9.9.9.9" });
    book.learn([addressOf(1)], "exchange", "127.0.0.1");
    expect(book.originOf(addressOf(1))).toEqual({ isUsers: false, teller: "9.9.9.9" });
    book.learn([addressOf(1)], "user");
    expect(book.originOf(addressOf(1)).isUsers).toBe(true);
    expect(book.originOf(addressOf(2))).toEqual({ isUsers: false, teller: undefined });
  });

  test("onLeft of a connection that was replaced changes nothing", () => {
    const book = createBook();
    book.learn([addressOf(1)], "tracker");
    book.next(START_MS);
    book.onJoined(addressOf(1), 1, START_MS);
    book.onJoined(addressOf(1), 2, START_MS);
    book.onLeft(addressOf(1), 1, "connected twice", START_MS);
    expect(book.next(START_MS + MINUTE_MS)).toBeUndefined();
    book.onLeft(addressOf(1), 2, "reset", START_MS);
    expect(book.next(START_MS + MINUTE_MS)).toEqual(addressOf(1));
  });

  test("SIM-1: ban is for ever, whatever is said of the address afterwards", () => {
    const book = createBook();
    book.learn([addressOf(1)], "tracker");
    book.next(START_MS);
    book.ban(addressOf(1), "it sent a wrong part");
    expect(book.dialling).toBe(0);
    book.learn([addressOf(1)], "user");
    book.onJoined(addressOf(1), 3, START_MS);
    book.onLeft(addressOf(1), 3, "reset", START_MS);
    book.onFailed(addressOf(1), "refused", START_MS);
    book.onDuplicate(addressOf(1), START_MS);
    expect(book.isBanned(addressOf(1))).toBe(true);
    expect(book.next(START_MS + 1e9)).toBeUndefined();
    expect([book.known, book.banned, book.dialling]).toEqual([0, 1, 0]);
  });

  test("SIM-1: ban holds for addresses nobody learned, in a full book too", () => {
    const book = createBook();
    book.learn(addresses(2000), "tracker");
    book.ban(addressOf(5000), "it sent a wrong part");
    expect(book.isBanned(addressOf(5000))).toBe(true);
    expect(book.banned).toBe(1);
  });

  test("onSelf is never dialled again and not counted as known", () => {
    const book = createBook();
    book.learn([addressOf(1), addressOf(2)], "tracker");
    for (const address of dialAll(book, START_MS)) book.onSelf(address);
    expect(book.next(START_MS + 1e9)).toBeUndefined();
    expect([book.known, book.dialling]).toEqual([0, 0]);
  });

  test("onDuplicate waits a minute without counting as a failure", () => {
    const book = createBook();
    book.learn([addressOf(1)], "user");
    book.next(START_MS);
    book.onDuplicate(addressOf(1), START_MS);
    expect(book.next(START_MS + MINUTE_MS - 1)).toBeUndefined();
    expect(book.unreachable()).toEqual([]);
    expect(book.next(START_MS + MINUTE_MS)).toEqual(addressOf(1));
  });

  test("CLI-3: learn keeps at most 2,000 addresses, the same one once", () => {
    const book = createBook();
    book.learn([addressOf(1), addressOf(1)], "tracker");
    expect(book.known).toBe(1);
    for (let round = 0; round < 3; round++) book.learn(addresses(1000, round * 1000), "exchange");
    expect(book.known).toBe(2000);
  });

  test("learn forgets a dead stranger for a new one when the book is full", () => {
    const book = createBook();
    book.learn(addresses(2000), "tracker");
    dialInVain(book, 1000);
    book.learn([addressOf(4000)], "tracker");
    expect(book.known).toBe(2000);
    expect(book.unreachable().length).toBeGreaterThan(0);
    const given = new Set<string>();
    for (const key of dialInVain(book, 120 * MINUTE_MS).keys()) given.add(key);
    expect(given.has(formatAddress(addressOf(4000)))).toBe(true);
  });

  test("unreachable names those that failed last, with the reason", () => {
    const book = createBook();
    book.learn(addresses(3), "tracker");
    for (const address of dialAll(book, START_MS)) {
      if (address.host === "10.0.0.0") book.onFailed(address, "refused", START_MS);
      else book.onJoined(address, 1, START_MS);
    }
    book.ban(addressOf(2), "it lied");
    expect(book.unreachable()).toEqual([
      { address: addressOf(0), reason: "refused" },
      { address: addressOf(2), reason: "it lied" },
    ]);
  });

  test("SIM-7: next gives those that delivered before, then as many strangers of one source as of another", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const book = createBook(seed);
      book.learn(addresses(400), "exchange");
      book.learn(addresses(410).slice(400), "tracker");
      const [good] = addresses(411).slice(410);
      if (good === undefined) throw new Error("There is one more");
      book.learn([good], "exchange");
      book.onDelivered(good);
      expect(book.next(START_MS)).toEqual(good);
      const others = dialAll(book, START_MS).map(formatAddress);
      const tracked = addresses(410).slice(400).map(formatAddress);
      // Ten of four hundred and ten: chance alone would hardly give one.
      expect(others.filter((address) => tracked.includes(address)).length).toBeGreaterThan(0);
    }
  });

  test("onDelivered's control: one that only joined is a stranger like any other", () => {
    let first = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const book = createBook(seed);
      book.learn(addresses(200), "exchange");
      const [joined] = addresses(201).slice(200);
      if (joined === undefined) throw new Error("There is one more");
      book.onJoined(joined, 1, START_MS);
      book.onLeft(joined, 1, "gone", START_MS);
      const next = book.next(START_MS + MINUTE_MS);
      if (next !== undefined && formatAddress(next) === formatAddress(joined)) first++;
    }
    expect(first).toBeLessThan(5);
  });
});
