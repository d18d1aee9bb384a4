import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Crypto } from "../../protocol/crypto.ts";
import { TorrentError } from "../../protocol/errors.ts";
import { Geometry } from "../../protocol/geometry.ts";
import { TRACKER_URL_CHARS_MAX } from "../../protocol/limits.ts";
import type { PartAlgorithm } from "../../protocol/part-algorithm.ts";
import {
  createTorrent,
  expectedDigests,
  isTrackerUrl,
  parseTorrent,
  type Torrent,
} from "../../protocol/torrent.ts";
import { testCrypto } from "../support/crypto.ts";
import { makeTorrent, randomBytes, swarmHash, utf8 } from "../support/fixtures.ts";
import {
  corpusBytes,
  goldenTorrent,
  goodTorrents,
  readTorrent,
} from "../support/torrent-corpus.ts";
import { formatTorrent } from "../support/torrent-text.ts";

describe("parseTorrent", () => {
  for (const file of goodTorrents) {
    test(`parseTorrent reads the good torrent "${file.name}"`, () => {
      const torrent = readTorrent(corpusBytes(file));
      // The expected digests were computed by Python's hashlib from SPEC.md §1.2, BLAKE3's parts by the package hash-wasm.
      expect(describeTorrent(torrent)).toEqual(file.expect);
    });
  }

  test("parseTorrent reads each part's digest in its place", () => {
    const torrent = readTorrent(JSON.stringify(fileOf(["00", "aB", "ff"])));
    const texts = [...torrent.geometry.parts()].map((part) =>
      expectedDigests(torrent, { first: part, count: 1 }).toHex(),
    );
    expect(texts).toEqual(["00", "ab", "ff"].map((pair) => pair.repeat(32)));
  });

  test("parseTorrent reads the parts' digests that a plain BLAKE3 gives", () => {
    const torrent = readTorrent(corpusBytes(goldenTorrent("blake3")));
    const content = Uint8Array.from({ length: 1000 }, (_, at) => at % 251);
    const made = makeTorrent({ content, partBytes: 256, algorithm: "blake3" });
    expect(made.partDigests).toEqual(torrent.partDigests);
    expect(made.digest).toBe(torrent.digest);
  });

  test("parseTorrent refuses an algorithm that the machine lacks, and says what is missing", () => {
    const lacking: Crypto = {
      ...testCrypto,
      lacks: (algorithm) => (algorithm === "blake3" ? "its library is not installed" : undefined),
    };
    for (const { name } of goodTorrents.filter((file) => file.expect.algorithm === "blake3")) {
      const refused = () => parseTorrent(lacking, corpusBytes(goldenTorrent(name)));
      expect(refused).toThrow(TorrentError);
      expect(refused).toThrow(expect.objectContaining({ code: "unsupported_algorithm" }));
      expect(refused).toThrow("Algorithm is blake3, and its library is not installed");
    }
    for (const name of ["original_program", "sha256", "algorithm_sha1"]) {
      const bytes = corpusBytes(goldenTorrent(name));
      expect(parseTorrent(lacking, bytes)).toEqual(readTorrent(bytes));
    }
  });

  test("parseTorrent gives a torrent that cannot be changed afterwards", () => {
    expect(Object.isFrozen(readTorrent(formatTorrent(makeTorrent())))).toBe(true);
  });
});

describe("formatTorrent", () => {
  test("formatTorrent and parseTorrent are each other's inverse", () => {
    fc.assert(
      fc.property(anyTorrent(), (torrent) => {
        expect(readTorrent(formatTorrent(torrent))).toEqual(torrent);
      }),
      { numRuns: 300 },
    );
  });

  test("formatTorrent writes the original's four keys, and beside them only what is known", () => {
    const bare = makeTorrent({ name: undefined, trackers: [], created: undefined });
    const file = JSON.parse(formatTorrent(bare));
    expect(Object.keys(file)).toEqual(["FileInfo"]);
    expect(Object.keys(file.FileInfo)).toEqual(["Size", "PartSize", "Parts", "Hash"]);
  });

  test("formatTorrent names the algorithm of BLAKE3 only, in the place that SPEC.md gives it", () => {
    const infoOf = (algorithm: PartAlgorithm) =>
      JSON.parse(formatTorrent(makeTorrent({ algorithm }))).FileInfo;
    expect(infoOf("blake3").Algorithm).toBe("blake3");
    for (const algorithm of ["sha1", "sha256"] as const) {
      expect(infoOf(algorithm)).not.toHaveProperty("Algorithm");
    }
  });

  test("formatTorrent writes one line that ends with a line feed", () => {
    expect(formatTorrent(makeTorrent({ name: "a b" }))).toMatch(/^[^\n]+\n$/);
  });
});

