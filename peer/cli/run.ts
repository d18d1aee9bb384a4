import type { Clock, Random } from "../clock.ts";
import type { Variables } from "../config/given.ts";
import type { FlagValues } from "../config/settings.ts";
import { loadConfig, type PeerConfig } from "../config.ts";
import { UsageError } from "../errors.ts";
import { createLog, type Log } from "../log.ts";
import { printable } from "../printable.ts";
import type { Result } from "../result.ts";
import type { Disk } from "../storage/disk.ts";
import { createByteOutput } from "./byte-output.ts";
import { parseCommandLine } from "./command-line.ts";
import { createReport } from "./create-report.ts";
import { EXIT_CODES, Interruption, toExit, toResult } from "./exit-codes.ts";
import { inspect } from "./inspect.ts";
import { list } from "./list.ts";
import { LogFile } from "./log-file.ts";
import { Output, type TextStream } from "./output.ts";
import { remove } from "./remove.ts";
import type { Report } from "./report.ts";
import { Screen, type ScreenStream } from "./screen.ts";
import type { Command, Context, TransferVerbs } from "./verbs.ts";
import { verify } from "./verify.ts";
import { VERSION, version } from "./version.ts";

/** What the process gives a run: everything the command line touches outside itself. */
export interface Edge {
  /** The words after the program's name. */
  readonly argv: readonly string[];
  readonly variables: Variables;
  readonly workingDirectory: string;
  readonly homeDirectory: string;
  readonly stdout: TextStream & Pick<ScreenStream, "isTTY">;
  readonly stderr: ScreenStream;
  readonly stdin: () => AsyncIterable<Uint8Array>;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  /** @returns a function that ends the listening */
  readonly onStop: (listener: (signal: "SIGINT" | "SIGTERM") => void) => () => void;
  /** @returns whether a regular file stands at the path */
  readonly isFile: (path: string) => boolean;
}

