import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compare } from "../bench/plot/comparison.ts";
import { drawFigure } from "../bench/plot/figure.ts";
import { type Results, ResultsError, type Transfer } from "../bench/results.ts";
import { ROOT } from "./sources.ts";

type Run = Results["runs"][number];

/** @param rates MiB/s of each round; the CPU time is a hundredth of it */
function transfer(
  client: string,
  rates: readonly number[],
  more: Partial<Transfer> = {},
): Transfer {
  return {
    ...{ client, version: "1", settings: "source", mib: 1024, leechers: 1, partBytes: 1_048_576 },
    rounds: rates.map((rate) => ({
      seconds: 1,
      mibPerSecond: rate,
      cpuSecondsPerGib: rate / 100,
      seederCpuSeconds: 1,
      leechersCpuSeconds: 1,
      seederPeakMib: 1,
      leecherPeakMib: 1,
    })),
    ...more,
  };
}

function run(transfers: Transfer[], more: Partial<Run> = {}): Run {
  const date = "2026-11-22T10:00:00.000Z";
  return { commit: "abc1234", date, machine: "2 x AMD EPYC", bun: "1.4.5", transfers, ...more };
}

function results(...runs: Run[]): Results {
  return { format: 1, runs };
}

function draw(...transfers: Transfer[]): string {
  return drawFigure(compare(results(run(transfers)), 1024));
}

const ALL = [
  transfer("libtorrent", [550, 600, 500]),
  transfer("bare loop with sha256", [590]),
  transfer("bare loop without hash", [2400]),
  transfer("peer plain", [400, 300, 410]),
  transfer("libtorrent", [620], { leechers: 4 }),
  transfer("peer plain", [800], { leechers: 4 }),
];

describe("compare", () => {
  test("compare takes medians and what is around them, ours first and the limit last", () => {
    const { groups } = compare(results(run(ALL)), 1024);
    expect(groups.map(({ leechers }) => leechers)).toEqual([1, 4]);
    expect(groups[0]?.entries.map(({ client, kind }) => [client, kind])).toEqual([
      ["peer plain", "ours"],
      ["libtorrent", "other"],
      ["bare loop with sha256", "limit"],
    ]);
    const [ours] = groups[0]?.entries ?? [];
    expect(ours?.mibPerSecond).toEqual({ least: 300, median: 400, most: 410 });
    expect(ours?.cpuSecondsPerGib).toEqual({ least: 3, median: 4, most: 4.1 });
  });

  test("compare leaves out who was not measured in a setup", () => {
    const { groups } = compare(results(run(ALL)), 1024);
    expect(groups[1]?.entries.map(({ client }) => client)).toEqual(["peer plain", "libtorrent"]);
  });

  test("compare joins runs that are alike, and no others", () => {
    const runs = [
      run([transfer("peer plain", [1])], { commit: "old" }),
      run([transfer("peer plain", [1])], { machine: "another" }),
      run([transfer("peer plain", [2]), transfer("aria2", [7])]),
      run([transfer("peer plain", [3])], { date: "2026-11-23T10:00:00.000Z" }),
    ];
    const { groups } = compare(results(...runs), 1024);
    expect(groups[0]?.entries.map(({ client, rounds }) => [client, rounds])).toEqual([
      ["peer plain", 2],
      ["aria2", 1],
    ]);
  });

  test("compare mixes no sizes, no part sizes and no settings", () => {
    const mixed = [
      transfer("peer plain", [1], { mib: 4096 }),
      transfer("peer plain", [2], { partBytes: 4096 }),
      transfer("peer plain", [3], { settings: "executable" }),
      transfer("peer plain", [4]),
    ];
    const { groups } = compare(results(run(mixed)), 1024);
    expect(groups[0]?.entries.map(({ mibPerSecond }) => mibPerSecond.most)).toEqual([4]);
    expect(groups[0]?.entries[0]?.rounds).toBe(1);
  });

  test("compare refuses where there is nothing of that size, and says what there is", () => {
    const of =
      (...runs: Run[]) =>
      () =>
        compare(results(...runs), 1024);
    expect(of()).toThrow(ResultsError);
    expect(of(run([transfer("bare loop with sha1", [1])]))).toThrow("the last run has none");
    expect(of(run([transfer("peer plain", [1], { mib: 128 })]))).toThrow(
      "the last run has 128 MiB",
    );
  });
});

