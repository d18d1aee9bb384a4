import { CommanderError, Option, Command as Parser } from "commander";
import { type FlagValues, SETTINGS, type Setting } from "../config/settings.ts";
import { UsageError } from "../errors.ts";
import { type HelpRequest, type OwnFlags, specOf, VERBS, type VerbSpec } from "./commands.ts";
import type { Command } from "./verbs.ts";

/** What was typed, taken apart. */
export interface CommandLine {
  readonly command: Command;
  readonly flags: FlagValues;
}

export interface CommandLineOptions {
  /** @returns whether a file stands there: tells the original's form from a mistyped verb */
  readonly isFile: (path: string) => boolean;
  /** Characters in a line of the help. */
  readonly columns: number;
}

/** The parser of one verb, which has no flags before it is prepared. */
interface VerbParser {
  readonly parser: Parser;
  readonly prepare: () => void;
}

type Flags = FlagValues & OwnFlags & { readonly version?: boolean };

/** @param argv the words after the program's name
 * @throws {UsageError} bad_flag, bad_argument */
export function parseCommandLine(
  argv: readonly string[],
  options: CommandLineOptions,
): CommandLine {
  const run = new Run(options);
  return run.parse(argv);
}

const SHARED_FLAGS = "Flags of all verbs:";

const PROGRAM_HELP = `
Flags are those of the verb and those of all verbs: see peer help VERB.
The form of old, peer CONFIG.json, serves what self.service holds and reads commands line by line.

Precedence: flag, variable, config file, default.
Exit codes: 0 ok, 1 error, 2 usage, 3 bad-torrent, 4 not-found, 5 incomplete, 6 tracker,
  7 integrity, 8 io, 9 no-space, 10 exists, 11 busy, 12 denied, 13 timeout, 130 SIGINT, 143 SIGTERM,
  141 the pipe's reader went away.`;

/** One reading of a command line: commander keeps what it read in its objects, so they are made anew each time. */
class Run {
  readonly #options: CommandLineOptions;
  #command: Command | HelpRequest | undefined;
  #flags: FlagValues = {};
  #helpText = "";

  constructor(options: CommandLineOptions) {
    this.#options = options;
  }

  parse(argv: readonly string[]): CommandLine {
    try {
      this.#createParser().parse(argv, { from: "user" });
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.code !== "commander.helpDisplayed") throw toUsageError(error);
      this.#command = { verb: "help", text: this.#helpText };
    }
    if (this.#command === undefined) {
      throw new UsageError("bad_argument", "Cannot run peer: no verb is given");
    }
    return { command: this.#withText(this.#command), flags: this.#flags };
  }

  #withText(command: Command | HelpRequest): Command {
    if (!("about" in command)) return command;
    const verbs = command.about === undefined ? [] : [command.about];
    return new Run(this.#options).parse([...verbs, "--help"]).command;
  }

  #createParser(): Parser {
    const program = this.#configure(new Parser("peer"))
      .usage("VERB [arguments] [flags]")
      .description("Gets a large file, intact and fast, from one machine to many.")
      .option("--version", "what this is")
      .helpCommand(false)
      .enablePositionalOptions()
      .addHelpText("after", PROGRAM_HELP);
    const ofProgram = addSettings(program, "hidden");
    program.addHelpOption(new Option("-h, --help", "this text"));
    const verbs = VERBS.map((spec) => this.#createVerb(spec, ofProgram));
    const fallback = this.#createFallback(ofProgram);
    for (const { parser } of verbs) program.addCommand(parser);
    program.addCommand(fallback.parser, { isDefault: true, hidden: true });
    // Ten parsers with some thirty flags each take a fifth of the program's start: only the one that is used gets them.
    return program.hook("preSubcommand", (_, chosen) => {
      [...verbs, fallback].find(({ parser }) => parser === chosen)?.prepare();
    });
  }

