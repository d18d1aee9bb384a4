import { join } from "node:path";
import type { Client, Leecher, Scene, Swarm } from "../client.ts";
import { spawn } from "../spawn.ts";

/** This project, from source or, where PEER_CMD and TRACKER_CMD name them, as executables. */

const ROOT = join(import.meta.dir, "../../..");
const PEER = commandOf(process.env.PEER_CMD, "peer/index.ts");
const TRACKER = commandOf(process.env.TRACKER_CMD, "tracker/index.ts");

/** @param flags for both sides, such as `--transport plain` */
export function createPeerClient(name: string, flags: readonly string[]): Client {
  return {
    name,
    settings: `${PEER.length === 1 ? "executable" : "from source"} ${flags.join(" ")}`.trim(),
    version: async () => (await Bun.$`${PEER} version`.text()).trim(),
    start: (scene) => start(scene, flags),
  };
}

async function start(scene: Scene, flags: readonly string[]): Promise<Swarm> {
  const { directory, file, partBytes } = scene;
  const database = `file:${join(directory, "tracker.db")}`;
  const tracker = spawn([...TRACKER, "127.0.0.1", "0", "--db", database], { watch: "stderr" });
  const url = await tracker.match(/listening on (http:\S+)/);
  const torrent = join(directory, "torrent.json");
  const common = (who: string) => ["--tracker", url, "--data-dir", join(directory, who), ...flags];
  const upload = ["upload", file, torrent, "--part-size", String(partBytes), ...common("seeder")];
  const seeder = spawn([...PEER, ...upload]);
  await seeder.match(/SUCCESSFUL UPLOAD/);
  return {
    seeder,
    startLeecher: (n) => startLeecher(n, torrent, directory, common(`leecher${n}`)),
    stop: async () => {
      await seeder.stop();
      await tracker.stop();
    },
  };
}

/** It goes on serving, as the others' leechers do. */
function startLeecher(
  n: number,
  torrent: string,
  directory: string,
  common: readonly string[],
): Leecher {
  const target = join(directory, `file${n}`);
  const started = spawn([...PEER, "download", torrent, target, "--serve", ...common]);
  const done = started.match(/SUCCESSFUL DOWNLOAD/).then(() => undefined);
  return { ...started, target, done };
}

function commandOf(executable: string | undefined, source: string): readonly string[] {
  return executable === undefined ? [process.execPath, join(ROOT, source)] : [executable];
}
