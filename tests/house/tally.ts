/** How a run of tests ended. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  /** Each failed test that the report names: where it stands, its title, and below them, indented, what it said. */
  readonly failures: readonly string[];
}

const TEXT_LIMIT_LINES = 12;

/** Counts the tests of one run. A run that ended badly has at least one failure, whatever its report says: it may have
 * died before its tests, or in the middle of them. A skipped test is neither passed nor failed.
 * @param report what `bun test --reporter=junit` wrote; empty when it wrote nothing
 * @param exitCode of the run */
export function countTests(report: string, exitCode: number): Tally {
  const [, head = ""] = /<testsuites\b([^>]*)>/.exec(report) ?? [];
  const number = (name: string): number => Number(attribute(head, name) ?? 0);
  const failures = number("failures") + number("errors");
  const passed = Math.max(0, number("tests") - failures - number("skipped"));
  const isBroken = exitCode !== 0 || passed + failures === 0;
  return {
    passed,
    failed: isBroken ? Math.max(1, failures) : failures,
    failures: namedFailures(report),
  };
}

function namedFailures(report: string): string[] {
  const cases = report.matchAll(/<testcase\b([^>]*)>\s*<(?:failure|error)\b([^>]*)>([^<]*)/g);
  return Array.from(cases, ([, test = "", failure = "", text = ""]) => {
    const place = `${attribute(test, "file")}:${attribute(test, "line") ?? "?"}`;
    const said = text.trim() === "" ? (attribute(failure, "message") ?? "") : decodeEntities(text);
    const lines = said
      .trimEnd()
      .split("\n")
      .filter((line) => line.trim() !== "")
      .slice(0, TEXT_LIMIT_LINES);
    return [`${place} ${attribute(test, "name")}`, ...lines.map((line) => `    ${line}`)].join(
      "\n",
    );
  });
}

function attribute(text: string, name: string): string | undefined {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1];
  return value === undefined ? undefined : decodeEntities(value);
}

const ENTITIES: Readonly<Record<string, string>> = { quot: '"', apos: "'", lt: "<", gt: ">" };

/** As the report writes it: a `>` may stand within a value, as an entity only. */
function decodeEntities(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replace(/&(quot|apos|lt|gt);/g, (_, name: string) => ENTITIES[name] ?? "")
    .replaceAll("&amp;", "&");
}
