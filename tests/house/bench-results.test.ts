import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  appendRun,
  parseResults,
  type Results,
  ResultsError,
  type RunHead,
  readResults,
  type Transfer,
} from "../bench/results.ts";

const HEAD: RunHead = {
  commit: "abc1234",
  date: "2026-11-22T10:00:00.000Z",
  machine: "2 x AMD EPYC",
  bun: "1.4.5",
};
const TRANSFER: Transfer = {
  client: "peer plain",
  version: "0.1.0",
  settings: "from source",
  mib: 1024,
  leechers: 1,
  partBytes: 1_048_576,
  rounds: [
    {
      seconds: 2.123456789,
      mibPerSecond: 482.2,
      cpuSecondsPerGib: 3.09,
      seederCpuSeconds: 0.88,
      leechersCpuSeconds: 2.21,
      seederPeakMib: 72,
      leecherPeakMib: 157,
    },
  ],
};

let directory = "";
let path = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "results-"));
  path = join(directory, "results.json");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("appendRun", () => {
  test("appendRun adds each figure at once, and each run after those that are there", async () => {
    const record = await appendRun(path, HEAD);
    expect(await Bun.file(path).exists()).toBe(false);
    await record([TRANSFER]);
    expect((await readResults(path)).runs[0]?.transfers).toHaveLength(1);
    await record([{ ...TRANSFER, leechers: 4 }]);
    await (await appendRun(path, { ...HEAD, commit: "def5678" }))([TRANSFER]);

    const { runs } = await readResults(path);
    expect(runs.map(({ commit }) => commit)).toEqual(["abc1234", "def5678"]);
    expect(runs[0]?.transfers.map(({ leechers }) => leechers)).toEqual([1, 4]);
    expect(runs[0]?.transfers[0]?.rounds[0]?.seconds).toBe(2.1235);
    expect(await readdir(directory)).toEqual(["results.json"]);
  });

  test("appendRun refuses what it cannot append to, and leaves it as it was", async () => {
    await Bun.write(path, "no results");
    await expect(appendRun(path, HEAD)).rejects.toThrow(ResultsError);
    expect(await Bun.file(path).text()).toBe("no results");
  });
});

describe("parseResults", () => {
  const results: Results = { format: 1, runs: [{ ...HEAD, transfers: [TRANSFER] }] };

  test("parseResults gives back what is right", () => {
    expect(parseResults("a.json", JSON.stringify(results))).toEqual(results);
  });

  test("parseResults says in one line where a file is wrong", () => {
    const withTransfer = (change: object) =>
      JSON.stringify({ format: 1, runs: [{ ...HEAD, transfers: [{ ...TRANSFER, ...change }] }] });
    const [round] = TRANSFER.rounds;
    const wrong: readonly (readonly [string, string])[] = [
      ["{", "it is no JSON"],
      ["[]", "the top is []"],
      ["null", "the top is null"],
      ['{"format":2,"runs":[]}', "/format is 2"],
      ['{"format":1}', "/runs is absent"],
      [withTransfer({ mib: "1024" }), '/runs/0/transfers/0/mib is "1024"'],
      [withTransfer({ leechers: 0 }), "/runs/0/transfers/0/leechers is 0"],
      [withTransfer({ rounds: [] }), "/runs/0/transfers/0/rounds is []"],
      [withTransfer({ more: 1 }), "/runs/0/transfers/0/more is 1"],
      [
        withTransfer({ rounds: [{ ...round, seconds: -1 }] }),
        "/runs/0/transfers/0/rounds/0/seconds is -1",
      ],
      [
        JSON.stringify({ ...results, runs: [{ ...HEAD, date: "today", transfers: [] }] }),
        '/runs/0/date is "today"',
      ],
    ];
    for (const [text, said] of wrong) {
      const parse = () => parseResults("a.json", text);
      expect(parse).toThrow(ResultsError);
      expect(parse).toThrow(`Cannot read a.json: ${said}`);
      expect(parse).not.toThrow("\n");
    }
  });

  test("readResults says that there is no such file", async () => {
    await expect(readResults(path)).rejects.toThrow(`Cannot read ${path}: there is no such file`);
  });
});
