import { mkdir, rename, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Address } from "../../protocol/address.ts";
import type { Place, Scene, Started, Swarm } from "./client.ts";
import { whileRunning } from "./spawn.ts";

/** What the BitTorrent programs need to meet: a .torrent file and a tracker, both made here. Node n (0 is the seeder)
 * listens on its own loopback address, or where the scene's net has it, so that no program takes two others for one. */

export const PORT_FIRST = 27_100;

export interface Meeting {
  /** Path of the .torrent file. */
  readonly torrent: string;
  /** Name of the file in it. */
  readonly name: string;
  /** A directory in which the seeder finds the file under its name. */
  readonly seedDirectory: string;
  /** Where a node runs and listens. */
  readonly placeOf: (node: number) => Place & Address;
  /** Resolves when the seeder has announced itself as complete. */
  readonly seederReady: Promise<void>;
  stop(): Promise<void>;
}

export function addressOf(node: number): Address {
  return { host: `127.0.77.${node + 1}`, port: PORT_FIRST + node };
}

export async function createMeeting(scene: Scene): Promise<Meeting> {
  const { net } = scene;
  const placeOf = (node: number) => ({ enter: [], ...addressOf(node), ...net?.place(node) });
  const hubHost = net?.hubHost ?? "127.0.0.1";
  const seeder = placeOf(0);
  const reached = (await scene.layWay?.(seeder)) ?? seeder;
  const ready = Promise.withResolvers<void>();
  const left = new Map<number, number>();
  const tracker = Bun.serve({
    hostname: hubHost,
    port: 0,
    fetch: (request) => {
      const query = new URL(request.url.replace(/info_hash=[^&]*&?/, "")).searchParams;
      const port = Number(query.get("port"));
      if (query.get("event") === "stopped") left.delete(port);
      else left.set(port, Number(query.get("left") ?? 0));
      if (left.get(PORT_FIRST) === 0) ready.resolve();
      // The seeder of a laid way would go straight to those whom he is told of.
      const others = port === seeder.port && reached !== seeder ? [] : [...left.keys()];
      const told = others
        .filter((other) => other !== port)
        .map((other) => placeOf(other - PORT_FIRST));
      return new Response(answer(told.map((at) => (at.port === seeder.port ? reached : at))));
    },
  });
  const name = basename(scene.file);
  const seedDirectory = join(scene.directory, "seed");
  await mkdir(seedDirectory);
  await symlink(scene.file, join(seedDirectory, name));
  const torrent = join(scene.directory, `${name}.torrent`);
  await Bun.write(
    torrent,
    await encodeTorrent(scene, name, `http://${hubHost}:${tracker.port}/announce`),
  );
  return {
    torrent,
    name,
    seedDirectory,
    placeOf,
    seederReady: ready.promise,
    stop: () => tracker.stop(true),
  };
}

/** Waits until a seeder has announced itself.
 * @param isUp what else it has to say before
 * @throws when it ends before; neither it nor the tracker runs on then */
export async function startSeeder(
  meeting: Meeting,
  seeder: Started,
  isUp?: Promise<unknown>,
): Promise<Pick<Swarm, "seeder" | "stop">> {
  const stop = async () => {
    await seeder.stop();
    await meeting.stop();
  };
  try {
    await whileRunning(["Its seeder", seeder], Promise.all([isUp, meeting.seederReady]));
  } catch (cause) {
    await stop();
    throw cause;
  }
  return { seeder, stop };
}

function answer(addresses: readonly Address[]): Uint8Array {
  const peers = addresses.flatMap(({ host, port }) => [
    ...host.split(".").map(Number),
    port >> 8,
    port & 0xff,
  ]);
  return encode({ interval: 30, "min interval": 5, peers: Uint8Array.from(peers) });
}

async function encodeTorrent(scene: Scene, name: string, announce: string): Promise<Uint8Array> {
  const pieces = await hashPieces(scene);
  const info = { length: scene.fileBytes, name, "piece length": scene.partBytes, pieces };
  return encode({ announce, info });
}

/** Kept beside the file: it takes seconds and never changes. */
async function hashPieces({ file, partBytes }: Scene): Promise<Uint8Array> {
  const kept = Bun.file(`${file}.${partBytes}.pieces`);
  if (await kept.exists()) return await kept.bytes();
  const pieces: Uint8Array[] = [];
  const source = Bun.file(file);
  for (let at = 0; at < source.size; at += partBytes) {
    const piece = await source.slice(at, at + partBytes).bytes();
    pieces.push(new Bun.CryptoHasher("sha1").update(piece).digest());
  }
  const all = Buffer.concat(pieces);
  await Bun.write(`${file}.pieces.new`, all);
  await rename(`${file}.pieces.new`, `${file}.${partBytes}.pieces`);
  return all;
}

type Bencodable = number | string | Uint8Array | { readonly [key: string]: Bencodable };

function encode(value: Bencodable): Uint8Array {
  if (typeof value === "number") return Buffer.from(`i${value}e`);
  if (typeof value === "string") return encode(Buffer.from(value));
  if (value instanceof Uint8Array) return Buffer.concat([Buffer.from(`${value.length}:`), value]);
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  const encoded = entries.flatMap(([key, inner]) => [encode(key), encode(inner)]);
  return Buffer.concat([Buffer.from("d"), ...encoded, Buffer.from("e")]);
}
