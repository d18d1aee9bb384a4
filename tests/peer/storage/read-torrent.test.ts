import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { DiskFile } from "../../../peer/storage/disk.ts";
import { readTorrent } from "../../../peer/storage/read-torrent.ts";
import { TorrentError } from "../../../protocol/errors.ts";
import { testCrypto } from "../../support/crypto.ts";
import { FIXTURE_HASH, makeTorrent, randomBytes, utf8 } from "../../support/fixtures.ts";
import { naiveParseTorrent } from "../../support/naive-torrent.ts";
import { corpusBytes, goodTorrents, malformedTorrents } from "../../support/torrent-corpus.ts";
import { anyDocument } from "../../support/torrent-documents.ts";
import { formatTorrent } from "../../support/torrent-text.ts";

const WINDOWS = [1, 50, 70, 150, 400, 1000];
const TEST_MS = 60_000;

describe("readTorrent", () => {
  test("readTorrent makes of every file of the corpus what the naive reader does, whatever the size of its pieces", async () => {
    for (const file of [...goodTorrents, ...malformedTorrents]) {
      const bytes = corpusBytes(file);
      const expected = await outcomeOf(() => naiveParseTorrent(testCrypto, bytes));
      for (const windowBytes of WINDOWS) {
        const outcome = await outcomeOf(() => read(bytes, windowBytes));
        expect([file.name, windowBytes, outcome]).toEqual([file.name, windowBytes, expected]);
      }
    }
  });

  test(
    "readTorrent makes of any document what the naive reader does, whatever the size of its pieces",
    async () => {
      await fc.assert(
        fc.asyncProperty(anyDocument(), fc.integer({ min: 1, max: 700 }), async (bytes, window) => {
          const outcome = await outcomeOf(() => read(bytes, window));
          expect(outcome).toEqual(await outcomeOf(() => naiveParseTorrent(testCrypto, bytes)));
        }),
        { numRuns: 10_000 },
      );
    },
    TEST_MS,
  );

  test("readTorrent never holds a file of many parts, nor reads more of it twice than its head and its end", async () => {
    const content = randomBytes(1, 20_000);
    const torrent = makeTorrent({ content, partBytes: 1 });
    const bytes = utf8(formatTorrent(torrent));
    const windowBytes = 4096;
    const file = fileOf(bytes);
    const found = await readTorrent(testCrypto, file, bytes.length, windowBytes);
    expect(found.digest).toBe(torrent.digest);
    expect(found.partDigests).toEqual(torrent.partDigests);
    expect(file.largestRead()).toBeLessThanOrEqual(windowBytes);
    expect(file.bytesRead()).toBeLessThan(bytes.length + 2 * windowBytes);
  });

  test("readTorrent reads a file as a whole when its list leaves a question far behind", async () => {
    const torrent = makeTorrent({ content: randomBytes(2, 3000), partBytes: 1 });
    const text = formatTorrent(torrent);
    const at = text.lastIndexOf('"],') - 1;
    const escaped = `${text.slice(0, at)}\\u003${text[at] === "0" ? "0" : "1"}${text.slice(at + 1)}`;
    for (const changed of [escaped, `${text.slice(0, at)}g${text.slice(at + 1)}`]) {
      const bytes = utf8(changed);
      const outcome = await outcomeOf(() => read(bytes, 4096));
      expect(outcome).toEqual(await outcomeOf(() => naiveParseTorrent(testCrypto, bytes)));
    }
  });

  test("readTorrent answers text with two such lists, which is no JSON", async () => {
    const digest = `"${"0a".repeat(20)}"`;
    const list = `[${digest},${digest},${digest}]`;
    for (const text of [
      `{"FileInfo":{"Parts":${list}${list},"Hash":"${FIXTURE_HASH}"}}`,
      `{"FileInfo":{"Parts":${list}}}{"FileInfo":{"Parts":${list}}}`,
      `{"FileInfo":{"Parts":${list} ["a"] ${list}`,
    ]) {
      for (const windowBytes of [60, 100, 150, 1000])
        expect(await outcomeOf(() => read(utf8(text), windowBytes))).toMatchObject({
          message: expect.stringContaining("not JSON"),
        });
    }
  });

  test("readTorrent takes a file that has become shorter as it is by then", async () => {
    const text = formatTorrent(makeTorrent({ content: randomBytes(3, 300), partBytes: 1 }));
    for (const length of [10, 300, 3000, text.length - 10]) {
      const bytes = utf8(text.slice(0, length));
      const outcome = await outcomeOf(() =>
        readTorrent(testCrypto, fileOf(bytes), text.length, 1000),
      );
      expect(outcome).toEqual(await outcomeOf(() => naiveParseTorrent(testCrypto, bytes)));
    }
  });
});

function read(bytes: Uint8Array, windowBytes: number) {
  return readTorrent(testCrypto, fileOf(bytes), bytes.length, windowBytes);
}

/** A file that can only be read, a little at a time as disks may. */
function fileOf(bytes: Uint8Array) {
  let [largest, total] = [0, 0];
  const file: Pick<DiskFile, "read"> = {
    read: async (into, offset) => {
      largest = Math.max(largest, into.length);
      const some = bytes.subarray(offset, offset + Math.ceil(into.length / 2));
      into.set(some);
      total += some.length;
      return some.length;
    },
  };
  return Object.assign(file as DiskFile, {
    largestRead: () => largest,
    bytesRead: () => total,
  });
}

async function outcomeOf(make: () => unknown): Promise<unknown> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof TorrentError)) throw error;
    return { code: error.code, message: error.message, cause: String(error.cause) };
  }
}
