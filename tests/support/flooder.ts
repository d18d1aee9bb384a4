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
const PER_SECOND = 10_000;
/** Less than what ends a connection. */
const OPEN_MAX = 200;
const CONNECTIONS = 8;

let asked = 0;
const startMs = performance.now();

/** One connection's share of the flood. */
async function flood(client: RawClient): Promise<void> {
  let [own, answeredBytes] = [0, 0];
  void client.read((bytes) => {
    answeredBytes += bytes;
  });
  for (;;) {
    const due = Math.min(
      ((performance.now() - startMs) * PER_SECOND) / CONNECTIONS / 1000,
      answeredBytes / PART_FRAME_BYTES + OPEN_MAX,
    );
    const runs = Array.from({ length: Math.min(BATCH, Math.floor(due - own)) }, (_, at) => {
      const first = geometry.part((own + at) % geometry.partCount);
      if (first === undefined) throw new Error("No such part");
      return { first, count: 1 };
    });
    if (runs.length > 0) await client.request(...runs);
    own += runs.length;
    asked += runs.length;
    if (runs.length < BATCH) await Bun.sleep(1);
  }
}

for (let seed = 0; seed < CONNECTIONS; seed++)
  void flood(await RawClient.connect(address, torrent, 4242 + seed));
for (;;) {
  await Bun.sleep(500);
  process.stdout.write(`asked ${asked} in ${performance.now() - startMs}\n`);
}
