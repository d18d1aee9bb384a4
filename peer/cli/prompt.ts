import type { LocalPeer } from "../transfer/local-peer.ts";
import { fetchAndTell } from "./download.ts";
import { EXIT_CODES, isFailure } from "./exit-codes.ts";
import { type LineCommand, parseLine } from "./line-parser.ts";
import { readLines } from "./lines.ts";
import { list } from "./list.ts";
import { startServingPeer, untilStopped } from "./running-peer.ts";
import { tellServing } from "./serve.ts";
import { readTorrentFile } from "./torrent-file.ts";
import { announceUpload, makeAndWrite } from "./upload.ts";
import type { Context } from "./verbs.ts";

/** The original's form, `peer CONFIG.json`: serves everything, and takes commands line by line.
 *
 * An error is told and the next line is read; the end of the input ends the reading, not the serving.
 * @throws {StorageError} busy: another run serves the data directory; the signal's reason when stopped */
export async function prompt(context: Context): Promise<number> {
  await using running = await startServingPeer(context);
  const { peer } = running;
  await peer.shares.refresh();
  tellServing(context, peer);
  const end = await readCommands(context, peer);
  return end === "quit" ? EXIT_CODES.ok : await untilStopped(context.signal);
}

async function readCommands(context: Context, peer: LocalPeer): Promise<"quit" | "ended"> {
  const { signal } = context;
  const lines = readLines(context.stdin());
  const stopped = new Promise<IteratorReturnResult<undefined>>((resolve) => {
    signal.addEventListener("abort", () => resolve({ done: true, value: undefined }), {
      once: true,
    });
  });
  for (;;) {
    const line = await Promise.race([lines.next(), stopped]);
    if (line.done || signal.aborted) return "ended";
    if ((await tryLine(context, peer, line.value)) === "quit") return "quit";
  }
}

/** A line that fails is told, and no more: unless the whole run is being stopped. */
async function tryLine(
  context: Context,
  peer: LocalPeer,
  line: string,
): Promise<"quit" | undefined> {
  try {
    const command = parseLine(line);
    if (command?.command === "quit") return "quit";
    if (command !== undefined) await obey(context, peer, command);
  } catch (error) {
    if (context.signal.aborted || !isFailure(context.report.fail(error))) throw error;
  }
  return undefined;
}

async function obey(context: Context, peer: LocalPeer, line: LineCommand): Promise<void> {
  switch (line.command) {
    case "upload":
      return await uploadLine(context, peer, line);
    case "download":
      return await downloadLine(context, peer, line);
    case "list":
      await list(context);
      return;
    case "status":
      tellServing(context, peer);
      return;
    case "help":
      context.report.emit({ type: "help", text: HELP });
      return;
    case "quit":
      return;
    default:
      return line satisfies never;
  }
}

async function uploadLine(
  context: Context,
  peer: LocalPeer,
  { file, torrent: torrentPath }: Extract<LineCommand, { readonly command: "upload" }>,
): Promise<void> {
  const options = { file, torrentPath, ...UPLOAD_DEFAULTS };
  const made = await makeAndWrite(peer, context, options);
  await peer.shares.add(made.torrent, made.path, made.verified);
  announceUpload(context, made.torrent, options);
}

async function downloadLine(
  context: Context,
  peer: LocalPeer,
  { torrent: torrentPath, file: target }: Extract<LineCommand, { readonly command: "download" }>,
): Promise<void> {
  const torrent = await readTorrentFile(context.disk, torrentPath);
  await fetchAndTell(peer, context, torrent, { torrentPath, target, ...DOWNLOAD_DEFAULTS });
}

const UPLOAD_DEFAULTS = {
  partSize: "auto",
  algorithm: "sha256",
  name: undefined,
  serve: true,
  copy: false,
} as const;

const DOWNLOAD_DEFAULTS = {
  overwrite: false,
  serve: true,
  to: "file",
  order: "rarest",
  timeoutMs: undefined,
  stallTimeoutMs: undefined,
} as const;

const HELP = `upload path_to_file path_to_torrent      make a torrent and serve the file
download path_to_torrent path_to_file    fetch a file, then serve it
list                                     every torrent known here
status                                   how many torrents are served, and where
quit                                     end
A path with blanks goes into quotes.`;
