import type { Torrent } from "../../protocol/torrent.ts";
import { download as fetchFile } from "../transfer/download.ts";
import type { LocalPeer } from "../transfer/local-peer.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { startPeer, untilStopped } from "./running-peer.ts";
import { toTorrentFacts } from "./torrent-event.ts";
import { readTorrentFile } from "./torrent-file.ts";
import type { Context, DownloadOptions } from "./verbs.ts";

/** `peer download TORRENT FILE`
 * @throws what `readTorrentFile` and transfer/download.ts throw; the signal's reason when serving ends */
export async function download(context: Context, options: DownloadOptions): Promise<number> {
  const torrent = await readTorrentFile(context.disk, options.torrentPath);
  await using running = await startPeer(context);
  const serve = options.serve && !running.isHelper;
  await fetchAndTell(running.peer, context, torrent, { ...options, serve });
  if (running.isHelper) await running.handOver();
  return serve ? await untilStopped(context.signal) : EXIT_CODES.ok;
}

/** The part that the interactive form shares. */
export async function fetchAndTell(
  peer: LocalPeer,
  { report, signal }: Context,
  torrent: Torrent,
  options: DownloadOptions,
): Promise<void> {
  const facts = toTorrentFacts(torrent);
  report.emit({ type: "torrent", ...facts });
  const request = { ...options, torrent, keepServing: options.serve, signal };
  await fetchFile(peer, request, {
    onTotals: (totals) => report.setTotals(totals),
    onComplete: (file, alreadyThere) =>
      report.emit({ type: "downloaded", ...facts, file, alreadyThere }),
  });
}
