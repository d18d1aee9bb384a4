import { stat } from "node:fs/promises";
import { join } from "node:path";
import { formatAddress } from "../../../protocol/address.ts";
import { addressOf } from "../bittorrent.ts";
import type { Client, Leecher, Scene, Swarm } from "../client.ts";
import { PROGRAMS, type Programs, spawnPeer, startTracker } from "../programs.ts";
import { spawn } from "../spawn.ts";

/** This project. */

export interface PeerOptions {
  /** Of all peers. */
  readonly flags?: readonly string[];
  /** Of the seeder only. */
  readonly uploadFlags?: readonly string[];
  /** Of the leechers only. */
  readonly downloadFlags?: readonly string[];
  readonly programs?: Programs;
  /** Whether a leecher goes on serving when it is complete, as the others' leechers do. */
  readonly serves?: boolean;
  /** Where a leecher writes: to a file of its own making, or to standard output, which is a file or a pipe to another
   * program that writes one. */
  readonly into?: Into;
}

export type Into = "file" | "redirected" | "pipe";

export const PLAIN = ["--transport", "plain"] as const;
export const TLS = ["--transport", "tls"] as const;

export function createPeerClient(name: string, options: PeerOptions = {}): Client {
  const { flags = [], programs = PROGRAMS } = options;
  return {
    name,
    settings: `${programs.label} ${flags.join(" ")}`.trim(),
    version: async () => (await Bun.$`${programs.peer} version`.text()).trim(),
    start: (scene) => start(scene, options),
  };
}

export const peerPlain = createPeerClient("peer plain", { flags: PLAIN });
export const peerTls = createPeerClient("peer tls", { flags: TLS });

const BLAKE3 = ["--hash", "blake3"] as const;
export const peerPlainBlake3 = createPeerClient("peer plain blake3", {
  flags: PLAIN,
  uploadFlags: BLAKE3,
});
export const peerTlsBlake3 = createPeerClient("peer tls blake3", {
  flags: TLS,
  uploadFlags: BLAKE3,
});

async function start(scene: Scene, options: PeerOptions): Promise<Swarm> {
  const { directory, file, partBytes } = scene;
  const { flags = [], uploadFlags = [], programs = PROGRAMS, serves = true } = options;
  const { downloadFlags = [], into = "file" } = options;
  const tracker = await startTracker(directory, programs, [], scene.net?.hubHost);
  const torrent = join(directory, "torrent.json");
  const run = (node: number, args: readonly string[]) => {
    const { host, enter } = scene.net?.place(node) ?? {};
    const data = join(directory, node === 0 ? "seeder" : `leecher${node}`);
    const place = ["--tracker", tracker.url, "--data-dir", data];
    const listen = host === undefined ? [] : ["--listen", formatAddress({ host, port: 0 })];
    return spawnPeer([...args, ...place, ...listen, ...flags], {}, programs, enter);
  };
  const seeder = run(0, [
    ...["upload", file, torrent, "--part-size", String(partBytes)],
    ...(await wayFlags(scene)),
    ...uploadFlags,
  ]);
  const stop = async () => {
    await seeder.stop();
    await tracker.stop();
  };
  try {
    await seeder.match(/SUCCESSFUL UPLOAD/);
  } catch (cause) {
    await stop();
    throw cause;
  }
  return {
    seeder,
    startLeecher: (n): Leecher => {
      const target = join(directory, `file${n}`);
      if (into !== "file") {
        const place = ["--tracker", tracker.url, "--data-dir", join(directory, `leecher${n}`)];
        const command = [...programs.peer, "download", torrent, "-", ...place, ...flags];
        return startPipe(into, command, { target, bytes: scene.fileBytes });
      }
      const started = run(n, [
        ...["download", torrent, target],
        ...downloadFlags,
        ...(serves ? ["--serve"] : []),
      ]);
      return {
        ...started,
        target,
        done: started.match(/SUCCESSFUL DOWNLOAD/).then(() => undefined),
      };
    },
    stop,
  };
}

/** @returns flags of a seeder who is found at the other end of a laid way */
async function wayFlags({ layWay }: Scene): Promise<readonly string[]> {
  if (layWay === undefined) return [];
  const at = addressOf(0);
  return ["--listen", formatAddress(at), "--announce", formatAddress(await layWay(at))];
}

/** The shell becomes the peer, so that its figures are the peer's. */
const SHELL: Readonly<Record<Exclude<Into, "file">, string>> = {
  redirected: 'target="$1"; shift; exec "$@" > "$target"',
  pipe: 'target="$1"; shift; exec "$@" > >(exec cat > "$target")',
};

function startPipe(
  into: Exclude<Into, "file">,
  command: readonly string[],
  { target, bytes }: { readonly target: string; readonly bytes: number },
): Leecher {
  const shell = ["bash", "-c", SHELL[into], "bash", target, ...command];
  const started = spawn(shell, { watch: "stderr" });
  const done = async () => {
    await started.match(/SUCCESSFUL DOWNLOAD/);
    // Whoever reads the pipe may still have the last of it in hand.
    while ((await stat(target)).size < bytes) await Bun.sleep(1);
  };
  return { ...started, target, done: done() };
}