describe("createTorrent", () => {
  test("createTorrent digests the label, the head, the hash and the parts in that order", () => {
    const content = randomBytes(3, 700);
    const torrent = makeTorrent({ content, partBytes: 512, algorithm: "sha1" });
    const canonical = Buffer.concat([
      Buffer.from("p2p torrent v1"),
      Buffer.from("01" + "00000000000002bc" + "00000200", "hex"),
      Buffer.from("6f1e3a529c4b4d7e8a102b3c4d5e6f70", "hex"),
      torrent.partDigests,
    ]);
    expect(String(torrent.digest)).toBe(testCrypto.sha256(canonical).toHex());
  });

  test("createTorrent gives another digest when anything of FileInfo differs", () => {
    const content = randomBytes(4, 512);
    const other = randomBytes(5, 512);
    const variants: Torrent[] = [
      makeTorrent({ content, partBytes: 256 }),
      makeTorrent({ content, partBytes: 512 }),
      makeTorrent({ content: content.subarray(0, 511), partBytes: 512 }),
      makeTorrent({ content: other, partBytes: 256 }),
      makeTorrent({ content, partBytes: 256, algorithm: "sha1" }),
      makeTorrent({ content, partBytes: 256, algorithm: "blake3" }),
      makeTorrent({ content, partBytes: 256, hash: "00000000-0000-4000-8000-000000000000" }),
    ];
    expect(new Set(variants.map((torrent) => torrent.digest)).size).toBe(variants.length);
  });

  test("createTorrent gives the same digest whatever stands beside FileInfo", () => {
    const digests = [
      makeTorrent(),
      makeTorrent({ name: "other" }),
      makeTorrent({ trackers: [] }),
      makeTorrent({ created: undefined }),
    ].map((torrent) => torrent.digest);
    expect(new Set(digests).size).toBe(1);
  });

  test("createTorrent asserts that every part has its digest", () => {
    const make = () =>
      createTorrent(testCrypto, { ...makeTorrent(), partDigests: new Uint8Array(31) });
    expect(make).toThrow("Every part has its digest");
  });
});

describe("isTrackerUrl", () => {
  test("isTrackerUrl takes the longest URL and refuses one unit more", () => {
    const base = "http://t.example/";
    expect(isTrackerUrl(base.padEnd(TRACKER_URL_CHARS_MAX, "a"))).toBe(true);
    expect(isTrackerUrl(base.padEnd(TRACKER_URL_CHARS_MAX + 1, "a"))).toBe(false);
  });
});

function describeTorrent(torrent: Torrent): object {
  return {
    size: torrent.geometry.fileBytes,
    partSize: torrent.geometry.partBytes,
    partCount: torrent.geometry.partCount,
    algorithm: torrent.algorithm,
    hash: String(torrent.hash),
    digest: String(torrent.digest),
    name: torrent.name ?? null,
    trackers: torrent.trackers,
    created: torrent.created ?? null,
  };
}

function fileOf(pairs: readonly string[]): object {
  const parts = pairs.map((pair) => pair.repeat(32));
  return {
    FileInfo: {
      Size: pairs.length,
      PartSize: 1,
      Parts: parts,
      Hash: "6f1e3a52-9c4b-4d7e-8a10-2b3c4d5e6f70",
    },
  };
}

function anyTorrent(): fc.Arbitrary<Torrent> {
  return fc
    .record({
      partBytes: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 2 ** 24 })),
      partCount: fc.integer({ min: 0, max: 20 }),
      shortBy: fc.nat(),
      algorithm: fc.constantFrom("sha1" as const, "sha256" as const, "blake3" as const),
      hash: fc.uuid(),
      seed: fc.integer(),
      name: fc.option(fc.stringMatching(/^[a-zA-Z0-9 ._\u00e0-\u00ff\u4e00-\u4fff-]{3,80}$/u), {
        nil: undefined,
      }),
      trackers: fc.array(fc.webUrl(), { maxLength: 16 }),
      created: fc.option(
        fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("9999-12-31") }),
        { nil: undefined },
      ),
    })
    .map((draw) => {
      const fileBytes = Math.max(
        draw.partCount === 0 ? 0 : (draw.partCount - 1) * draw.partBytes + 1,
        draw.partCount * draw.partBytes - (draw.shortBy % draw.partBytes),
      );
      const geometry = new Geometry({ fileBytes, partBytes: draw.partBytes });
      // With no parts nothing tells SHA-1 from SHA-256: the file counts as SHA-256.
      const isUntold = geometry.partCount === 0 && draw.algorithm === "sha1";
      const algorithm = isUntold ? "sha256" : draw.algorithm;
      const digestBytes = algorithm === "sha1" ? 20 : 32;
      return createTorrent(testCrypto, {
        hash: swarmHash(draw.hash),
        algorithm,
        geometry,
        partDigests: randomBytes(draw.seed, geometry.partCount * digestBytes),
        name: draw.name,
        trackers: draw.trackers,
        created: draw.created?.toISOString(),
      });
    });
}

test("the corpus of good torrents really covers a byte order mark", () => {
  const marked = goodTorrents.filter((file) => corpusBytes(file)[0] === 0xef);
  expect(marked.map((file) => file.name)).toEqual(["byte_order_mark"]);
  expect(utf8("\ufeff")).toEqual(Uint8Array.of(0xef, 0xbb, 0xbf));
});
