import type { Address } from "../../protocol/address.ts";
import { parseTorrent } from "../../protocol/torrent.ts";
import { testCrypto } from "./crypto.ts";
import { RawClient } from "./raw-client.ts";

/** A process of its own that asks for tiny runs as fast as it may, and says each second how often it asked:
 * `bun flooder.ts PORT TORRENT`. */

const [, , port = "", torrentPath = ""] = process.argv;
const address: Address = { host: "127.0.0.1", port: Number(port) };
const torrent = parseTorrent(testCrypto, await Bun.file(torrentPath).bytes());
const { geometry } = torrent;
const PART_FRAME_BYTES = geometry.partBytes + 6;
const BATCH = 100;
/** What it would like; answers come more slowly, and it may not have more than OPEN_MAX requests open. */
const PER_SECOND = 10_000;
/** Less than what ends a connection. */
const OPEN_MAX = 200;

let asked = 0;
const startMs = performance.now();

async function flood(client: RawClient): Promise<void> {
  let answeredBytes = 0;
  void client.read((bytes) => {
    answeredBytes += bytes;
  });
  for (;;) {
    const due = Math.min(
      ((performance.now() - startMs) * PER_SECOND) / 1000,
      answeredBytes / PART_FRAME_BYTES + OPEN_MAX,
    );
    const runs = Array.from({ length: Math.min(BATCH, Math.floor(due - asked)) }, (_, at) => {
      const first = geometry.part((asked + at) % geometry.partCount);
      if (first === undefined) throw new Error("No such part");
      return { first, count: 1 };
    });
    if (runs.length > 0) await client.request(...runs);
    asked += runs.length;
    if (runs.length < BATCH) await Bun.sleep(1);
  }
}

void flood(await RawClient.connect(address, torrent, 4242));
for (;;) {
  await Bun.sleep(500);
  process.stdout.write(`asked ${asked} in ${performance.now() - startMs}\n`);
}
