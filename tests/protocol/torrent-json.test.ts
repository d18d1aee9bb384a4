import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { PARTS_MAX, TORRENT_VALUES_MAX } from "../../protocol/limits.ts";
import { parseTorrentJson } from "../../protocol/torrent-json.ts";
import { FIXTURE_HASH, makeTorrent, randomBytes, utf8 } from "../support/fixtures.ts";
import { corpusBytes, goodTorrents, malformedTorrents } from "../support/torrent-corpus.ts";
import { anyDocument } from "../support/torrent-documents.ts";
import { doAgree, outcomesOf, type TorrentOutcome } from "../support/torrent-outcome.ts";
import { formatTorrent } from "../support/torrent-text.ts";

const SHA256 = "0123456789abcdef".repeat(4);
const SHA1 = SHA256.slice(0, 40);

describe("parseTorrentJson", () => {
  test("parseTorrentJson makes no string of a digest in any torrent that is written", () => {
    const content = randomBytes(1, 1000);
    for (const algorithm of ["sha1", "sha256", "blake3"] as const) {
      const torrent = makeTorrent({ content, algorithm, partBytes: 7 });
      const { root, digests } = parseTorrentJson(utf8(formatTorrent(torrent)));
      expect(root).toMatchObject({ FileInfo: { Size: 1000, PartSize: 7, Parts: [] } });
      expect(digests?.digests).toEqual(torrent.partDigests);
    }
  });

  test("parseTorrentJson takes the list of FileInfo.Parts and no other", () => {
    const list = `["${SHA1}"]`;
    const isTaken = (text: string) => parseTorrentJson(utf8(text)).digests !== undefined;
    expect(isTaken(`{"FileInfo":{"Parts":${list}}}`)).toBe(true);
    expect(
      isTaken(`{"a":${list},"FileInfo":{"b":${list},"P\\u0061rts":${list},"c":1},"d":2}`),
    ).toBe(true);
    for (const text of [
      `{"Parts":${list}}`,
      `{"FileInfo":${list}}`,
      `{"FileInfo":[{"Parts":${list}}]}`,
      `{"FileInfo":{"Parts":{"Parts":${list}}}}`,
      `{"FileInfo":{"Parts":[${list}]}}`,
      `{"fileInfo":{"Parts":${list}}}`,
      `{"x":{"Parts":${list}},"FileInfo":{"parts":${list}}}`,
      `[{"FileInfo":${list}}]`,
    ]) {
      const { root, digests } = parseTorrentJson(utf8(text));
      expect({ text, root, digests }).toEqual({ text, root: JSON.parse(text), digests: undefined });
    }
  });

  test("parseTorrentJson leaves every list that leaves a question to JSON", () => {
    const before = [
      "",
      SHA1,
      `${SHA1}", "${SHA1}`,
      `${SHA1}","${SHA256}`,
      `${SHA1}","${SHA1.slice(1)}`,
      `${SHA1.slice(1)}g`,
      `\\u0061${SHA1.slice(1)}`,
      `\\u0061${SHA1.slice(6)}`,
      `${SHA1.slice(2)}\\"`,
      `${SHA1.slice(1)}\u00e9`,
      `${SHA1.slice(2)}\u00e9`,
    ].map((inner) => `["${inner}"]`);
    const lists = [...before, "[]", "[1]", `["${SHA1}",null]`, `["${SHA1}",["${SHA1}"]]`];
    const taken = lists.filter((list) => {
      const { digests } = parseTorrentJson(utf8(`{"FileInfo":{"Parts":${list}}}`));
      return digests !== undefined;
    });
    expect(taken).toEqual([`["${SHA1}"]`, `["${SHA1}", "${SHA1}"]`]);
  });
});

describe("parseTorrent beside a reader that makes strings", () => {
  test("parseTorrent says of every file of the corpus what the naive reader says", () => {
    for (const file of [...goodTorrents, ...malformedTorrents]) {
      const { real, naive } = outcomesOf(corpusBytes(file));
      expect({ name: file.name, ...real }).toEqual({ name: file.name, ...naive });
    }
  });

  test("parseTorrent says of any document about a torrent what the naive reader says", () => {
    const accepted = { plain: 0, odd: 0 };
    const codes = new Set<string>();
    fc.assert(
      fc.property(anyDocument(), (bytes) => {
        const outcomes = outcomesOf(bytes);
        expect(outcomes.real).toEqual(outcomes.naive);
        expect(doAgree(outcomes)).toBe(true);
        if ("code" in outcomes.real) codes.add(outcomes.real.code);
        else if (parseTorrentJson(bytes).digests === undefined) accepted.odd++;
        else accepted.plain++;
      }),
      { numRuns: 20_000 },
    );
    expect(accepted.plain).toBeGreaterThan(1000);
    expect(accepted.odd).toBeGreaterThan(20);
    expect(codes.size).toBeGreaterThan(10);
  }, 60_000);

  test("parseTorrent says of lists at the limits what the naive reader says", () => {
    const text = (count: number, extra: string) =>
      `{"FileInfo":{"Size":${count},"PartSize":1,"Parts":[${`"${SHA1}",`.repeat(count - 1)}"${SHA1}"],"Hash":"${FIXTURE_HASH}"}${extra}}`;
    const own = 6;
    const room = TORRENT_VALUES_MAX - own - (PARTS_MAX - 1);
    const list = (values: number) => `,"x":[${"1,".repeat(values - 2)}1]`;
    const cases: readonly (readonly [number, string, string])[] = [
      [PARTS_MAX, "", "accepted"],
      [PARTS_MAX + 1, "", "too_many_parts"],
      [PARTS_MAX, list(room), "accepted"],
      [PARTS_MAX, list(room + 1), "too_many_parts"],
      [TORRENT_VALUES_MAX + 1, "", "too_many_parts"],
    ];
    for (const [count, extra, verdict] of cases) {
      const { real, naive } = outcomesOf(utf8(text(count, extra)));
      const toVerdict = (outcome: TorrentOutcome) =>
        "torrent" in outcome ? "accepted" : outcome.code;
      expect([count, extra.length, toVerdict(naive)]).toEqual([count, extra.length, verdict]);
      expect(toVerdict(real)).toBe(verdict);
      expect(doAgree({ real, naive })).toBe(true);
    }
  }, 60_000);

  test("doAgree tells a digest, a code and a message that differ", () => {
    const outcomes = (text: string) => outcomesOf(utf8(text)).real;
    const one = outcomes(formatTorrent(makeTorrent()));
    const other = outcomes(formatTorrent(makeTorrent({ name: "other" })));
    const [broken, cut] = [outcomes("{"), outcomes('{"')];
    for (const [real, naive] of [
      [one, other],
      [one, broken],
      [broken, one],
      [broken, cut],
    ] as const) {
      expect(doAgree({ real, naive })).toBe(false);
      expect(doAgree({ real, naive: real })).toBe(true);
    }
  });
});
