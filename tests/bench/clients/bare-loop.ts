import { join } from "node:path";
import { addressOf } from "../bittorrent.ts";
import type { Client, Leecher, Scene, Swarm } from "../client.ts";
import { spawn } from "../spawn.ts";

/** The least that any program must do: `sendfile` on one side, `recv` and `write` on the other, in one thread; with and
 * without hashing. It is the physical limit, not a rival. */
const SCRIPT = join(import.meta.dir, "../others/bare-loop.py");
const PYTHON = "/usr/bin/python3";

/** @param hash as hashlib names it, or `none` */
export function createBareLoop(hash: "sha1" | "sha256" | "none"): Client {
  return {
    name: hash === "none" ? "bare loop without hash" : `bare loop with ${hash}`,
    settings: "sendfile -> recv into 1 MiB -> hash -> write, one thread",
    version: async () => {
      const told = await Bun.$`${PYTHON} --version`.nothrow().quiet();
      return told.exitCode === 0 ? told.stdout.toString().trim() : undefined;
    },
    start: (scene) => start(scene, hash),
  };
}

async function start(scene: Scene, hash: string): Promise<Swarm> {
  const at = addressOf(0);
  const seeder = spawn([PYTHON, SCRIPT, "seed", at.host, String(at.port), scene.file]);
  await seeder.match(/READY/);
  const { host, port } = (await scene.layWay?.(at)) ?? at;
  return {
    seeder,
    startLeecher: (n): Leecher => {
      const target = join(scene.directory, `file${n}`);
      const started = spawn([PYTHON, SCRIPT, "leech", host, String(port), target, hash]);
      return { ...started, target, done: started.match(/COMPLETE/).then(() => undefined) };
    },
    stop: () => seeder.stop(),
  };
}
