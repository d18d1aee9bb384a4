import { describe, expect, test } from "bun:test";
import type { Torrent } from "../../protocol/torrent.ts";
import { utf8 } from "../support/fixtures.ts";
import { FUZZ_SEED, fuzzRuns, Mutator } from "../support/fuzz.ts";
import {
  corpusBytes,
  goodTorrents,
  malformedTorrents,
  readTorrent,
} from "../support/torrent-corpus.ts";
import { doAgree, type Outcomes, outcomesOf } from "../support/torrent-outcome.ts";
import { formatTorrent } from "../support/torrent-text.ts";

const CORPUS = [...goodTorrents, ...goodTorrents, ...malformedTorrents]
  .map(corpusBytes)
  .filter((bytes) => bytes.length < 1500);

const TOKENS = [
  ...'{}[],:"\\ \n0123456789-.eE/'.split(""),
  '"FileInfo":',
  '"Size":',
  '"PartSize":',
  '"Parts":[',
  '"Hash":',
  '"__proto__":{',
  '"Name":"..",',
  '"Algorithm":"blake3",',
  "null",
  "true",
  "1e999",
  "-0",
  "9007199254740993",
  "\\u0000",
  "\\u0061",
  '","',
  `"${"0F".repeat(20)}",`,
  `["${"e1".repeat(32)}"]`,
  "\\ud800",
  "\u202e",
].map(utf8);

describe("FUZZ-3", () => {
  const runs = fuzzRuns(200_000);
  test(`FUZZ-3: parseTorrent answers ${runs} inputs with a sound torrent or a TorrentError, as a naive reader does`, () => {
    const mutator = new Mutator(FUZZ_SEED, CORPUS, [
      ...TOKENS,
      Uint8Array.of(0xff),
      Uint8Array.of(0xef, 0xbb, 0xbf),
    ]);
    const codes = new Set<string>();
    let accepted = 0;
    for (let run = 0; run < runs; run++) {
      const bytes = mutator.next();
      const outcomes = outcomesOf(bytes);
      const { real } = outcomes;
      if ("torrent" in real) accepted++;
      else codes.add(real.code);
      const problem = unsoundness(outcomes);
      if (problem !== undefined)
        expect(`seed ${FUZZ_SEED}, run ${run}: ${bytes.toHex()}`).toBe(problem);
    }
    expect(accepted).toBeGreaterThan(runs / 50);
    expect(accepted).toBeLessThan(runs * 0.9);
    expect(codes.size).toBeGreaterThan(10);
    expect("polluted" in {}).toBe(false);
  }, 120_000);
});

function unsoundness(outcomes: Outcomes): string | undefined {
  if (!doAgree(outcomes)) return "what a reader says that makes a string of each digest";
  return "torrent" in outcomes.real ? unsoundnessOf(outcomes.real.torrent) : undefined;
}

function unsoundnessOf(torrent: Torrent): string | undefined {
  const { geometry, partDigests, algorithm, name } = torrent;
  const digestBytes = algorithm === "sha1" ? 20 : 32;
  if (partDigests.length !== geometry.partCount * digestBytes) return "a digest a part";
  if (name !== undefined && /^\.{1,2}$|[/\\]|^$/.test(name)) return "a name that is no path";
  if (geometry.partCount > 0 && readTorrent(utf8(formatTorrent(torrent))).digest !== torrent.digest)
    return "the same digest after writing and reading again";
  return undefined;
}
