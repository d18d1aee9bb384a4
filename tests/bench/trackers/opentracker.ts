import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { infoHash } from "../load/requests.ts";
import { spawn } from "../spawn.ts";
import { answersAt, freePort } from "./port.ts";
import type { Tracker } from "./tracker.ts";

/** opentracker, in C, as Debian packages it: it serves listed swarms only. */
export const opentracker: Tracker = {
  name: "opentracker",
  protocol: "bittorrent",
  keepsConnections: false,
  promise: "in memory",
  version: async () => {
    if (Bun.which("opentracker") === null) return undefined;
    const query = ["-W", "-f", "$" + "{Version}", "opentracker"];
    const told = await Bun.$`dpkg-query ${query}`.nothrow().quiet();
    return told.exitCode === 0 ? told.stdout.toString() : "of unknown version";
  },
  start: async (directory, swarms) => {
    // It reads the list when it has locked itself into its directory, as somebody without rights.
    const jail = join(directory, "jail");
    await mkdir(jail, { mode: 0o755 });
    const hashes = Array.from({ length: swarms }, (_, at) => `${infoHash(at)}\n`);
    await Bun.write(join(jail, LIST), hashes.join(""));
    const port = freePort();
    const place = ["-i", "127.0.0.1", "-p", String(port), "-P", String(port), "-d", jail];
    const started = spawn(["opentracker", ...place, "-w", LIST]);
    await answersAt(port, started);
    return { ...started, port };
  },
};

const LIST = "swarms.txt";
