import { describe, expect, test } from "bun:test";
import path from "node:path";
import fc from "fast-check";
import type { TorrentDigest } from "../../protocol/ids.ts";
import { createTorrent } from "../../protocol/torrent.ts";
import { testCrypto } from "../support/crypto.ts";
import { FIXTURE_HASH, makeTorrent } from "../support/fixtures.ts";
import {
  corpusBytes,
  malformedTorrents,
  readTorrent,
  torrentVerdict,
} from "../support/torrent-corpus.ts";
import { formatTorrent } from "../support/torrent-text.ts";
import { traversalStrings } from "../support/traversal.ts";

const DIGEST = "ab".repeat(32);
const ALGORITHMS = ["sha1", "sha256", "blake3"] as const;

describe("TOR-1", () => {
  for (const file of malformedTorrents) {
    test(`TOR-1: parseTorrent refuses "${file.name}" as ${file.code}`, () => {
      expect(torrentVerdict(corpusBytes(file))).toBe(file.code);
    });
  }

  test("TOR-1: the corpus holds at least 120 malformed torrents, each with a name of its own", () => {
    const names = new Set(malformedTorrents.map((file) => file.name));
    expect(names.size).toBe(malformedTorrents.length);
    expect(names.size).toBeGreaterThanOrEqual(120);
  });

  test("TOR-1: parseTorrent accepts what the malformed torrents were made from", () => {
    expect(torrentVerdict(torrentText({}))).toBe("accepted");
  });

  test("TOR-1: JSON.parse alone would take duplicates, depth and foreign values", () => {
    const taken = malformedTorrents.filter((file) => {
      try {
        JSON.parse(new TextDecoder().decode(corpusBytes(file)));
        return true;
      } catch {
        return false;
      }
    });
    expect(taken.filter((file) => file.code === "duplicate_key").length).toBeGreaterThan(5);
    expect(taken.filter((file) => file.code === "too_deep").length).toBeGreaterThan(2);
  });

  test("TOR-1: parseTorrent leaves Object.prototype as it was", () => {
    const before = Object.getOwnPropertyNames(Object.prototype).toSorted();
    for (const file of malformedTorrents) torrentVerdict(corpusBytes(file));
    readTorrent(`{"__proto__":{"polluted":1},${torrentText({}).slice(1)}`);
    expect(Object.getOwnPropertyNames(Object.prototype).toSorted()).toEqual(before);
    expect("polluted" in {}).toBe(false);
  });

  test("TOR-1: parseTorrent never repeats a refused file's control characters in its message", () => {
    const printable = /^[\P{Cc}]*$/u;
    for (const file of malformedTorrents) {
      expect(() => readTorrent(corpusBytes(file))).toThrow(printable);
    }
  });
});

