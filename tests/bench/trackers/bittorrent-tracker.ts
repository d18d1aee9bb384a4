import { join } from "node:path";
import { spawn } from "../spawn.ts";
import type { Tracker } from "./tracker.ts";

/** bittorrent-tracker on Node. It is no package of ours: BENCH_BITTORRENT_TRACKER names a directory in which it was
 * installed. */
export const bittorrentTracker: Tracker = {
  name: "bittorrent-tracker on Node",
  protocol: "bittorrent",
  keepsConnections: true,
  promise: "in memory",
  version: async () => {
    const manifest = Bun.file(join(INSTALLED, "package.json"));
    const isThere = process.env.BENCH_BITTORRENT_TRACKER !== undefined && Bun.which("node");
    if (!isThere || !(await manifest.exists())) return undefined;
    const { version }: { readonly version: string } = await manifest.json();
    return version;
  },
  start: async () => {
    const started = spawn(["node", SCRIPT, INSTALLED]);
    return { ...started, port: Number(await started.match(/READY (\d+)\n/)) };
  },
};

const INSTALLED = join(
  process.env.BENCH_BITTORRENT_TRACKER ?? "",
  "node_modules/bittorrent-tracker",
);
const SCRIPT = join(import.meta.dir, "../others/bittorrent-tracker.mjs");
