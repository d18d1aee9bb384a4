import type { ByteRange } from "../../protocol/geometry.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { StorageError } from "../errors.ts";
import type { Totals, TransferProgress } from "../events.ts";
import type { PartSource } from "../storage/store.ts";
import type { LocalPeer } from "./local-peer.ts";
import { type OrderedBytes, OrderedRuns } from "./ordered-runs.ts";
import type { PatienceOptions } from "./patience.ts";
import type { Swarm } from "./swarm.ts";
import { toTotals, watch } from "./watch.ts";

export interface PipeRequest extends PatienceOptions {
  readonly torrent: Torrent;
  /** Lies within the file; at least 1 byte. */
  readonly range: ByteRange;
  /** Takes the range's bytes; closed when all are written. */
  readonly output: WritableStream<OrderedBytes>;
  readonly signal: AbortSignal;
}

/** Gets a range of a file from everyone who has parts of it, and writes it in order while it comes.
 *
 * Nothing is kept: no file, no journal, and nothing that could be offered to others. What comes out is verified, and a
 * beginning of the range whatever happens.
 * @param onTotals what came from where, also when it fails
 * @throws as transfer/download.ts, and what `output` fails with */
export async function pipe(
  peer: LocalPeer,
  request: PipeRequest,
  onTotals: (totals: Totals) => void,
): Promise<void> {
  const { torrent, range, output, signal } = request;
  using runs = new OrderedRuns(torrent.geometry, range);
  const swarm = peer.node.join({
    torrent,
    have: runs.unwanted(),
    source: NOTHING,
    pipe: runs,
    trackers: peer.trackersOf(torrent),
    emit: peer.dependencies.emit,
  });
  const stop = new AbortController();
  try {
    swarm.start(peer.namedPeers);
    const piped = runs.readable.pipeTo(output, { signal: AbortSignal.any([signal, stop.signal]) });
    const finished = Promise.all([swarm.whenComplete, piped]);
    const progress = progressOf(swarm, runs, range);
    await watch(peer, request, { swarm, finished, progress });
  } catch (cause) {
    stop.abort(cause);
    throw cause;
  } finally {
    onTotals(toTotals(swarm, 0));
    await peer.node.leave(swarm, "done");
  }
}

/** @returns a function that tells how much of the range is verified, whether or not it was written */
function progressOf(swarm: Swarm, runs: OrderedRuns, range: ByteRange): () => TransferProgress {
  const { geometry } = swarm.torrent;
  const unwanted = runs.unwanted();
  // Parts are verified whole: what they have beyond the range comes first, so that all of it is all of them.
  const bytesBeside = geometry.fileBytes - range.length;
  return () => {
    const { bytesDone, partsDone, peers, peersKnown } = swarm.stats();
    return {
      type: "progress",
      bytesDone: Math.max(0, bytesDone - bytesBeside),
      bytesTotal: range.length,
      partsDone: partsDone - unwanted.count,
      partsTotal: geometry.partCount - unwanted.count,
      peers,
      peersKnown,
      ...(runs.isReaderBehind ? { readerBehind: true } : {}),
    };
  };
}

/** Nothing is offered, so nothing is ever asked for. */
const NOTHING: PartSource = {
  read: async () => {
    throw new StorageError("missing", "Cannot read a pipe: what went through it is gone");
  },
  close: async () => undefined,
};
