import { UsageError } from "../errors.ts";
import { type FlagValues, SETTINGS, type Setting } from "./settings.ts";

/** The environment; a variable that is empty counts as not set. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** The keys whose flags have a text value, and those that may be given several times. */
type ValueKey = {
  [Key in keyof FlagValues]-?: NonNullable<FlagValues[Key]> extends string ? Key : never;
}[keyof FlagValues];
type ListKey = "tracker" | "peer";

/** A text with the flag or variable it came from, for messages. */
interface Source {
  readonly name: string;
  readonly text: string;
}

const TRUE = ["1", "true", "yes", "on"];
const FALSE = ["0", "false", "no", "off"];
/** Most entries of a flag that may be repeated: nobody has more, and each is a name to resolve. */
const LIST_COUNT_MAX = 64;

/** What flags and variables say: the flag if given, else the variable, each parsed, or refused by the name of where it stood. */
export class Given {
  readonly #flags: FlagValues;
  readonly #variables: Variables;

  constructor(flags: FlagValues, variables: Variables) {
    this.#flags = flags;
    this.#variables = variables;
  }

  /** @param wished what would be right, in words
   * @returns undefined when neither is given
   * @throws {UsageError} bad_flag or bad_config when `parse` returns undefined */
  value<Value>(
    key: ValueKey,
    parse: (text: string) => Value | undefined,
    wished: string,
  ): Value | undefined {
    const source = this.#source(key);
    if (source === undefined) return undefined;
    const value = parse(source.text);
    if (value === undefined) throw refuse(source, `expected ${wished}`);
    return value;
  }

  /** @throws {UsageError} as `value`, when the text is none of the choices */
  oneOf<Choice extends string>(key: ValueKey, choices: readonly Choice[]): Choice | undefined {
    return this.value(key, (text) => choices.find((choice) => choice === text), choices.join(", "));
  }

  /** A variable separates its entries by commas or blanks.
   * @returns each entry once, in order; empty when neither is given
   * @throws {UsageError} as `value`; also for more than 64 entries */
  list<Value>(
    key: ListKey,
    parse: (text: string) => Value | undefined,
    wished: string,
  ): readonly Value[] {
    const sources = this.#sources(key);
    const last = sources.at(-1);
    if (last !== undefined && sources.length > LIST_COUNT_MAX) {
      throw refuse(last, `expected at most ${LIST_COUNT_MAX} of them`);
    }
    const values = new Map<string, Value>();
    for (const source of sources) {
      const value = parse(source.text);
      if (value === undefined) throw refuse(source, `expected ${wished}`);
      values.set(source.text, value);
    }
    return Object.freeze([...values.values()]);
  }

  /** @throws {UsageError} bad_config when the variable is no yes or no */
  isSwitchedOn(key: "json"): boolean {
    if (this.#flags[key] !== undefined) return this.#flags[key];
    const { variable = "" } = settingOf(key);
    const text = this.#variables[variable] || "0";
    const isOn = TRUE.includes(text.toLowerCase());
    if (!isOn && !FALSE.includes(text.toLowerCase())) {
      throw refuse({ name: variable, text }, "expected 1 or 0");
    }
    return isOn;
  }

  /** @returns the error that names where the key's value stood */
  refuse(key: ValueKey, why: string): UsageError {
    return refuse(this.#source(key) ?? { name: flagName(settingOf(key)), text: "" }, why);
  }

  #source(key: ValueKey): Source | undefined {
    const setting = settingOf(key);
    const flag = this.#flags[key];
    if (flag !== undefined) return { name: flagName(setting), text: flag };
    const text = this.#variables[setting.variable ?? ""];
    return text ? { name: setting.variable ?? "", text } : undefined;
  }

  #sources(key: ListKey): readonly Source[] {
    const setting = settingOf(key);
    const flag = this.#flags[key];
    if (flag !== undefined) return flag.map((text) => ({ name: flagName(setting), text }));
    const variable = setting.variable ?? "";
    const texts = (this.#variables[variable] ?? "").split(/[\s,]+/).filter((text) => text !== "");
    return texts.map((text) => ({ name: variable, text }));
  }
}

function settingOf(key: keyof FlagValues): Setting {
  const setting = SETTINGS.find((candidate) => candidate.key === key);
  if (setting === undefined)
    throw new UsageError("bad_flag", `Cannot read ${key}: no such setting`);
  return setting;
}

function flagName(setting: Setting): string {
  return /--[a-z-]+/.exec(setting.flags)?.[0] ?? setting.key;
}

function refuse({ name, text }: Source, why: string): UsageError {
  const code = name.startsWith("--") ? "bad_flag" : "bad_config";
  return new UsageError(code, `Cannot use ${name}: it is "${text.slice(0, 100)}", ${why}`);
}
