import { Command, CommanderError } from "commander";
import { FatalError } from "../errors.ts";

export interface CheckOptions {
  /** http or https, without name and password. */
  readonly url: string;
  /** One JSON object a line, for scripts. */
  readonly json: boolean;
  /** Asks only whether it takes requests, and leaves no trace: for health checks. */
  readonly readyOnly: boolean;
  /** How long each question may take, in milliseconds. */
  readonly timeoutMs: number;
}

export type CheckCommand =
  | { readonly type: "print"; readonly text: string }
  | { readonly type: "check"; readonly options: CheckOptions };

const TIMEOUT_MS = 5000;
const TIMEOUT_MS_MAX = 3_600_000;

type Flags = Readonly<{ json?: boolean; ready?: boolean; timeout?: string }>;

/** @param argv what stands behind `check`
 * @throws {FatalError} usage */
export function parseCheckCommand(argv: readonly string[]): CheckCommand {
  const program = new Command("tracker check")
    .description("Plays two peers that meet at a tracker, and says how long each step took")
    .argument("<url>", "the tracker, for instance https://tracker.example")
    .option("--timeout <time>", "how long one answer may take (default: 5s)")
    .option("--ready", "ask only whether it takes requests: for health checks")
    .option("--json", "one JSON object a line, the last one a summary")
    .allowExcessArguments(false)
    .exitOverride();
  let printed = "";
  program.configureOutput({ writeOut: (text) => (printed += text), writeErr: () => {} });
  try {
    program.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { type: "print", text: printed };
    throw usage(error.message.replace(/^error: /, ""));
  }
  const { json = false, ready = false, timeout } = program.opts<Flags>();
  const [url = ""] = program.args;
  const options = { json, readyOnly: ready, timeoutMs: parseTimeout(timeout) };
  return { type: "check", options: { ...options, url: parseUrl(url) } };
}

function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isWeb = url?.protocol === "http:" || url?.protocol === "https:";
  if (url === undefined || !isWeb) throw usage("URL is none that begins with http:// or https://");
  if (url.username !== "" || url.password !== "") throw usage("URL holds a name or a password");
  if (url.search !== "" || url.hash !== "") throw usage("URL has something behind its path");
  return url.href;
}

function parseTimeout(text: string | undefined): number {
  if (text === undefined) return TIMEOUT_MS;
  const [, digits, unit] = /^([0-9]{1,7})(ms|s|m)?$/.exec(text) ?? [];
  const ms = Number(digits) * (unit === "ms" ? 1 : unit === "m" ? 60_000 : 1000);
  if (!(ms >= 1 && ms <= TIMEOUT_MS_MAX)) throw usage("--timeout is no time like 500ms, 5s or 1m");
  return ms;
}

function usage(state: string): FatalError {
  return new FatalError("usage", `Cannot read the command line: ${state}`, {
    hint: "see what there is with: tracker check --help",
  });
}
