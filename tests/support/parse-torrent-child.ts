import { readFileSync } from "node:fs";
import { testCrypto } from "./crypto.ts";
import { naiveParseTorrent } from "./naive-torrent.ts";
import { torrentVerdict } from "./torrent-corpus.ts";

// Parses the torrent file named by its argument in a process of its own, so that its memory can be measured, and says
// the verdict and the most memory that was resident. For comparison, with --naive it is the reader that makes a string of
// each digest, with --json-parse JSON.parse alone.
const [, , file = "", mode] = process.argv;
const bytes = readFileSync(file);
const verdict = readAs(mode);
// The parent's getrusage would count what it held itself at the fork; the high-water mark here is this program's own.
const status = readFileSync("/proc/self/status", "utf8");
const residentKiB = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]);
process.stdout.write(JSON.stringify({ verdict, rssBytes: residentKiB * 1024 }));

function readAs(mode: string | undefined): string {
  if (mode === "--json-parse") return typeof JSON.parse(bytes.toString());
  if (mode !== "--naive") return torrentVerdict(bytes);
  naiveParseTorrent(testCrypto, bytes);
  return "accepted";
}
