import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { countTests, type Tally } from "./tally.ts";

/** Everything a merge needs, one stage after the other, whatever an earlier one says: `bun run ok`. With `--install` it
 * installs first, which makes it what CI runs: `bun run ci`. The last line is `N passed, N failed`; the exit code is 0
 * only with none failed. Before it stand the tests that failed and the stages. It imports no package, since it runs before
 * any is there. */

/** A stage of tests counts its tests; any other counts only when it fails, as one. */
interface Stage {
  readonly name: string;
  readonly command: readonly string[];
  /** Runs over these instead: paths that are not there yet are left out, but not all of them may be missing. */
  readonly tests?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const ROOT = join(import.meta.dir, "../..");
const BUN = process.execPath;
const EXECUTABLES = {
  PEER_CMD: join(ROOT, "dist/peer"),
  TRACKER_CMD: join(ROOT, "dist/tracker"),
};
const UNIT_TESTS = ["tests/protocol", "tests/peer", "tests/tracker", "tests/contract"];
/** What peers do among each other is the same code in an executable: these run from source only, for the gate's time. One of
 * them is about executables anyway, of its own making. */
const SOURCE_ONLY = ["executables", "faults", "pipe-peers", "sharing", "steady", "swarm"].map(
  (name) => `${name}.test.ts`,
);
/** The HTTP and the command-line tests: those that start the programs. */
const PROGRAM_TESTS = [
  "tests/tracker/api.test.ts",
  "tests/tracker/process.test.ts",
  "tests/tracker/kill.test.ts",
  "tests/tracker/stored-address.test.ts",
  "tests/tracker/forwarded-address.test.ts",
  "tests/tracker/limits.test.ts",
  "tests/tracker/surface.test.ts",
  "tests/tracker/metrics.test.ts",
  "tests/tracker/request-log.test.ts",
  "tests/tracker/check.test.ts",
  "tests/tracker/operating.test.ts",
  "tests/peer/cli/process.test.ts",
  ...readdirSync(join(ROOT, "tests/e2e"))
    .filter((name) => name.endsWith(".test.ts") && !SOURCE_ONLY.includes(name))
    .map((name) => `tests/e2e/${name}`),
];

const INSTALL: Stage = {
  name: "install",
  command: [BUN, "install", "--frozen-lockfile", "--ignore-scripts"],
};
const CHECKS: readonly Stage[] = [
  { name: "types", command: [BUN, "node_modules/typescript/bin/tsc"] },
  {
    name: "lint",
    command: [BUN, "node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings"],
  },
  { name: "house", command: [BUN, "test"], tests: ["tests/house"] },
];
const BUILD: Stage = { name: "build", command: [BUN, "build.ts"] };
const COMPILED: Stage = {
  name: "the programs' tests against the executables",
  command: [BUN, "test"],
  tests: PROGRAM_TESTS,
  env: EXECUTABLES,
};
/** Whole swarms in virtual time: one core's work, whatever else goes on, so they run beside what waits a lot. */
const SIMULATION: Stage = { name: "simulation", command: [BUN, "test"], tests: ["tests/sim"] };
/** One after the other; those in a list of their own at the same time. */
const STAGES: Readonly<Record<string, readonly (Stage | readonly Stage[])[]>> = {
  compiled: [BUILD, COMPILED],
  ok: [
    ...CHECKS,
    BUILD,
    [{ name: "unit and contract tests", command: [BUN, "test"], tests: UNIT_TESTS }, COMPILED],
    [
      { name: "end to end", command: [BUN, "test"], tests: ["tests/e2e", "tests/demo"] },
      SIMULATION,
    ],
    { name: "robustness", command: [BUN, "test"], tests: ["tests/robustness"] },
  ],
};

const stop = new AbortController();
const STOPPED_EXIT_CODE = 130;

/** Runs the stages and says how they ended.
 * @returns the exit code */
async function run(stages: readonly (Stage | readonly Stage[])[]): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "gate-"));
  const lines: string[] = [];
  const failures: string[] = [];
  let [passed, failed] = [0, 0];
  try {
    for (const [at, together] of stages.entries()) {
      if (stop.signal.aborted) break;
      const group = [together].flat();
      const ended = await Promise.all(
        group.map((stage, beside) =>
          timed(stage, join(directory, `${at}-${beside}.xml`), { isBeside: beside > 0 }),
        ),
      );
      for (const { tally, line } of ended) {
        passed += tally.passed;
        failed += tally.failed;
        lines.push(line);
        failures.push(...tally.failures);
      }
      if (together === INSTALL && failed > 0) break;
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const last = [...failures, "", ...lines, `${passed} passed, ${failed} failed`];
  process.stdout.write(`\n${last.join("\n")}\n`);
  if (stop.signal.aborted) return STOPPED_EXIT_CODE;
  return failed === 0 ? 0 : 1;
}

async function timed(stage: Stage, reportPath: string, how: { readonly isBeside: boolean }) {
  if (!how.isBeside) process.stdout.write(`\n== ${stage.name}\n`);
  const startedMs = performance.now();
  const tally = await runStage(stage, reportPath, how);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  return {
    tally,
    line: `${tally.failed === 0 ? "ok    " : "FAILED"} ${stage.name} (${seconds} s)`,
  };
}

/** @param how.isBeside what it prints comes when it has ended, between the lines of the stage that it runs beside */
async function runStage(
  stage: Stage,
  reportPath: string,
  how: { readonly isBeside: boolean },
): Promise<Tally> {
  const there = stage.tests?.filter((path) => existsSync(join(ROOT, path)));
  if (there?.length === 0) return { passed: 0, failed: 1, failures: [] };
  const report = ["--reporter=junit", `--reporter-outfile=${reportPath}`];
  const words = there === undefined ? [] : [...there, ...report];
  const child = Bun.spawn([...stage.command, ...words], {
    cwd: ROOT,
    env: { ...process.env, ...stage.env },
    stdin: "ignore",
    stdout: how.isBeside ? "pipe" : "inherit",
    stderr: how.isBeside ? "pipe" : "inherit",
    signal: stop.signal,
  });
  if (child.stdout !== undefined && child.stderr !== undefined) {
    const printed = [child.stdout, child.stderr].map((stream) => new Response(stream).text());
    const said = (await Promise.all(printed)).join("");
    process.stdout.write(`\n== ${stage.name}\n${said}`);
  }
  const exitCode = await child.exited;
  if (there === undefined) return { passed: 0, failed: exitCode === 0 ? 0 : 1, failures: [] };
  const text = await readFile(reportPath, "utf8").catch(() => "");
  return countTests(text, exitCode);
}

for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => stop.abort());
const [which = "ok"] = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const chosen = STAGES[which];
if (chosen === undefined) throw new Error(`No such gate: ${which}`);
process.exitCode = await run(process.argv.includes("--install") ? [INSTALL, ...chosen] : chosen);