describe("drawFigure", () => {
  test("drawFigure makes bars and whiskers as long as what they stand for, on one scale a panel", () => {
    const figure = draw(...ALL);
    const bars = [...figure.matchAll(/<g><rect class="(\w+)" .*?width="([\d.]+)".*?<\/g>/g)];
    const widths = bars.map(([, , width]) => Number(width));
    // Each group has its rates, then its CPU times.
    const rates = [400, 550, 590, 800, 620];
    const drawnRates = [...widths.slice(0, 3), ...widths.slice(6, 8)];
    const drawnTimes = [...widths.slice(3, 6), ...widths.slice(8, 10)];
    expect(widths).toHaveLength(10);
    for (const drawn of [drawnRates, drawnTimes]) {
      const unit = (drawn[3] ?? 0) / 800;
      expect(unit).toBeGreaterThan(0);
      for (const [at, rate] of rates.entries()) expect(drawn[at]).toBeCloseTo(rate * unit, 1);
    }

    const [, left, right] =
      /class="whisker" d="M([\d.]+) [\d.]+H([\d.]+)/.exec(bars[0]?.[0] ?? "") ?? [];
    expect(Number(right) - Number(left)).toBeCloseTo(((410 - 300) * (drawnRates[3] ?? 0)) / 800, 1);
    expect(bars.map(([bar]) => bar.includes("whisker")).filter(Boolean)).toHaveLength(4);
  });

  test("drawFigure says who, how much, where and when", () => {
    const texts = textsOf(draw(...ALL));
    for (const said of [
      "peer plain",
      "libtorrent",
      "400",
      "4.00",
      "bare loop with sha256",
      "1 → 1",
    ])
      expect(texts).toContain(said);
    expect(texts).toContain(
      "commit abc1234 · 2026-11-22 · Bun 1.4.5 · parts of 1 MiB · 2 x AMD EPYC",
    );
    expect(texts.join()).not.toContain("without hash");
    expect(texts.join()).toContain("median of 1 to 3 rounds");
  });

  test("drawFigure leaves out who is missing, bar, name and legend", () => {
    const figure = draw(transfer("peer plain", [400]));
    expect(figure).not.toContain("libtorrent");
    expect(figure).not.toContain('class="other"');
    expect(figure).not.toContain('class="limit"');
    expect(textsOf(figure)).toContain("one round");
  });

  test("drawFigure is well-formed XML whatever the names are, and shows them", () => {
    const hostile = `</text><script>&"'\u0000\uD800\uFFFE`;
    const machine = hostile.repeat(20);
    const figure = drawFigure(
      compare(results(run([...ALL, transfer(hostile, [1])], { machine })), 1024),
    );
    expect(whatIsWrong(figure)).toBeUndefined();
    expect(figure).not.toContain("<script");
    expect(figure).toContain("&lt;/text&gt;&lt;script&gt;&amp;&quot;'\uFFFD\uFFFD\uFFFD");
    expect(Math.max(...textsOf(figure).map((text) => [...text].length))).toBeLessThan(200);
  });

  test("drawFigure draws zeros as nothing, and not as no numbers", () => {
    const figure = draw(transfer("peer plain", [0]), transfer("aria2", [0]));
    expect(figure).not.toMatch(/NaN|Infinity/);
    expect(whatIsWrong(figure)).toBeUndefined();
  });

  test("drawFigure has a title, colours for a dark page, and the same bytes each time", () => {
    const figure = draw(...ALL);
    expect(figure).toContain('aria-labelledby="title description"');
    expect(figure).toContain('<title id="title">Moving 1 GiB over loopback</title>');
    expect(figure).toMatch(/<desc id="description">[^<]*peer plain 400 and 4\.00, libtorrent 550/);
    expect(figure).toContain("@media (prefers-color-scheme: dark)");
    expect(draw(...ALL)).toBe(figure);
  });
});

describe("bench plot", () => {
  test("bench plot draws a file, and refuses a bad one in one line", async () => {
    const directory = await mkdtemp(join(tmpdir(), "plot-"));
    try {
      const [json, svg] = [join(directory, "a.json"), join(directory, "a.svg")];
      await Bun.write(json, JSON.stringify(results(run(ALL))));
      expect(plot(json, svg)).toEqual({ exitCode: 0, stderr: "" });
      expect(await Bun.file(svg).text()).toBe(draw(...ALL));

      await Bun.write(json, '{"format":1}');
      const { exitCode, stderr } = plot(json, svg);
      expect(exitCode).toBe(1);
      expect(stderr).toStartWith(`Cannot read ${json}: /runs is absent`);
      expect(stderr.trimEnd()).not.toContain("\n");
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }, 30_000);
});

describe("whatIsWrong", () => {
  test("whatIsWrong catches what is not well-formed, and lets the rest pass", () => {
    for (const wrong of [
      "<a>",
      "<a></b>",
      "<a/><b/>",
      "<a>&</a>",
      '<a b="<"/>',
      "<a b=c/>",
      "<a>\u0000</a>",
      "a",
    ])
      expect([wrong, whatIsWrong(wrong)]).not.toEqual([wrong, undefined]);
    expect(whatIsWrong('<a b="1" c-d="&lt;">x &amp; y<e/></a>\n')).toBeUndefined();
  });
});

function plot(...paths: readonly string[]) {
  const words = [process.execPath, join(ROOT, "tests/bench/run.ts"), "plot", ...paths];
  const { exitCode, stderr } = Bun.spawnSync(words, { stdin: "ignore", stdout: "ignore" });
  return { exitCode, stderr: stderr.toString() };
}

/** What is in `text` elements. */
function textsOf(figure: string): readonly string[] {
  return [...figure.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text = ""]) => text);
}

const TAG = /<(\/?)([\w-]+)((?: [\w:-]+="(?:[^<>&"]|&(?:amp|lt|gt|quot);)*")*)(\/?)>/g;

/** As much of XML as the figures use: elements that close in order, one root, quoted attributes, known entities.
 * @returns undefined when nothing is */
function whatIsWrong(xml: string): string | undefined {
  if (/[^\P{Cc}\n]|[\uFFFE\uFFFF]|\p{Cs}/u.test(xml)) return "a character that XML does not have";
  const rest = xml.replace(TAG, "").replace(/&(amp|lt|gt|quot);/g, "");
  if (/[<&]/.test(rest)) return `no markup: ${rest.slice(rest.search(/[<&]/), 50)}`;
  return wrongNesting(xml);
}

function wrongNesting(xml: string): string | undefined {
  const open: string[] = [];
  let roots = 0;
  for (const [, isEnd, name = "", , isEmpty] of xml.matchAll(TAG)) {
    if (isEnd === "" && open.length === 0) roots++;
    if (isEnd === "") open.push(name);
    if ((isEnd !== "" || isEmpty !== "") && open.pop() !== name) return `${name} was not open`;
  }
  return open.length > 0 || roots !== 1 ? `${roots} roots, open at the end: ${open}` : undefined;
}
