import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { addressOf, createMeeting, type Meeting, startSeeder } from "../bittorrent.ts";
import type { Client, Leecher, Scene, Swarm } from "../client.ts";
import { spawn } from "../spawn.ts";

/** aria2 as a BitTorrent client, everything that could slow it switched off. */
export const aria2: Client = {
  name: "aria2",
  settings: "bt, plaintext, disk-cache 64M, no file allocation, no limits",
  version: async () => {
    const told = await Bun.$`aria2c --version`.nothrow().quiet();
    return told.exitCode === 0 ? told.stdout.toString().split("\n")[0] : undefined;
  },
  start,
};

const HOOK = join(import.meta.dir, "../others/aria2-complete.sh");

const FLAGS = [
  "--no-conf=true",
  "--enable-dht=false",
  "--enable-dht6=false",
  "--bt-enable-lpd=false",
  "--enable-peer-exchange=false",
  "--disable-ipv6=true",
  "--async-dns=false",
  "--bt-max-peers=0",
  "--bt-require-crypto=false",
  "--bt-min-crypto-level=plain",
  "--bt-request-peer-speed-limit=10000M",
  "--bt-tracker-interval=1",
  "--file-allocation=none",
  "--disk-cache=64M",
  "--seed-ratio=0.0",
  "--seed-time=100000",
  "--allow-overwrite=true",
  "--follow-torrent=mem",
  "--event-poll=epoll",
  "--auto-save-interval=0",
  "--summary-interval=0",
  "--console-log-level=notice",
];

async function start(scene: Scene): Promise<Swarm> {
  const meeting = await createMeeting(scene);
  const seeder = run(0, meeting, meeting.seedDirectory, [
    "--bt-seed-unverified=true",
    "--check-integrity=false",
  ]);
  return {
    ...(await startSeeder(meeting, seeder)),
    startLeecher: (n) => startLeecher(n, meeting, join(scene.directory, `leecher${n}`)),
  };
}

function startLeecher(n: number, meeting: Meeting, directory: string): Leecher {
  mkdirSync(directory);
  const started = run(n, meeting, directory, [`--on-bt-download-complete=${HOOK}`]);
  const done = started.match(/^COMPLETE/m).then(() => undefined);
  return { ...started, done, target: join(directory, meeting.name) };
}

function run(node: number, meeting: Meeting, directory: string, flags: readonly string[]) {
  const { host, port } = addressOf(node);
  const place = [`--listen-port=${port}`, `--interface=${host}`, `--dir=${directory}`];
  return spawn(["aria2c", ...FLAGS, ...place, ...flags, meeting.torrent]);
}
