import type { Clock, Random } from "../clock.ts";
import { EXIT_CODES, FatalError } from "../errors.ts";
import type { Stopwatch } from "../watch.ts";
import type { CheckOptions } from "./command.ts";
import { createSteps, type Step, type Steps } from "./steps.ts";
import { TrackerHttp } from "./tracker-http.ts";

export interface CheckSurroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly stopwatch: Stopwatch;
  /** Takes whole lines, without their line ends. */
  readonly print: (line: string) => void;
}

/** Checks a tracker from outside, one line a step, and leaves nothing there.
 * @throws {FatalError} tracker, timeout: at the first step that failed */
export async function checkTracker(
  { clock, random, stopwatch, print }: CheckSurroundings,
  { url, json, readyOnly, timeoutMs }: CheckOptions,
): Promise<void> {
  const http = new TrackerHttp(clock, url, { timeoutMs });
  const steps = createSteps(clock, random, http);
  const chosen = readyOnly ? steps.all.slice(0, 1) : steps.all;
  const startedAt = stopwatch();
  const say = json ? jsonReport(print, url) : textReport(print, http.url);
  try {
    for (const step of chosen) {
      const begun = stopwatch();
      await step.run();
      say.step(step, stopwatch() - begun);
    }
    say.end(chosen.length, stopwatch() - startedAt);
  } catch (error) {
    await forgive(steps);
    if (error instanceof FatalError) say.failed(error, stopwatch() - startedAt);
    throw error;
  }
}

/** What went wrong is told already; that the tracker could not be tidied up either says nothing new. */
async function forgive(steps: Steps): Promise<void> {
  try {
    await steps.cleanUp();
  } catch {
    // It forgets the two peers by itself, after their time.
  }
}

interface Report {
  step(step: Step, ms: number): void;
  end(steps: number, ms: number): void;
  failed(error: FatalError, ms: number): void;
}

/** The error's own line goes to standard error, by whoever catches it. */
function textReport(print: (line: string) => void, url: string): Report {
  return {
    step: ({ name }, ms) => print(`ok  ${name.padEnd(14)}${ms.toFixed(1).padStart(8)} ms`),
    end: (steps, ms) =>
      print(`${url} works: ${steps} ${steps === 1 ? "step" : "steps"} in ${ms.toFixed(0)} ms`),
    failed: () => {},
  };
}

function jsonReport(print: (line: string) => void, url: string): Report {
  const line = (fields: object): void => print(JSON.stringify(fields));
  line({ type: "start", v: 1, url });
  return {
    step: ({ name }, ms) => line({ type: "step", name, ms: rounded(ms) }),
    end: (steps, ms) =>
      line({ type: "summary", result: "ok", exitCode: 0, steps, seconds: rounded(ms) / 1000 }),
    failed: ({ code, message, hint }, ms) => {
      const exitCode = EXIT_CODES[code];
      line({ type: "error", code: exitCode, name: code, message, hint });
      line({ type: "summary", result: code, exitCode, seconds: rounded(ms) / 1000 });
    },
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
