import { join } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Connections } from "./requests.ts";

/** The generator of load, `load.c`: compiled when a bench begins. In TypeScript it would take a fifth more of the machine that it
 * shares with the tracker, and collect garbage while it holds the clock. */

const SOURCE = join(import.meta.dir, "load.c");

const Count = Type.Integer({ minimum: 0 });
const Figure = Type.Number({ minimum: 0 });

const Answers = Type.Object(
  {
    answered: Count,
    /** Refused, cut, never answered. */
    errors: Count,
    /** Answered with another status than 200 to 299. */
    non2xx: Count,
    /** From the first request to the last answer. */
    seconds: Figure,
    /** Of the generator itself. */
    cpuSeconds: Figure,
    p50Us: Count,
    p99Us: Count,
    maxUs: Count,
  },
  { additionalProperties: false },
);
export type Answers = Static<typeof Answers>;

export interface LoadOptions {
  readonly port: number;
  readonly connections: number;
  readonly mode: Connections;
  /** Longest time in which requests are sent. */
  readonly seconds: number;
  /** Each request once, or all of them again and again. */
  readonly order: "once" | "cycle";
  /** The requests, as `writeRequests` writes them. */
  readonly requests: string;
}

/** @returns the program that was made, undefined without a C compiler
 * @throws {Error} when it does not compile */
export async function compileLoad(directory: string): Promise<string | undefined> {
  const compiler = Bun.which("cc");
  if (compiler === null) return undefined;
  const program = join(directory, "load");
  await Bun.$`${compiler} -O2 -o ${program} ${SOURCE}`.quiet();
  return program;
}

/** @param program as `compileLoad` made it
 * @throws {Error} when it cannot run */
export async function load(program: string, options: LoadOptions): Promise<Answers> {
  const { port, connections, mode, seconds, order, requests } = options;
  const words = [port, connections, mode, seconds, order, requests].map(String);
  return parseAnswers(await Bun.$`${program} ${words}`.text());
}

/** @throws {Error} when it is not what `load.c` prints */
export function parseAnswers(line: string): Answers {
  const value: unknown = JSON.parse(line);
  if (!Value.Check(Answers, value)) throw new Error(`Cannot read what load printed: ${line}`);
  return value;
}
