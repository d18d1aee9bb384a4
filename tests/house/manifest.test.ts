import { describe, expect, test } from "bun:test";
import { wrongDependencies, wrongDocuments } from "./manifest.ts";
import { type Files, readProject } from "./sources.ts";

const PROJECT = readProject();

const GOOD: Files = {
  "package.json": manifest({}),
  "ARCHITECTURE.md":
    "- `elysia`: the tracker's HTTP\n\nSee `tracker/app.ts`, `tests/` and `POST /hash`.",
  "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- This\n",
  "README.md": "`npx -y bun@1.4.5 run demo`, then `bun run tracker`",
  "tracker/app.ts": "",
  "tests/a.test.ts": "",
};

describe("wrongDependencies", () => {
  test("wrongDependencies finds none in the project", () => {
    expect(wrongDependencies(PROJECT)).toEqual([]);
  });

  test("wrongDependencies catches what is loose, old, unexplained, too many, or shadows a program", () => {
    const withManifest = (changes: object) =>
      wrongDependencies({ ...GOOD, "package.json": manifest(changes) });
    expect(wrongDependencies(GOOD)).toEqual([]);
    const dependencies = (version: string) => ({ dependencies: { elysia: version } });
    expect(withManifest(dependencies("^1.4.30"))).toEqual([
      "elysia is not pinned exactly: ^1.4.30",
    ]);
    expect(withManifest(dependencies("1.4.26"))).toEqual(["elysia is below 1.4.27"]);
    expect(withManifest({ devDependencies: { ajv: "latest" } })).toHaveLength(1);
    expect(withManifest({ engines: { bun: ">=1.4.3" } })).toEqual(["bun is below 1.4.4"]);
    expect(withManifest({ dependencies: { elysia: "1.4.30", ajv: "8.0.0" } })).toEqual([
      "ARCHITECTURE.md has no line for ajv",
    ]);
    expect(withManifest({ optionalDependencies: { ajv: "^8.0.0" } })).toEqual([
      "ajv is not pinned exactly: ^8.0.0",
      "ARCHITECTURE.md has no line for ajv",
    ]);
    expect(withManifest({ scripts: { peer: "bun peer/index.ts" } })).toHaveLength(1);
    const twelve = Array.from({ length: 12 }, (_, at) => [`a${at}`, "1.0.0"] as const);
    const lines = twelve.map(([name]) => `- \`${name}\`: x`).join("\n");
    const withLines = (changes: object) =>
      wrongDependencies({ ...GOOD, "package.json": manifest(changes), "ARCHITECTURE.md": lines });
    expect(withLines({ dependencies: Object.fromEntries(twelve) })).toEqual(["12 dependencies"]);
    const elevenAndOne = {
      dependencies: Object.fromEntries(twelve.slice(1)),
      optionalDependencies: Object.fromEntries(twelve.slice(0, 1)),
    };
    expect(withLines(elevenAndOne)).toEqual([]);
    const twoOptional = { optionalDependencies: Object.fromEntries(twelve.slice(0, 2)) };
    expect(withLines({ dependencies: {}, ...twoOptional })).toEqual(["2 optional ones"]);
  });
});

describe("wrongDocuments", () => {
  test("wrongDocuments finds none in the project", () => {
    expect(wrongDocuments(PROJECT)).toEqual([]);
  });

  test("wrongDocuments catches a script, a file and an Unreleased part that are not there", () => {
    expect(wrongDocuments(GOOD)).toEqual([]);
    expect(wrongDocuments({ ...GOOD, "README.md": "`bun run demonstrate`" })).toEqual([
      'README.md says "bun run demonstrate", and there is no such script',
    ]);
    expect(wrongDocuments({ ...GOOD, "ARCHITECTURE.md": "`tracker/ap.ts`" })).toEqual([
      "ARCHITECTURE.md names tracker/ap.ts, and there is no such file",
    ]);
    for (const changelog of ["", "## [1.0.0]\n\n- This\n", "## [Unreleased]\n\n## [1.0.0]\n"]) {
      expect(wrongDocuments({ ...GOOD, "CHANGELOG.md": changelog })).toHaveLength(1);
    }
  });
});

function manifest(changes: object): string {
  return JSON.stringify({
    scripts: { demo: "bun tests/demo/demo.ts" },
    engines: { bun: ">=1.4.5" },
    dependencies: { elysia: "1.4.30" },
    devDependencies: { typescript: "7.0.2" },
    ...changes,
  });
}
