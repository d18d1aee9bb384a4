import type { Entry } from "../library.ts";
import { openContextLibrary } from "./context-library.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { toTorrentFacts } from "./torrent-event.ts";
import type { Context } from "./verbs.ts";

/** `peer list`: what the data directory knows.
 * @throws {StorageError} denied, io */
export async function list(context: Context): Promise<number> {
  const library = await openContextLibrary(context);
  for await (const entry of library.list()) {
    context.signal.throwIfAborted();
    context.report.emit({
      type: "listed",
      ...toTorrentFacts(entry.torrent),
      file: entry.path,
      state: entry.state,
      ...bytesKnown(entry),
    });
  }
  return EXIT_CODES.ok;
}

/** Of a file that was never hashed here it is not known how much is right. */
function bytesKnown({ torrent, state, parts, identity }: Entry): { readonly bytesDone?: number } {
  if (state === "complete" && identity === undefined) return {};
  return { bytesDone: torrent.geometry.bytesIn(parts) };
}
