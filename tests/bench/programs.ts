import { join } from "node:path";
import { type Spawned, type SpawnOptions, spawn } from "./spawn.ts";

/** This project's two programs: from source, or the executables that PEER_CMD and TRACKER_CMD name. */

export interface Programs {
  readonly label: string;
  readonly peer: readonly string[];
  readonly tracker: readonly string[];
}

const ROOT = join(import.meta.dir, "../..");
const { PEER_CMD, TRACKER_CMD } = process.env;

export const FROM_SOURCE: Programs = {
  label: "from source",
  peer: [process.execPath, join(ROOT, "peer/index.ts")],
  tracker: [process.execPath, join(ROOT, "tracker/index.ts")],
};

/** Undefined when no executable is named. */
export const COMPILED: Programs | undefined =
  PEER_CMD === undefined
    ? undefined
    : {
        label: "executable",
        peer: [PEER_CMD],
        tracker: TRACKER_CMD === undefined ? FROM_SOURCE.tracker : [TRACKER_CMD],
      };

export const PROGRAMS = COMPILED ?? FROM_SOURCE;

/** Starts a tracker, its database in the directory, and waits until it is ready. */
export async function startTracker(
  directory: string,
  programs = PROGRAMS,
  flags: readonly string[] = [],
  host = "127.0.0.1",
): Promise<Spawned & { readonly url: string }> {
  const database = `file:${join(directory, "tracker.db")}`;
  const tracker = spawn([...programs.tracker, host, "0", "--db", database, ...flags], {
    watch: "stderr",
  });
  return { ...tracker, url: await tracker.match(/listening on (http:\S+)/) };
}

/** @param enter what the command begins with */
export function spawnPeer(
  args: readonly string[],
  options?: SpawnOptions,
  programs = PROGRAMS,
  enter: readonly string[] = [],
) {
  return spawn([...enter, ...programs.peer, ...args], options);
}
