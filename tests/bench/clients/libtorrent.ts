import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createMeeting, type Meeting, startSeeder } from "../bittorrent.ts";
import type { Client, Leecher, Scene, Swarm } from "../client.ts";
import { spawn } from "../spawn.ts";

/** libtorrent (Debian's python3-libtorrent), with the settings of its own `high_performance_seed`, further tuned for one
 * fast link, or with those that it has by itself; Python only waits. */

const SCRIPT = join(import.meta.dir, "../others/libtorrent-peer.py");
const PYTHON = "/usr/bin/python3";

type Manner = "tuned" | "own";

const SETTINGS: Readonly<Record<Manner, string>> = {
  tuned: "high_performance_seed, tuned, plaintext TCP only, mmap disk",
  own: "its own, plaintext TCP only",
};

export const libtorrent = createLibtorrent("libtorrent", "tuned");
export const libtorrentOwn = createLibtorrent("libtorrent own", "own");

function createLibtorrent(name: string, manner: Manner): Client {
  return {
    name,
    settings: SETTINGS[manner],
    version: async () => {
      const told = await Bun.$`${PYTHON} -c ${"import libtorrent; print(libtorrent.__version__)"}`
        .nothrow()
        .quiet();
      return told.exitCode === 0 ? told.stdout.toString().trim() : undefined;
    },
    start: (scene) => start(scene, manner),
  };
}

async function start(scene: Scene, manner: Manner): Promise<Swarm> {
  const meeting = await createMeeting(scene);
  // Who hears of downloaders from downloaders would call them, and not use the way that was laid.
  const calls = scene.layWay === undefined ? "any" : "called";
  const seeder = run("seed", 0, meeting, [meeting.seedDirectory, manner, calls]);
  return {
    ...(await startSeeder(meeting, seeder, seeder.match(/READY/))),
    startLeecher: (n) => startLeecher(n, meeting, join(scene.directory, `leecher${n}`), manner),
  };
}

function startLeecher(n: number, meeting: Meeting, directory: string, manner: Manner): Leecher {
  mkdirSync(directory);
  const started = run("leech", n, meeting, [directory, manner, "any"]);
  const done = started.match(/COMPLETE/).then(() => undefined);
  return { ...started, done, target: join(directory, meeting.name) };
}

function run(
  role: string,
  node: number,
  { torrent, placeOf }: Meeting,
  [directory, manner, calls]: readonly [string, Manner, "any" | "called"],
) {
  const { enter, host, port } = placeOf(node);
  const where = [role, torrent, directory, host, String(port)];
  return spawn([...enter, PYTHON, SCRIPT, ...where, manner, calls]);
}
