import { writeSync } from "node:fs";
import { systemRandom } from "../../peer/clock.ts";
import { systemDisk } from "../../peer/storage/system-disk.ts";
import { open, runOf, sample, seededRandom } from "../peer/storage/fixtures.ts";
import { spyDisk } from "../peer/storage/spy-disk.ts";

/** `storage-writer DIR FILE_BYTES PART_BYTES KILL_AT`: downloads a known file into DIR, saying what it does: first
 * `recovered HEX REASON`, then `wrote PART` after each write that returned, at last `published`. With KILL_AT above 0 it
 * kills itself, as kill -9 does, before that call to the disk. */

const [dir = "", fileBytes, partBytes, killAt] = process.argv.slice(2);
const from = sample({ fileBytes: Number(fileBytes), partBytes: Number(partBytes) });
const WRITERS = 3;

function say(text: string): void {
  writeSync(1, `${text}\n`);
}

let calls = 0;
const disk = spyDisk(systemDisk, {
  before() {
    calls++;
    if (calls === Number(killAt)) process.kill(process.pid, "SIGKILL");
  },
});

const store = await open(dir, from, { disk });
say(`recovered ${store.recovered.toBytes().toHex()} ${store.recheck.reason}`);
const missing = [...from.torrent.geometry.parts()].filter((part) => !store.recovered.has(part));
const random = seededRandom(systemRandom.below(2 ** 31));
missing.sort(() => random.below(3) - 1);

async function writeSome(): Promise<void> {
  for (let part = missing.pop(); part !== undefined; part = missing.pop()) {
    await store.write(runOf(from, part));
    say(`wrote ${part}`);
    if (random.below(8) === 0) await store.commit();
  }
}

await Promise.all(Array.from({ length: WRITERS }, writeSome));
await store.publish();
say("published");
await store.close();
