import { describe, expect, test } from "bun:test";
import { readProject } from "./sources.ts";
import { wrongWords } from "./words.ts";

describe("wrongWords", () => {
  test("wrongWords finds none in the project", () => {
    expect(wrongWords(readProject())).toEqual([]);
  });

  test("wrongWords catches each word where it does not belong, on its line", () => {
    const wrong: readonly (readonly [string, string])[] = [
      ["peer/a.ts", `// ${"TO"}DO: later`],
      ["README.md", `${"FIX"}ME`],
      ["peer/transfer/a.ts", "const now = Date.now();"],
      ["peer/transfer/a.ts", "const now = new Date();"],
      ["peer/net/a.ts", "setTimeout(() => {}, 5);"],
      ["tracker/a.ts", "const at = Math.random();"],
      ["tracker/a.ts", "const id = crypto.randomUUID();"],
      ["peer/storage/a.ts", 'console.log("here");'],
      ["peer/config.ts", "const home = process.env.HOME;"],
      ["protocol/a.ts", "const bytes = Buffer.alloc(5);"],
      ["protocol/a.ts", 'const text = await Bun.file("a").text();'],
      ["protocol/a.ts", 'import { join } from "node:path";'],
      ["README.md", `see ${"/wo"}rk/main/README.md`],
      ["peer/a.ts", `// as in ../sha${"red"}/A.md`],
      ["tests/a.test.ts", `test.${"on"}ly("a", () => {});`],
      ["bun.lock", '"https://example.com/a.tgz"'],
    ];
    for (const [path, text] of wrong) {
      expect([path, text, wrongWords({ [path]: `\n${text}` })]).toEqual([
        path,
        text,
        [expect.stringContaining(`${path}:2 has `)],
      ]);
    }
  });

  test("wrongWords lets the words be where they belong", () => {
    const right = {
      "peer/clock.ts": "export const now = () => Date.now();",
      "tracker/clock.ts": "setTimeout(wake, ms);",
      "peer/cli/process-edge.ts": "const { env } = process; use(process.env);",
      "peer/cli/a.ts": "console.log(1);",
      "peer/transfer/a.ts": "// setTimeout would not do: see clock.ts\nconst at = new Date(ms);",
      "tests/a.test.ts": "const now = Date.now();",
    };
    expect(wrongWords(right)).toEqual([]);
  });
});