  #createVerb(spec: VerbSpec, ofProgram: () => Flags): VerbParser {
    const verb = new Parser(spec.name).summary(spec.summary);
    const prepare = (): void => {
      this.#configure(verb).usage(`${spec.operands} [flags]`.trimStart());
      verb.description(sentence(spec.summary)).allowExcessArguments(false);
      for (const operand of spec.operands.split(" ").filter((text) => text !== "")) {
        verb.argument(operand);
      }
      for (const flag of spec.flags) verb.option(flag.flags, flag.help);
      const ofVerb = addSettings(verb, "shown");
      verb.addHelpOption(new Option("-h, --help", "this text").helpGroup(SHARED_FLAGS));
      if (spec.more !== "") verb.addHelpText("after", `\n${spec.more}`);
      verb.action(() => {
        const flags = ofVerb();
        this.#flags = merge(ofProgram(), flags);
        this.#command = spec.parse(verb.args, flags);
      });
    };
    return { parser: verb, prepare };
  }

  /** What begins with no verb: the original's `peer CONFIG.json`, `peer --version`, or a mistake. */
  #createFallback(ofProgram: () => Flags): VerbParser {
    const fallback = new Parser("CONFIG.json");
    const prepare = (): void => {
      this.#configure(fallback).argument("[config...]");
      const ofFallback = addSettings(fallback, "hidden");
      fallback.allowUnknownOption().action(() => {
        const flags = ofProgram();
        this.#flags = merge(flags, ofFallback());
        this.#command = flags.version ? { verb: "version" } : this.#parsePrompt(fallback.args);
      });
    };
    return { parser: fallback, prepare };
  }

  #parsePrompt([configPath, ...rest]: readonly string[]): Command | undefined {
    if (configPath === undefined) return undefined;
    if (configPath.startsWith("-")) throw unknownFlag(configPath);
    if (!configPath.endsWith(".json") && !this.#options.isFile(configPath)) specOf(configPath);
    const [excess] = rest;
    if (excess?.startsWith("-")) throw unknownFlag(excess);
    if (excess !== undefined) {
      throw new UsageError("bad_argument", `Cannot use "${excess}": a config file stands alone`);
    }
    return { verb: "prompt", configPath };
  }

  #configure(parser: Parser): Parser {
    return parser
      .exitOverride()
      .configureOutput({
        writeOut: (text) => {
          this.#helpText += text;
        },
        writeErr: () => {},
        outputError: () => {},
        getOutHelpWidth: () => this.#options.columns,
        getOutHasColors: () => false,
      })
      .configureHelp({
        subcommandTerm: (verb) => `${verb.name()} ${termOf(verb.name())}`.trimEnd(),
      })
      .optionsGroup("Flags:")
      .commandsGroup("Verbs:");
  }
}

/** Every verb's help shows the flags of all verbs; the program's own would only repeat them.
 * @returns a function that gives, once parsed, the values of all flags, each only if it was given */
function addSettings(parser: Parser, inHelp: "shown" | "hidden"): () => Flags {
  let verbose = 0;
  for (const setting of SETTINGS) {
    const option = new Option(setting.flags, describe(setting)).helpGroup(SHARED_FLAGS);
    if (setting.kind === "list") option.argParser(append);
    parser.addOption(inHelp === "shown" ? option : option.hideHelp());
  }
  parser.on("option:verbose", () => {
    verbose++;
  });
  return () => {
    const { verbose: isVerbose, ...flags } = parser.opts<Flags>();
    return isVerbose === undefined ? flags : { ...flags, verbose };
  };
}

function append(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

function describe({ help, variable, fallback }: Setting): string {
  const facts = [variable, fallback === undefined ? undefined : `default: ${fallback}`];
  const known = facts.filter((fact) => fact !== undefined);
  return known.length === 0 ? help : `${help} (${known.join("; ")})`;
}

/** Flags before the verb and after it are one: the later wins, lists add up. */
function merge(before: FlagValues, after: FlagValues): FlagValues {
  const tracker = [...(before.tracker ?? []), ...(after.tracker ?? [])];
  const peer = [...(before.peer ?? []), ...(after.peer ?? [])];
  const verbose = (before.verbose ?? 0) + (after.verbose ?? 0);
  return {
    ...before,
    ...after,
    ...(tracker.length > 0 ? { tracker } : {}),
    ...(peer.length > 0 ? { peer } : {}),
    ...(verbose > 0 ? { verbose } : {}),
  };
}

function termOf(name: string): string {
  return VERBS.find((spec) => spec.name === name)?.operands ?? "";
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function unknownFlag(flag: string): UsageError {
  return new UsageError("bad_flag", `Cannot read the command line: unknown flag "${flag}"`);
}

function toUsageError(error: CommanderError): UsageError {
  const isFlag = /option/i.test(error.code);
  const what = error.message.replace(/^error: |\.$/g, "").replaceAll("\n", " ");
  return new UsageError(
    isFlag ? "bad_flag" : "bad_argument",
    `Cannot read the command line: ${what}`,
    { cause: error },
  );
}
