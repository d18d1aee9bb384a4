import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RequestLedger } from "../../../peer/swarm/requests.ts";
import { InvariantError } from "../../../protocol/errors.ts";
import { geometryOf, partOf, runOf } from "../../support/swarm-fixtures.ts";

const geometry = geometryOf(16);

function add(ledger: RequestLedger, connection: number, first: number, count = 1): void {
  const bytes = count * geometry.partBytes;
  ledger.add({
    connection,
    run: runOf(geometry, first, count),
    bytes,
    askedAtMs: 0,
    receivedBefore: 0,
  });
}

type Step = readonly ["add" | "settle" | "drop", connection: number, first: number];

/** The ledger beside the plainest thing that says the same: a set of texts. */
class LedgerAndModel {
  readonly #ledger = new RequestLedger(geometry);
  readonly #open = new Set<string>();

  apply([what, connection, first]: Step): void {
    const key = `${connection}:${first}`;
    if (what === "drop") this.#drop(connection);
    else if (what === "settle") {
      const settled = this.#ledger.settle(connection, partOf(geometry, first));
      expect(settled !== undefined).toBe(this.#open.delete(key));
    } else if (!this.#open.has(key)) {
      add(this.#ledger, connection, first);
      this.#open.add(key);
    }
  }

  check(): void {
    expect(this.#ledger.bytesTotal).toBe(this.#open.size * geometry.partBytes);
    let bytes = 0;
    for (let peer = 0; peer < 4; peer++) {
      bytes += this.#ledger.bytesOpen(peer);
      expect(this.#ledger.of(peer)).toHaveLength(this.#ledger.countOpen(peer));
    }
    expect(bytes).toBe(this.#ledger.bytesTotal);
    const all = runOf(geometry, 0, geometry.partCount);
    expect([...this.#ledger.touching(all)]).toHaveLength(this.#open.size);
  }

  #drop(connection: number): void {
    const owed = [...this.#open].filter((text) => text.startsWith(`${connection}:`));
    const dropped = this.#ledger.drop(connection).map(({ run }) => `${connection}:${run.first}`);
    expect(dropped).toEqual(owed);
    for (const text of owed) this.#open.delete(text);
  }
}

describe("RequestLedger", () => {
  test("RequestLedger counts every byte from asking to its one answer", () => {
    const step = fc.tuple(
      fc.constantFrom("add" as const, "settle" as const, "drop" as const),
      fc.nat({ max: 3 }),
      fc.nat({ max: 15 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const both = new LedgerAndModel();
        for (const step of steps) {
          both.apply(step);
          both.check();
        }
      }),
      { numRuns: 300 },
    );
  });

  test("add of a first part that is open at the connection is a bug of ours", () => {
    const ledger = new RequestLedger(geometry);
    add(ledger, 1, 4, 2);
    expect(() => add(ledger, 1, 4)).toThrow(InvariantError);
    add(ledger, 2, 4);
    expect(ledger.find(1, partOf(geometry, 4))?.run.count).toBe(2);
  });

  test("touching leaves out what was taken back, of keeps it until it is answered", () => {
    const ledger = new RequestLedger(geometry);
    add(ledger, 1, 0);
    add(ledger, 1, 1);
    const request = ledger.find(1, partOf(geometry, 0));
    if (request !== undefined) request.isCancelled = true;
    add(ledger, 2, 1);
    const touching = (first: number, count: number) =>
      [...ledger.touching(runOf(geometry, first, count))].map(
        ({ connection, run }) => `${connection}:${run.first}`,
      );
    expect(touching(0, 2).sort()).toEqual(["1:1", "2:1"]);
    expect(touching(0, 1)).toEqual([]);
    expect(touching(2, 3)).toEqual([]);
    expect(ledger.of(1).map(({ run }) => Number(run.first))).toEqual([0, 1]);
    expect(ledger.bytesOpen(1)).toBe(2 * geometry.partBytes);
  });
});
