import { basename } from "node:path";
import { TorrentError } from "../../protocol/errors.ts";
import type { PartAlgorithm } from "../../protocol/part-algorithm.ts";
import { encodeTorrent, type Torrent } from "../../protocol/torrent.ts";
import { NotFoundError, UsageError } from "../errors.ts";
import type { Disk } from "../storage/disk.ts";
import { createCrypto } from "../storage/hash.ts";
import { writeAtomic } from "../storage/small-file.ts";
import { existsError, resolveTarget } from "../storage/target.ts";
import type { LocalPeer } from "../transfer/local-peer.ts";
import { leaveUnserved, type Made, makeTorrent } from "../transfer/make.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { startPeer, untilStopped } from "./running-peer.ts";
import { toTorrentFacts } from "./torrent-event.ts";
import { readTorrentFile } from "./torrent-file.ts";
import type { Context, UploadOptions } from "./verbs.ts";

/** `peer upload FILE [TORRENT]`
 * @throws {UsageError} unsupported_algorithm: this machine cannot hash so; {NotFoundError} no such file; {StorageError} exists: something that is no torrent stands at TORRENT; what
 * `makeTorrent` throws; the signal's reason when serving ends */
export async function upload(context: Context, options: UploadOptions): Promise<number> {
  refuseLacking(options.algorithm);
  await using running = await startPeer(context);
  const { peer, isHelper } = running;
  const made = await makeAndWrite(peer, context, options);
  if (isHelper || !options.serve) await leaveUnserved(peer, made.torrent, context.signal);
  if (isHelper) await running.handOver();
  else if (options.serve) await peer.shares.add(made.torrent, made.path, made.verified);
  announceUpload(context, made.torrent, options);
  return isHelper || !options.serve ? EXIT_CODES.ok : await untilStopped(context.signal);
}

/** The part that the interactive form shares: nothing is served yet when it returns. */
export async function makeAndWrite(
  peer: LocalPeer,
  context: Context,
  options: UploadOptions,
): Promise<Made> {
  const { disk, signal } = context;
  await refuseBadPaths(disk, options);
  const name = options.name ?? basename(options.file);
  const made = await makeTorrent(peer, { ...options, name, signal });
  const { path } = await resolveTarget(disk, options.torrentPath);
  await writeAtomic(disk, path, encodeTorrent(made.torrent), `${path}.new`);
  return made;
}

/** Tells the user that it is done, and what the other side types. */
export function announceUpload(
  { report }: Context,
  torrent: Torrent,
  options: UploadOptions,
): void {
  const { torrentPath } = options;
  const target = torrent.name ?? basename(options.file);
  const next = `On another machine: peer download ${quote(basename(torrentPath))} ${quote(target)}`;
  report.emit({ type: "uploaded", ...toTorrentFacts(torrent), torrent: torrentPath, next });
}

/** Said before anything is read or written. */
function refuseLacking(algorithm: PartAlgorithm): void {
  const lacking = createCrypto().lacks(algorithm);
  if (lacking === undefined) return;
  throw new UsageError(
    "unsupported_algorithm",
    `Cannot use --hash ${algorithm}: ${lacking}, expected sha256 or sha1`,
  );
}

/** Said before hours of hashing: a torrent may be made again, but nothing else is ever overwritten. */
async function refuseBadPaths(disk: Disk, { file, torrentPath }: UploadOptions): Promise<void> {
  if ((await disk.facts(file)) === undefined) {
    throw new NotFoundError("no_file", `Cannot upload ${file}: there is no such file`);
  }
  const { path } = await resolveTarget(disk, torrentPath);
  if ((await disk.facts(path)) === undefined) return;
  if (path === (await disk.realPath(file))) {
    throw new UsageError(
      "bad_argument",
      `Cannot write the torrent to ${torrentPath}: that is the file itself`,
    );
  }
  try {
    await readTorrentFile(disk, path);
  } catch (cause) {
    if (cause instanceof TorrentError) throw existsError(torrentPath);
    throw cause;
  }
}

/** For a shell: as it is when nothing in it is special. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
