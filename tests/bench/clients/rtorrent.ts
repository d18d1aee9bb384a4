import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "../../support/wait.ts";
import { addressOf, createMeeting, type Meeting, startSeeder } from "../bittorrent.ts";
import type { Client, Leecher, Scene, Swarm } from "../client.ts";
import { type Spawned, spawn, whileRunning } from "../spawn.ts";

/** rtorrent as a daemon, everything that could slow it switched off. */
export const rtorrent: Client = {
  name: "rtorrent",
  settings: "daemon, plaintext, throttles off, 100 slots, no hashing at completion",
  version: async () => {
    const told = await Bun.$`rtorrent -h`.nothrow().quiet();
    return told.exitCode === 0 ? /[\d.]+\d/.exec(told.stdout.toString())?.[0] : undefined;
  },
  start,
};

const DONE_MS_MAX = 120_000;

async function start(scene: Scene): Promise<Swarm> {
  const meeting = await createMeeting(scene);
  const seeder = run(0, { scene, meeting, files: meeting.seedDirectory }).started;
  return {
    ...(await startSeeder(meeting, seeder)),
    startLeecher: (n) => startLeecher(n, scene, meeting),
  };
}

function startLeecher(n: number, scene: Scene, meeting: Meeting): Leecher {
  const files = join(scene.directory, `leecher${n}`);
  mkdirSync(files);
  const { started, flag } = run(n, { scene, meeting, files });
  const complete = waitUntil(() => existsSync(flag), `end of rtorrent ${n}`, {
    timeoutMs: DONE_MS_MAX,
  });
  const done = whileRunning([`Downloader ${n}`, started], complete).then(() => undefined);
  return { ...started, done, target: join(files, meeting.name) };
}

/** @returns the process, and the path that exists when its download is complete */
function run(
  node: number,
  place: { readonly scene: Scene; readonly meeting: Meeting; readonly files: string },
): { readonly started: Spawned; readonly flag: string } {
  const { host, port } = addressOf(node);
  const home = join(place.scene.directory, `rtorrent${node}`);
  const flag = join(home, "complete");
  mkdirSync(join(home, "session"), { recursive: true });
  const config = `system.daemon.set = true
directory.default.set = ${place.files}
session.path.set = ${home}/session
network.port_range.set = ${port}-${port}
network.port_random.set = no
network.bind_address.set = ${host}
network.local_address.set = ${host}
network.max_open_files.set = 256
network.http.max_open.set = 16
network.send_buffer.size.set = 4M
network.receive_buffer.size.set = 4M
dht.mode.set = disable
protocol.pex.set = no
protocol.encryption.set = allow_incoming
trackers.use_udp.set = no
throttle.global_down.max_rate.set_kb = 0
throttle.global_up.max_rate.set_kb = 0
throttle.max_uploads.set = 100
throttle.max_uploads.global.set = 1000
throttle.max_peers.normal.set = 200
throttle.min_peers.normal.set = 40
pieces.hash.on_completion.set = no
pieces.memory.max.set = 4096M
pieces.sync.always_safe.set = no
system.file.allocate.set = 0
method.set_key = event.download.finished,flag,"execute.nothrow=touch,${flag}"
load.start = ${place.meeting.torrent}
`;
  writeFileSync(join(home, "rc"), config);
  const started = spawn(["rtorrent", "-n", "-o", `import=${join(home, "rc")}`], {
    cwd: home,
    env: { TERM: "xterm" },
  });
  return { started, flag };
}
