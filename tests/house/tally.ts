/** How a run of tests ended. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/** Counts the tests of one run. A run that ended badly has at least one failure, whatever its report says: it may have
 * died before its tests, or in the middle of them. A skipped test is neither passed nor failed.
 * @param report what `bun test --reporter=junit` wrote; empty when it wrote nothing
 * @param exitCode of the run */
export function countTests(report: string, exitCode: number): Tally {
  const [, head = ""] = /<testsuites\b([^>]*)>/.exec(report) ?? [];
  const number = (name: string): number =>
    Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failures = number("failures") + number("errors");
  const passed = Math.max(0, number("tests") - failures - number("skipped"));
  const isBroken = exitCode !== 0 || passed + failures === 0;
  return { passed, failed: isBroken ? Math.max(1, failures) : failures };
}
