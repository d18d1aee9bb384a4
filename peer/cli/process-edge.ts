import { existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { systemClock, systemRandom } from "../clock.ts";
import { systemDisk } from "../storage/system-disk.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import type { Edge } from "./run.ts";

/** @returns this process as `runPeer` takes it; the only place of the command line that knows it */
export function processEdge(): Edge {
  return {
    argv: process.argv.slice(2),
    variables: process.env,
    workingDirectory: process.cwd(),
    homeDirectory: homedir(),
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: () => Bun.stdin.stream(),
    clock: systemClock,
    random: systemRandom,
    disk: systemDisk,
    onStop,
    isFile: (path) => existsSync(path) && statSync(path).isFile(),
  };
}

/** The second signal does not wait for anything: whoever sends it has lost patience. */
function onStop(listener: (signal: "SIGINT" | "SIGTERM") => void): () => void {
  let isStopping = false;
  const stop = (signal: "SIGINT" | "SIGTERM"): void => {
    if (isStopping) {
      process.exit(signal === "SIGTERM" ? EXIT_CODES.terminated : EXIT_CODES.interrupted);
    }
    isStopping = true;
    listener(signal);
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  };
}
