import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  PARTS_MAX,
  TORRENT_BYTES_MAX,
  TORRENT_DEPTH_MAX,
  TORRENT_VALUES_MAX,
} from "../../protocol/limits.ts";
import { FIXTURE_HASH, makeTorrent, utf8 } from "../support/fixtures.ts";
import { torrentVerdict } from "../support/torrent-corpus.ts";
import { formatTorrent } from "../support/torrent-text.ts";

const MIB = 2 ** 20;
// A million parts: the file itself, 45 or 67 MB, its digests, 20 or 32 MB, and the runtime; 109 and 142 MiB were measured.
const RSS_BYTES_MAX_PLAIN = 200 * MIB;
const RSS_BYTES_MAX = 450 * MIB;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "torrent-size-"));
});
afterAll(() => rm(directory, { recursive: true }));

interface SizeCase {
  readonly name: string;
  readonly text: () => string;
  readonly verdict: string;
  readonly rssBytesMax?: number;
}

describe("TOR-4", () => {
  const cases: readonly SizeCase[] = [
    {
      name: "1 Mi SHA-1 parts",
      text: () => partsText(PARTS_MAX, 40),
      verdict: "accepted",
      rssBytesMax: RSS_BYTES_MAX_PLAIN,
    },
    {
      name: "1,000,000 SHA-256 parts",
      text: () => partsText(1_000_000, 64),
      verdict: "accepted",
      rssBytesMax: RSS_BYTES_MAX_PLAIN,
    },
    {
      name: "22 million empty lists",
      text: () => listText("[],", 22_000_000),
      verdict: "too_many_parts",
    },
    {
      name: "22 million empty objects",
      text: () => listText("{},", 22_000_000),
      verdict: "too_many_parts",
    },
    {
      name: "33 million numbers",
      text: () => listText("1,", 33_000_000),
      verdict: "too_many_parts",
    },
  ];
  for (const { name, text, verdict, rssBytesMax = RSS_BYTES_MAX } of cases) {
    test(`TOR-4: parseTorrent answers ${verdict} to ${name} within ${rssBytesMax / MIB} MiB`, async () => {
      const file = path.join(directory, `${name}.json`);
      await Bun.write(file, text());
      const told = await parseInChild(file);
      expect(told.verdict).toBe(verdict);
      expect(told.rssBytes).toBeLessThan(rssBytesMax);
      await rm(file);
    }, 30_000);
  }

  test("TOR-4: a reader that makes a string of each digest needs more memory than that", async () => {
    const file = path.join(directory, "strings.json");
    await Bun.write(file, partsText(PARTS_MAX, 40));
    const told = await parseInChild(file, "--naive");
    expect(told.verdict).toBe("accepted");
    expect(told.rssBytes).toBeGreaterThan(RSS_BYTES_MAX_PLAIN);
    await rm(file);
  }, 30_000);

  test("TOR-4: JSON.parse alone needs more memory than the others for 8 million empty lists", async () => {
    const file = path.join(directory, "control.json");
    await Bun.write(file, listText("[],", 8_000_000));
    const told = await parseInChild(file, "--json-parse");
    expect(told.verdict).toBe("object");
    expect(told.rssBytes).toBeGreaterThan(RSS_BYTES_MAX);
  }, 30_000);

  test("TOR-4: parseTorrent refuses a file above TORRENT_BYTES_MAX and takes one of exactly that", () => {
    const text = formatTorrent(makeTorrent());
    const file = new Uint8Array(TORRENT_BYTES_MAX + 1).fill(0x20);
    file.set(utf8(text));
    expect(torrentVerdict(file)).toBe("too_large");
    expect(torrentVerdict(file.subarray(0, TORRENT_BYTES_MAX))).toBe("accepted");
  });

  test("TOR-4: parseTorrent refuses 200 KB of open lists, and any nesting beyond the limit", () => {
    expect(torrentVerdict("[".repeat(200 * 1024))).toBe("too_deep");
    const nested = (depth: number) =>
      `{"x":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)},${formatTorrent(makeTorrent()).slice(1)}`;
    expect(torrentVerdict(nested(TORRENT_DEPTH_MAX))).toBe("accepted");
    expect(torrentVerdict(nested(TORRENT_DEPTH_MAX + 1))).toBe("too_deep");
  });

  test("TOR-4: parseTorrent counts brackets and commas within strings for nothing", () => {
    const name = "[{,".repeat(80);
    expect(torrentVerdict(formatTorrent(makeTorrent({ name })))).toBe("accepted");
  });

  test("TOR-4: parseTorrent refuses TORRENT_VALUES_MAX + 1 values and takes one fewer", () => {
    const torrent = formatTorrent(makeTorrent()).trimEnd();
    // The file's own objects, lists and commas; then what the extra list and its key's comma add.
    const own = torrent.match(/[[{,]/g)?.length ?? 0;
    const withValues = (extra: number) => `{"x":[${"1,".repeat(extra)}1],${torrent.slice(1)}`;
    const room = TORRENT_VALUES_MAX - own - 2;
    expect(torrentVerdict(withValues(room))).toBe("accepted");
    expect(torrentVerdict(withValues(room + 1))).toBe("too_many_parts");
  });
});

async function parseInChild(file: string, ...options: string[]) {
  const script = path.join(import.meta.dir, "../support/parse-torrent-child.ts");
  const child = Bun.spawn([process.execPath, script, file, ...options], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const told: { verdict: string; rssBytes: number } = JSON.parse(await child.stdout.text());
  await child.exited;
  return told;
}

/** @returns a torrent of one-byte parts, each digest another */
function partsText(count: number, digits: number): string {
  const parts: string[] = [];
  for (let part = 0; part < count; part++) parts.push(part.toString(16).padStart(digits, "0"));
  return JSON.stringify({
    FileInfo: { Size: count, PartSize: 1, Parts: parts, Hash: FIXTURE_HASH },
  });
}

function listText(item: string, count: number): string {
  return `{"x":[${item.repeat(count)}1]}`;
}