/** The streams of a run, and what stops it. */
interface Run {
  readonly edge: Edge;
  readonly output: Output;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

/** What was asked for, before it is done. */
interface Prepared {
  readonly command: Command;
  readonly config: PeerConfig;
}

const HELP_COLUMNS_MAX = 100;

/** Runs the command line to its end: parses, dispatches, shows errors, and has everything written when it returns.
 * @returns the exit code; nothing is thrown */
export async function runPeer(edge: Edge, verbs: TransferVerbs): Promise<number> {
  const stop = new AbortController();
  const endListening = edge.onStop((name) => {
    stop.abort(new Interruption(name, `Stopped by ${name}`));
  });
  const run: Run = {
    edge,
    output: new Output(edge.stdout, (error) => stop.abort(error)),
    screen: new Screen(edge.stderr, { isDumb: edge.variables.TERM === "dumb" }),
    signal: stop.signal,
  };
  const exitCode = await runToEnd(run, verbs);
  endListening();
  return exitCode;
}

async function runToEnd(run: Run, verbs: TransferVerbs): Promise<number> {
  const exitCode = await runCommand(run, verbs);
  try {
    await run.output.flush();
    return exitCode;
  } catch (error) {
    // What went wrong before that is the better reason, if anything did.
    return exitCode === EXIT_CODES.ok ? toExit(error).exitCode : exitCode;
  } finally {
    await run.screen.flush();
  }
}

async function runCommand(run: Run, verbs: TransferVerbs): Promise<number> {
  let prepared: Prepared;
  try {
    prepared = prepare(run);
  } catch (error) {
    const isPiped = run.edge.argv.includes("-");
    const config = { ...guessConfig(run.edge), isPiped };
    const report = createReport(run.edge.clock, run, config);
    report.start("unknown", VERSION);
    return report.finish(fail(run, report, error));
  }
  const { command } = prepared;
  const isPiped = command.verb === "download" && command.options.to === "pipe";
  const report = createReport(run.edge.clock, run, { ...prepared.config, isPiped });
  report.start(command.verb, VERSION);
  return report.finish(await act(run, prepared, report, verbs));
}

function prepare({ edge, screen }: Run): Prepared {
  const columns = Math.min(screen.columns, HELP_COLUMNS_MAX);
  const { command, flags } = parseCommandLine(edge.argv, { isFile: edge.isFile, columns });
  // A variable that is wrong must not keep anyone from reading how it would be right.
  const isInformation = command.verb === "help" || command.verb === "version";
  const config = isInformation ? informationConfig(edge, flags) : loadFrom(edge, command, flags);
  return { command, config };
}

function loadFrom(edge: Edge, command: Command, flags: FlagValues): PeerConfig {
  return loadConfig({
    ...edge,
    flags,
    configPath: command.verb === "prompt" ? command.configPath : undefined,
  });
}

function informationConfig(edge: Edge, flags: FlagValues): PeerConfig {
  return loadConfig({ ...edge, flags: flags.json ? { json: true } : {}, variables: {} });
}

/** How to report a command line that could not be read: in JSON if it looks as if that was wished. */
function guessConfig(edge: Edge): PeerConfig {
  const words = edge.argv.slice(0, edge.argv.includes("--") ? edge.argv.indexOf("--") : undefined);
  const isJson = words.includes("--json") || edge.variables.PEER_JSON === "1";
  const flags: FlagValues = { quiet: true, json: isJson };
  const { NO_COLOR, CLICOLOR_FORCE } = edge.variables;
  return loadConfig({ ...edge, flags, variables: { NO_COLOR, CLICOLOR_FORCE } });
}

async function act(
  run: Run,
  { command, config }: Prepared,
  report: Report,
  verbs: TransferVerbs,
): Promise<Result> {
  const { clock, random, disk, stdin } = run.edge;
  let logFile: LogFile | undefined;
  try {
    logFile = openLogFile(run, config);
    const log = createLogFor(run, config, logFile);
    const { signal } = run;
    const openByteOutput = () => openPipe(run);
    const context = { config, clock, random, disk, log, report, signal, stdin, openByteOutput };
    return toResult(await dispatch(context, command, verbs));
  } catch (error) {
    // Whatever broke while stopping, the stop is why.
    return fail(run, report, run.signal.aborted ? run.signal.reason : error);
  } finally {
    logFile?.[Symbol.dispose]();
  }
}

function openPipe({ edge, signal }: Run): ReturnType<Context["openByteOutput"]> {
  if (edge.stdout.isTTY !== true) return createByteOutput(edge.stdout, signal);
  const wished = "expected a pipe or a file, such as `| cat` to see it all the same";
  throw new UsageError(
    "bad_argument",
    `Cannot use FILE: it is "-", and standard output is a terminal, ${wished}`,
  );
}

function openLogFile({ screen }: Run, { logFile }: PeerConfig): LogFile | undefined {
  if (logFile === undefined) return undefined;
  return new LogFile(logFile, (line) => screen.print(printable(line)));
}

function createLogFor({ screen }: Run, config: PeerConfig, logFile: LogFile | undefined): Log {
  return createLog({
    level: config.logLevel,
    format: config.logFormat,
    writeLine: (line) => (logFile === undefined ? screen.print(line) : logFile.writeLine(line)),
  });
}

function dispatch(
  context: Context,
  command: Command,
  verbs: TransferVerbs,
): Promise<number> | number {
  switch (command.verb) {
    case "upload":
      return verbs.upload(context, command.options);
    case "download":
      return verbs.download(context, command.options);
    case "serve":
      return verbs.serve(context);
    case "prompt":
      return verbs.prompt(context);
    case "list":
      return list(context);
    case "remove":
      return remove(context, command.options);
    case "verify":
      return verify(context, command.options);
    case "inspect":
      return inspect(context, command.options);
    case "version":
      return version(context);
    case "help":
      context.report.emit({ type: "help", text: command.text });
      return EXIT_CODES.ok;
    default:
      return command satisfies never;
  }
}

/** A bug shows where it is; everything else is one line. */
function fail({ screen }: Run, report: Report, error: unknown): Result {
  const { name } = report.fail(error);
  if (name === "error" && error instanceof Error) {
    for (const line of (error.stack ?? "").split("\n")) screen.print(printable(line));
  }
  return name;
}
