import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { addressOf, createMeeting, type Meeting, startSeeder } from "../bittorrent.ts";
import type { Client, Leecher, Scene, Swarm } from "../client.ts";
import { spawn } from "../spawn.ts";

/** libtorrent (Debian's python3-libtorrent) with the settings of its own `high_performance_seed`, further tuned for one
 * fast link; Python only waits. */

const SCRIPT = join(import.meta.dir, "../others/libtorrent-peer.py");
const PYTHON = "/usr/bin/python3";

export const libtorrent: Client = {
  name: "libtorrent",
  settings: "high_performance_seed, tuned, plaintext TCP only, mmap disk",
  version: async () => {
    const told = await Bun.$`${PYTHON} -c ${"import libtorrent; print(libtorrent.__version__)"}`
      .nothrow()
      .quiet();
    return told.exitCode === 0 ? told.stdout.toString().trim() : undefined;
  },
  start,
};

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
  const { host, port } = addressOf(node);
  return spawn([PYTHON, SCRIPT, role, torrent, directory, host, String(port)]);
}
