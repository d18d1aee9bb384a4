import { describe, expect, test } from "bun:test";
import { readProject } from "./sources.ts";
import { wrongTitles } from "./titles.ts";

describe("wrongTitles", () => {
  test("wrongTitles finds none in the project", () => {
    expect(wrongTitles(readProject())).toEqual([]);
  });

  test("wrongTitles catches an ID that is misspelt, unknown or used for one thing in two files", () => {
    for (const title of ["TRK4: a", "trk-4: a", "TRK-4 a", "TRK-99: a", "TRK-0: a", "ABC-1: a"]) {
      expect(wrongTitles({ "tests/a.test.ts": `test("${title}", () => {});` })).toEqual([
        `tests/a.test.ts has a test whose ID is none: ${title}`,
      ]);
    }
    const text = 'it(\n  "RES-1b: a kill loses nothing", () => {});';
    expect(wrongTitles({ "tests/a.test.ts": text, "tests/b.test.ts": text })).toHaveLength(1);
  });

  test("wrongTitles lets right IDs and plain sentences pass", () => {
    const right = [
      'test("TRK-4: a body of 4097 bytes is refused", () => {});',
      'test("TRK-4: a body of 4096 bytes is read", () => {});',
      'test("Client refuses what it did not ask for", () => {});',
      'test("SHA-1 torrents are read", () => {});',
    ];
    expect(wrongTitles({ "tests/a.test.ts": right.join("\n") })).toEqual([]);
  });
});
