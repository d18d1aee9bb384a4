import { readFileSync } from "node:fs";
import { torrentVerdict } from "./torrent-corpus.ts";

// Parses the torrent file named by its argument in a process of its own, so that its memory can be measured, and says
// the verdict and the most memory that was resident. With --json-parse it is JSON.parse that reads, for comparison.
const [, , file = "", mode] = process.argv;
const bytes = readFileSync(file);
const verdict =
  mode === "--json-parse" ? typeof JSON.parse(bytes.toString()) : torrentVerdict(bytes);
// The parent's getrusage would count what it held itself at the fork; the high-water mark here is this program's own.
const status = readFileSync("/proc/self/status", "utf8");
const residentKiB = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]);
process.stdout.write(JSON.stringify({ verdict, rssBytes: residentKiB * 1024 }));
