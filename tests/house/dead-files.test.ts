import { describe, expect, test } from "bun:test";
import { deadFiles } from "./dead-files.ts";
import { readProject } from "./sources.ts";

const PROGRAMS = {
  "peer/index.ts": 'import { a } from "./cli/a.ts";',
  "tracker/index.ts": "",
  "build.ts": "",
  "drizzle.config.ts": "",
};

describe("deadFiles", () => {
  test("deadFiles finds none in the project", () => {
    expect(deadFiles(readProject())).toEqual([]);
  });

  test("deadFiles catches a file that nobody imports or starts, and a program that is gone", () => {
    const dead = {
      ...PROGRAMS,
      "peer/cli/a.ts": 'import type { B } from "./b.ts";',
      "peer/cli/b.ts": "",
      "peer/cli/forgotten.ts": 'import { a } from "./a.ts";',
      "tests/peer/child.ts": "",
    };
    expect(deadFiles(dead)).toEqual(["peer/cli/forgotten.ts", "tests/peer/child.ts"]);
    expect(deadFiles({ ...dead, "peer/cli/c.test.ts": 'import "./forgotten.ts";' })).toEqual([
      "tests/peer/child.ts",
    ]);
    const { "build.ts": _, ...three } = PROGRAMS;
    expect(deadFiles({ ...three, "peer/cli/a.ts": "" })).toEqual(["build.ts is missing"]);
  });

  test("deadFiles follows programs that tests and scripts start", () => {
    const started = {
      ...PROGRAMS,
      "peer/cli/a.ts": "",
      "package.json": '{ "scripts": { "bench": "bun tests/bench/run.ts" } }',
      "tests/bench/run.ts": "",
      "tests/peer/a.test.ts": 'const child = join(import.meta.dir, "child.ts");',
      "tests/peer/child.ts": "",
    };
    expect(deadFiles(started)).toEqual([]);
  });
});
