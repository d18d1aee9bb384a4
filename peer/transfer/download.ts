import type { Torrent } from "../../protocol/torrent.ts";
import { IntegrityError } from "../errors.ts";
import type { Totals, TransferProgress } from "../events.ts";
import { openDownload } from "../storage/open-download.ts";
import type { VerifiedFile } from "../storage/seed-file.ts";
import { existsError, inspectTarget, resolveTarget } from "../storage/target.ts";
import type { PartOrder } from "../swarm/engine-options.ts";
import type { LocalPeer } from "./local-peer.ts";
import type { PatienceOptions } from "./patience.ts";
import type { Swarm } from "./swarm.ts";
import { toTotals, watch } from "./watch.ts";

export interface DownloadRequest extends PatienceOptions {
  readonly torrent: Torrent;
  /** A path as the user typed it. */
  readonly target: string;
  readonly overwrite: boolean;
  /** Go on serving the file when it is complete. */
  readonly keepServing: boolean;
  /** What is asked for first. */
  readonly order: PartOrder;
  readonly signal: AbortSignal;
}

/** Who is told how a download goes. */
export interface DownloadListeners {
  /** Every part is proven, and the file stands complete under its name; what is left is to take note of it.
   * @param path absolute */
  onComplete(path: string, alreadyThere: boolean): void;
  /** What came from where, also when the download fails. */
  onTotals(totals: Totals): void;
}

/** Gets a file: from everyone who has parts of it, straight into `TARGET.part`, published under its name when proven.
 *
 * The way of the bytes stands in connection.ts; here is the life of the whole: what is there already, work, proof,
 * publishing.
 * @throws {StorageError} exists, busy, no_space, denied, io; {IncompleteError} {TimeoutError} out of patience;
 * {TrackerError} {NotFoundError} no peer is known and no tracker helps; {IntegrityError}; the signal's reason */
export async function download(
  peer: LocalPeer,
  request: DownloadRequest,
  listeners: DownloadListeners,
): Promise<void> {
  const { torrent, target, signal } = request;
  const { path } = await resolveTarget(peer.dependencies.disk, target);
  const found = await findComplete(peer, request);
  if (found !== undefined) {
    listeners.onComplete(path, true);
    await peer.library.add(torrent, { path, verified: found });
    if (request.keepServing) await peer.shares.add(torrent, path, found);
    return;
  }
  await peer.library.add(torrent, { path });
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      await fetchAll(peer, request, listeners);
      return;
    } catch (cause) {
      // Parts that changed on disk before they were published count as missing now: they are fetched again.
      const isWorthAnother =
        cause instanceof IntegrityError && cause.code === "file_mismatch" && attempt < ATTEMPTS_MAX;
      if (!isWorthAnother) throw cause;
      peer.dependencies.log.warn("Parts on disk changed under the download", { error: cause });
    }
  }
}

/** @returns the target when it is the wanted file already */
async function findComplete(
  peer: LocalPeer,
  request: DownloadRequest,
): Promise<VerifiedFile | undefined> {
  const { torrent, target, overwrite, signal } = request;
  const { disk, clock, emit } = peer.dependencies;
  const bytesTotal = torrent.geometry.fileBytes;
  const onProgress = (bytesDone: number) => emit({ type: "hashing", bytesDone, bytesTotal });
  const found = await inspectTarget(disk, clock, torrent, target, { signal, onProgress });
  if (found.type === "different" && !overwrite) throw existsError(target);
  return found.type === "identical" ? found.verified : undefined;
}

async function fetchAll(
  peer: LocalPeer,
  request: DownloadRequest,
  listeners: DownloadListeners,
): Promise<void> {
  const { torrent, order, signal } = request;
  const { journalDir } = peer.library;
  await using store = await openDownload({ ...peer.dependencies, ...request, journalDir });
  const swarm = peer.node.join({
    torrent,
    have: store.recovered.copy(),
    source: store,
    store,
    order,
    trackers: peer.trackersOf(torrent),
    emit: peer.dependencies.emit,
  });
  let isKept = false;
  try {
    swarm.start(peer.namedPeers);
    const finished = swarm.whenComplete;
    await watch(peer, request, { swarm, finished, progress: () => progressOf(swarm) });
    signal.throwIfAborted();
    await store.publish({ signal });
    listeners.onComplete(store.path, false);
    const verified = await store.verified();
    await peer.library.add(torrent, { path: store.path, verified });
    if (request.keepServing) await peer.shares.add(torrent, store.path, verified, swarm);
    isKept = request.keepServing;
  } finally {
    listeners.onTotals(toTotals(swarm, torrent.geometry.bytesIn(store.recovered)));
    if (!isKept) await peer.node.leave(swarm, "done");
  }
}

function progressOf(swarm: Swarm): TransferProgress {
  const { bytesDone, partsDone, peers, peersKnown } = swarm.stats();
  const { fileBytes, partCount } = swarm.torrent.geometry;
  return {
    type: "progress",
    bytesDone,
    bytesTotal: fileBytes,
    partsDone,
    partsTotal: partCount,
    peers,
    peersKnown,
  };
}

const ATTEMPTS_MAX = 3;
