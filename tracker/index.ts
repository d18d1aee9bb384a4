import packageJson from "../package.json" with { type: "json" };
import { checkTracker } from "./check/check.ts";
import { parseCheckCommand } from "./check/command.ts";
import { systemClock, systemRandom, systemStopwatch } from "./clock.ts";
import { parseTrackerCommand } from "./config.ts";
import { EXIT_CODES, FatalError, formatErrorLine } from "./errors.ts";
import { createLog } from "./log.ts";
import { serve } from "./serve.ts";

const { version } = packageJson;

process.exitCode = await run().catch(fail);

async function run(): Promise<number> {
  const isTerminal = process.stderr.isTTY === true;
  const { argv, env } = process;
  if (argv[2] === "check") return await check(argv.slice(3));
  const command = parseTrackerCommand({ argv: argv.slice(2), env, isTerminal, version });
  if (command.type === "print") {
    await Bun.write(Bun.stdout, command.text);
    return 0;
  }
  const { logLevel, logFormat } = command.config;
  const log = createLog({ level: logLevel, format: logFormat, write: writeError });
  const stop = new AbortController();
  let exitCode = 0;
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.on(signal, () => {
      exitCode = code;
      stop.abort();
    });
  }
  const onReady = (url: string): void => writeError(`listening on ${url}\n`);
  await serve(log, command.config, { version, signal: stop.signal, onReady });
  return exitCode;
}

async function check(argv: readonly string[]): Promise<number> {
  const command = parseCheckCommand(argv);
  if (command.type === "print") {
    await Bun.write(Bun.stdout, command.text);
    return 0;
  }
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  await checkTracker(
    { clock: systemClock, random: systemRandom, stopwatch: systemStopwatch, print },
    command.options,
  );
  return 0;
}

function fail(error: unknown): number {
  const fatal = error instanceof FatalError ? error : toBug(error);
  writeError(`${formatErrorLine(fatal)}\n`);
  return EXIT_CODES[fatal.code];
}

function toBug(cause: unknown): FatalError {
  const state = cause instanceof Error ? cause.message : String(cause);
  return new FatalError("error", state, { cause, hint: "this is a bug; please report it" });
}

function writeError(text: string): void {
  process.stderr.write(text);
}
