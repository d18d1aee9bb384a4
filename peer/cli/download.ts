import type { ByteRange } from "../../protocol/geometry.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { UsageError } from "../errors.ts";
import { download as fetchFile } from "../transfer/download.ts";
import type { LocalPeer } from "../transfer/local-peer.ts";
import { pipe } from "../transfer/pipe.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { startPeer, untilStopped } from "./running-peer.ts";
import { toTorrentFacts } from "./torrent-event.ts";
import { readTorrentFile } from "./torrent-file.ts";
import type { Context, DownloadOptions, FileOptions, PipeOptions } from "./verbs.ts";

/** `peer download TORRENT FILE`, and `peer download TORRENT -`
 * @throws what `readTorrentFile`, transfer/download.ts and transfer/pipe.ts throw; {UsageError} standard output is a
 * terminal, or the range is not in the file; the signal's reason when serving ends */
export async function download(context: Context, options: DownloadOptions): Promise<number> {
  const torrent = await readTorrentFile(context.disk, options.torrentPath);
  if (options.to === "pipe") return await pipeAndTell(context, torrent, options);
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
  options: FileOptions,
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

async function pipeAndTell(
  context: Context,
  torrent: Torrent,
  options: PipeOptions,
): Promise<number> {
  const { report, signal } = context;
  const range = toRange(torrent, options);
  const output = context.openByteOutput();
  const facts = toTorrentFacts(torrent);
  report.emit({ type: "torrent", ...facts });
  // Nothing to get is nothing to ask anybody for.
  if (range.length > 0) {
    await using running = await startPeer(context, { keeps: false });
    const request = { ...options, torrent, range, output, signal };
    await pipe(running.peer, request, (totals) => report.setTotals(totals));
  }
  report.emit({ type: "downloaded", ...facts, file: "-", alreadyThere: false });
  return EXIT_CODES.ok;
}

function toRange({ geometry }: Torrent, { offset, length }: PipeOptions): ByteRange {
  const { fileBytes } = geometry;
  const refuse = (flag: string, state: string) =>
    new UsageError("bad_flag", `Cannot use ${flag}: the file has ${fileBytes} bytes, ${state}`);
  if (offset > fileBytes) throw refuse("--offset", `and ${offset} is beyond its end`);
  const rest = fileBytes - offset;
  if (length !== undefined && length > rest)
    throw refuse("--length", `${rest} of them from the offset on, fewer than ${length}`);
  return { offset, length: length ?? rest };
}
