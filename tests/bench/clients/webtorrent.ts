import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { addressOf, createMeeting, type Meeting, startSeeder } from "../bittorrent.ts";
import type { Client, Leecher, Scene, Swarm } from "../client.ts";
import { spawn } from "../spawn.ts";

/** webtorrent on Bun. It is no package of ours: BENCH_WEBTORRENT names a directory in which it was installed. */
export const webtorrent: Client = {
  name: "webtorrent on Bun",
  settings: "TCP only, plaintext, no dht, lsd, pex, web seeds",
  version: async () => {
    const manifest = Bun.file(join(INSTALLED, "package.json"));
    if (process.env.BENCH_WEBTORRENT === undefined || !(await manifest.exists())) return undefined;
    const { version }: { readonly version: string } = await manifest.json();
    return version;
  },
  start,
};

const INSTALLED = join(process.env.BENCH_WEBTORRENT ?? "", "node_modules/webtorrent");
const SCRIPT = join(import.meta.dir, "../others/webtorrent-peer.mjs");

async function start(scene: Scene): Promise<Swarm> {
  const meeting = await createMeeting(scene);
  const seeder = run("seed", 0, meeting, meeting.seedDirectory);
  return {
    ...(await startSeeder(meeting, seeder, seeder.match(/READY/))),
    startLeecher: (n) => startLeecher(n, meeting, join(scene.directory, `leecher${n}`)),
  };
}

function startLeecher(n: number, meeting: Meeting, directory: string): Leecher {
  mkdirSync(directory);
  const started = run("leech", n, meeting, directory);
  const done = started.match(/COMPLETE/).then(() => undefined);
  return { ...started, done, target: join(directory, meeting.name) };
}

function run(role: string, node: number, { torrent }: Meeting, directory: string) {
  const { port } = addressOf(node);
  const args = [INSTALLED, role, torrent, directory, String(port)];
  return spawn([process.execPath, SCRIPT, ...args]);
}
