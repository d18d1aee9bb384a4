import { describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { countTests } from "./tally.ts";

describe("countTests", () => {
  test("countTests reads what bun test really writes, failures and skipped ones apart", async () => {
    const two = `test("a", () => {}); test("b", () => {});`;
    const bad = `test("c", () => { throw new Error("no"); });`;
    expect(await runSuite(two)).toEqual({ passed: 2, failed: 0, failures: [] });
    expect(await runSuite(two + bad)).toMatchObject({ passed: 2, failed: 1 });
    expect(await runSuite(`${two} test.${"skip"}("d", () => {});`)).toEqual({
      passed: 2,
      failed: 0,
      failures: [],
    });
  }, 30_000);

  test("countTests names each failed test, with its place and what it said", async () => {
    const said = `test('a "<&>" b', () => { throw new Error("one & two\\nthree"); });`;
    const compared = `test("c", () => { expect([1]).toEqual([2]); });`;
    const slow = `test("d", () => new Promise(() => {}), 5);`;
    const { failures } = await runSuite(`${said}\n${compared}\n${slow}`);
    expect(failures).toHaveLength(3);
    expect(failures[0]).toStartWith('a.test.ts:2 a "<&>" b\n    Error: one & two\n    three\n');
    expect(failures[1]).toStartWith("a.test.ts:3 c\n    AssertionError: expect(received)");
    expect(failures[1]).toContain("\n    +   1,");
    expect(failures[2]).toBe("a.test.ts:4 d\n    test timed out");
  }, 30_000);

  test("countTests finds a failure in a run that died before or within its tests", async () => {
    expect(await runSuite(`throw new Error("at load");`)).toMatchObject({ passed: 0, failed: 1 });
    expect(await runSuite(`test("a", () => process.exit(3));`)).toMatchObject({ failed: 1 });
  }, 30_000);

  test("countTests takes no report, a report of nothing, and a bad exit for failures", () => {
    const fine = '<testsuites name="bun test" tests="3" assertions="3" failures="0" skipped="1">';
    expect(countTests("", 0)).toMatchObject({ passed: 0, failed: 1 });
    expect(countTests("<testsuites tests='0'>", 0)).toMatchObject({ passed: 0, failed: 1 });
    expect(countTests(fine, 0)).toMatchObject({ passed: 2, failed: 0 });
    expect(countTests(fine, 1)).toMatchObject({ passed: 2, failed: 1 });
  });
});

async function runSuite(body: string) {
  const directory = await mkdtemp(join(tmpdir(), "tally-"));
  try {
    const [suite, report] = [join(directory, "a.test.ts"), join(directory, "report.xml")];
    await writeFile(suite, `import { expect, test } from "bun:test";\n${body}\n`);
    const words = ["test", "./a.test.ts", "--reporter=junit", `--reporter-outfile=${report}`];
    const child = Bun.spawn([process.execPath, ...words], {
      cwd: directory,
      stdout: "ignore",
      stderr: "ignore",
    });
    const exitCode = await child.exited;
    return countTests(await readFile(report, "utf8").catch(() => ""), exitCode);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
