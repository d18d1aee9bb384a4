import { stat } from "node:fs/promises";
import { join } from "node:path";
import { FROM_SOURCE, type Programs, startTracker } from "../programs.ts";
import type { Tracker } from "./tracker.ts";

/** This project's tracker, its database a file of its own. */

const EXECUTABLE = process.env.TRACKER_CMD ?? join(import.meta.dir, "../../../dist/tracker");

export const oursFromSource = createTracker("tracker from source", FROM_SOURCE);
export const oursCompiled = createTracker("tracker executable", {
  ...FROM_SOURCE,
  tracker: [EXECUTABLE],
});

/** What a bench wants of it: hosts kept as announced, no limit for one source, nobody forgotten meanwhile. */
const FLAGS = [
  ["--address-policy", "compat"],
  ["--rate-limit", "0"],
  ["--ttl", "6h"],
] as const;

function createTracker(name: string, programs: Programs): Tracker {
  return {
    name,
    protocol: "ours",
    keepsConnections: true,
    promise: "committed to its database file before the answer",
    version: () => version(programs),
    start: async (directory) => {
      const tracker = await startTracker(directory, programs, await knownFlags(programs));
      return { ...tracker, port: Number(new URL(tracker.url).port) };
    },
  };
}

async function version(programs: Programs): Promise<string | undefined> {
  const told = await Bun.$`${programs.tracker} version`.nothrow().quiet();
  if (told.exitCode !== 0) return undefined;
  const made = await stat(programs.tracker.at(-1) ?? "");
  const when = programs === FROM_SOURCE ? "" : `, made ${made.mtime.toISOString().slice(0, 16)}Z`;
  return `${told.stdout.toString().trim()}${when}`;
}

/** @returns those flags that the program's help names */
async function knownFlags({ tracker }: Programs): Promise<readonly string[]> {
  const help = await Bun.$`${tracker} help`.quiet().text();
  return FLAGS.filter(([flag]) => help.includes(`${flag} `)).flat();
}
