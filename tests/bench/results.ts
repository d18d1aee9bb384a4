import { rename } from "node:fs/promises";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

/** Figures of the transfer scenario as data: a JSON file to which every run is appended, so that a comparison may be made
 * in several runs and older ones stay beside it. */

const isStrict = { additionalProperties: false } as const;
const Text = Type.String({ minLength: 1 });
const Figure = Type.Number({ minimum: 0 });
const Count = Type.Integer({ minimum: 1 });

/** As `Measured` of measure.ts, which says what each is. */
const Round = Type.Object(
  {
    seconds: Figure,
    mibPerSecond: Figure,
    cpuSecondsPerGib: Figure,
    seederCpuSeconds: Figure,
    leechersCpuSeconds: Figure,
    seederPeakMib: Figure,
    leecherPeakMib: Figure,
  },
  isStrict,
);

/** One program in one setup. */
const Transfer = Type.Object(
  {
    client: Text,
    version: Text,
    settings: Text,
    /** Size of the file. */
    mib: Count,
    /** How many get it at once. */
    leechers: Count,
    partBytes: Count,
    rounds: Type.Array(Round, { minItems: 1 }),
  },
  isStrict,
);

const HEAD = {
  /** Short, followed by `with changes` when the tree had some. */
  commit: Text,
  /** When it began, ISO 8601 in UTC. */
  date: Type.String({ pattern: "^\\d{4}-\\d\\d-\\d\\dT" }),
  machine: Text,
  bun: Text,
};
const RunHead = Type.Object(HEAD, isStrict);
const Run = Type.Object({ ...HEAD, transfers: Type.Array(Transfer) }, isStrict);

const FORMAT = 1;
const Results = Type.Object({ format: Type.Literal(FORMAT), runs: Type.Array(Run) }, isStrict);

export type Transfer = Static<typeof Transfer>;
export type RunHead = Static<typeof RunHead>;
export type Results = Static<typeof Results>;
export type RecordTransfers = (transfers: readonly Transfer[]) => Promise<void>;

/** What is wrong with a file of results, in one line. */
export class ResultsError extends Error {
  override readonly name = "ResultsError";
}

/** @throws {ResultsError} when there is no such file, or it holds something else */
export async function readResults(path: string): Promise<Results> {
  const file = Bun.file(path);
  if (!(await file.exists())) throw new ResultsError(`Cannot read ${path}: there is no such file`);
  return parseResults(path, await file.text());
}

/** @param path only for messages
 * @throws {ResultsError} when it is no JSON, or not of this shape */
export function parseResults(path: string, text: string): Results {
  const value = parseJson(path, text);
  if (Value.Check(Results, value)) return value;
  const wrong = Value.Errors(Results, value).First();
  const place = wrong?.path === "" ? "the top" : wrong?.path;
  const shown = JSON.stringify(wrong?.value)?.slice(0, SHOWN_CHARS_MAX) ?? "absent";
  throw new ResultsError(`Cannot read ${path}: ${place} is ${shown}, ${wrong?.message}`);
}

const SHOWN_CHARS_MAX = 60;

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ResultsError(`Cannot read ${path}: it is no JSON`, { cause });
  }
}

/** Begins a run. Nothing is written before there are figures, and then at once, so that a run cut short leaves what it had.
 * @returns adds figures to that run
 * @throws {ResultsError} when the file is there and holds something else: before minutes are spent on measuring */
export async function appendRun(path: string, head: RunHead): Promise<RecordTransfers> {
  const before = (await Bun.file(path).exists()) ? (await readResults(path)).runs : [];
  const transfers: Transfer[] = [];
  return async (more) => {
    transfers.push(...more);
    await Bun.write(
      `${path}.new`,
      format({ format: FORMAT, runs: [...before, { ...head, transfers }] }),
    );
    await rename(`${path}.new`, path);
  };
}

const DIGITS = 4;

/** Digits behind what a clock or a kernel counts are left out. */
function format(results: Results): string {
  const shorten = (_: string, value: unknown) =>
    typeof value === "number" ? Number(value.toFixed(DIGITS)) : value;
  return `${JSON.stringify(results, shorten, 2)}\n`;
}
