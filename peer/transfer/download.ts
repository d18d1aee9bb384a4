import type { Torrent } from "../../protocol/torrent.ts";
import { IntegrityError } from "../errors.ts";
import type { Totals } from "../events.ts";
import { openDownload } from "../storage/open-download.ts";
import type { VerifiedFile } from "../storage/seed-file.ts";
import type { SparseFile } from "../storage/sparse-file.ts";
import { existsError, inspectTarget, resolveTarget } from "../storage/target.ts";
import type { LocalPeer } from "./local-peer.ts";
import { Patience, type PatienceOptions } from "./patience.ts";
import type { Swarm } from "./swarm.ts";
import { explainWaiting } from "./waiting.ts";

export interface DownloadRequest extends PatienceOptions {
  readonly torrent: Torrent;
  /** A path as the user typed it. */
  readonly target: string;
  readonly overwrite: boolean;
  /** Go on serving the file when it is complete. */
  readonly keepServing: boolean;
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
  const { torrent, signal } = request;
  const { journalDir } = peer.library;
  await using store = await openDownload({ ...peer.dependencies, ...request, journalDir });
  const swarm = peer.node.join({
    torrent,
    have: store.recovered.copy(),
    source: store,
    store,
    trackers: peer.trackersOf(torrent),
    emit: peer.dependencies.emit,
  });
  let isKept = false;
  try {
    swarm.start(peer.namedPeers);
    await watch(peer, swarm, request);
    signal.throwIfAborted();
    await store.publish({ signal });
    listeners.onComplete(store.path, false);
    const verified = await store.verified();
    await peer.library.add(torrent, { path: store.path, verified });
    if (request.keepServing) await peer.shares.add(torrent, store.path, verified, swarm);
    isKept = request.keepServing;
  } finally {
    listeners.onTotals(toTotals(swarm, store));
    if (!isKept) await peer.node.leave(swarm, "done");
  }
}

/** Waits for the last part, telling how it goes. */
async function watch(peer: LocalPeer, swarm: Swarm, request: DownloadRequest): Promise<void> {
  const { clock, emit } = peer.dependencies;
  const patience = new Patience(request, clock.monotonic());
  const done = new AbortController();
  const finished = swarm.whenComplete.finally(() => done.abort());
  finished.catch(() => undefined);
  const either = AbortSignal.any([request.signal, done.signal]);
  while (!either.aborted) {
    report(peer, swarm);
    const verdict = patience.judge(swarm.stats(), swarm.trackerStates(), clock.monotonic());
    if (verdict !== undefined) throw verdict;
    await clock.sleep(REPORT_MS, { signal: either }).catch(() => undefined);
    if (!done.signal.aborted)
      emit(explainWaiting(swarm.waitingFor(PARTS_EXPLAINED), swarm.trackerStates()));
  }
  request.signal.throwIfAborted();
  await finished;
  report(peer, swarm);
}

function report(peer: LocalPeer, swarm: Swarm): void {
  const { bytesDone, partsDone, peers, peersKnown } = swarm.stats();
  const { fileBytes, partCount } = swarm.torrent.geometry;
  peer.dependencies.emit({
    type: "progress",
    bytesDone,
    bytesTotal: fileBytes,
    partsDone,
    partsTotal: partCount,
    peers,
    peersKnown,
  });
}

function toTotals(swarm: Swarm, store: SparseFile): Totals {
  const { bytesPerPeer, badParts, duplicateBytes } = swarm.stats();
  let bytes = 0;
  for (const count of bytesPerPeer.values()) bytes += count;
  return {
    bytes,
    bytesPerPeer: Object.fromEntries(bytesPerPeer),
    badParts,
    duplicateBytes,
    resumedBytes: swarm.torrent.geometry.bytesIn(store.recovered),
  };
}

const REPORT_MS = 200;
const PARTS_EXPLAINED = 3;
const ATTEMPTS_MAX = 3;