describe("TOR-2", () => {
  test("TOR-2: parseTorrent accepts exactly the triples whose part count agrees", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 300 }),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: -2, max: 2 }),
        fc.nat({ max: 301 }),
        (size, partSize, near, far) => {
          const right = countNaively(size, partSize);
          for (const count of [right, Math.max(0, right + near), far]) {
            const text = torrentText({ Size: size, PartSize: partSize, Parts: parts(count) });
            expect(torrentVerdict(text)).toBe(count === right ? "accepted" : "part_count_mismatch");
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("TOR-2: parseTorrent takes no number for Size or PartSize that is not whole and in range", () => {
    const anyNumber = fc.oneof(fc.double(), fc.integer(), fc.maxSafeInteger());
    fc.assert(
      fc.property(anyNumber, anyNumber, (size, partSize) => {
        const verdict = torrentVerdict(torrentText({ Size: size, PartSize: partSize, Parts: [] }));
        // JSON writes -0 as 0 and what is not finite as null.
        const isSize = Number.isSafeInteger(size) && size >= 0 && size <= 2 ** 44;
        const isPartSize = Number.isInteger(partSize) && partSize >= 1 && partSize <= 2 ** 24;
        if (!isSize) expect(verdict).toBe("bad_size");
        else if (!isPartSize) expect(verdict).toBe("bad_part_size");
        else expect(verdict === "accepted").toBe(Math.abs(size) === 0);
      }),
      { numRuns: 3000 },
    );
  });

  test("TOR-2: parseTorrent gives any JSON an answer: a torrent or a TorrentError", () => {
    const field = fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, fc.jsonValue());
    fc.assert(
      fc.property(
        fc.record({ Size: field, PartSize: field, Parts: field, Hash: field }),
        fc.record({ Name: field, Trackers: field, Created: field }),
        (info, root) => {
          const changed = Object.fromEntries(
            Object.entries(info).filter(([, value]) => value !== undefined),
          );
          expect(torrentVerdict(torrentText(changed, root))).toBeString();
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("TOR-3", () => {
  test("TOR-3: the table holds 500 different traversal strings", () => {
    expect(new Set(traversalStrings).size).toBeGreaterThanOrEqual(500);
  });

  test("TOR-3: parseTorrent refuses every traversal string as Hash", () => {
    for (const text of traversalStrings) {
      expect([text, torrentVerdict(torrentText({ Hash: text }))]).toEqual([text, "bad_hash"]);
    }
  });

  test("TOR-3: parseTorrent takes as Name only what stays in its directory", () => {
    let refused = 0;
    for (const text of traversalStrings) {
      const verdict = torrentVerdict(torrentText({}, { Name: text }));
      expect(["accepted", "bad_name"]).toContain(verdict);
      if (verdict === "bad_name") refused++;
      else expect([text, staysInside(text)]).toEqual([text, true]);
    }
    // What is left are names like "%2e%2e%2f", which nobody decodes.
    expect(refused).toBeGreaterThan(300);
  });

  test("TOR-3: the table would leave the directory if it were not refused", () => {
    expect(traversalStrings.filter((text) => !staysInside(text)).length).toBeGreaterThan(200);
  });

  test("TOR-3: parseTorrent takes a plain uuid and a plain name", () => {
    expect(torrentVerdict(torrentText({ Hash: FIXTURE_HASH }, { Name: "plain.iso" }))).toBe(
      "accepted",
    );
  });
});

describe("TOR-5", () => {
  test("TOR-5: createTorrent covers the algorithm, so a weak one cannot take a strong one's place", () => {
    const empty = makeTorrent({ content: new Uint8Array(0) });
    const digests = ALGORITHMS.map((algorithm) =>
      String(createTorrent(testCrypto, { ...empty, algorithm }).digest),
    );
    expect(new Set(digests).size).toBe(3);
  });

  test("TOR-5: parseTorrent gives another digest when only the algorithm of the same parts is swapped", () => {
    const algorithms = ["sha256", "blake3"] as const;
    const torrents = algorithms.map((Algorithm) => readTorrent(torrentText({ Algorithm })));
    const [one, other] = torrents;
    expect(torrents.map(({ algorithm }) => algorithm)).toEqual([...algorithms]);
    expect(one?.partDigests).toEqual(other?.partDigests as Uint8Array);
    expect(one?.digest).not.toBe(other?.digest as TorrentDigest);
  });

  test("TOR-5: parseTorrent tells the weak algorithm, for the programs to name", () => {
    const algorithms = ALGORITHMS.map(
      (algorithm) => readTorrent(formatTorrent(makeTorrent({ algorithm }))).algorithm,
    );
    expect(algorithms).toEqual([...ALGORITHMS]);
  });
});

function torrentText(info: object, root: object = {}): string {
  return JSON.stringify({
    FileInfo: { Size: 1, PartSize: 1, Parts: parts(1), Hash: FIXTURE_HASH, ...info },
    ...root,
  });
}

function parts(count: number): readonly string[] {
  return new Array(count).fill(DIGEST);
}

function countNaively(size: number, partSize: number): number {
  let count = 0;
  for (let offset = 0; offset < size; offset += partSize) count++;
  return count;
}

function staysInside(name: string): boolean {
  return (
    path.posix.dirname(path.posix.resolve("/data/in", name)) === "/data/in" &&
    path.win32.dirname(path.win32.resolve("D:\\data\\in", name)) === "D:\\data\\in"
  );
}
