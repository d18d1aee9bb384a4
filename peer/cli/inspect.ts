import { EXIT_CODES } from "./exit-codes.ts";
import { toTorrentFacts } from "./torrent-event.ts";
import { readTorrentFile } from "./torrent-file.ts";
import type { Context, InspectOptions } from "./verbs.ts";

/** `peer inspect TORRENT`: what cannot be read is thrown by name, the rest is shown.
 * @throws as `readTorrentFile` */
export async function inspect(
  { report, disk }: Pick<Context, "report" | "disk">,
  { torrentPath }: InspectOptions,
): Promise<number> {
  const torrent = await readTorrentFile(disk, torrentPath);
  report.emit({
    type: "inspected",
    ...toTorrentFacts(torrent),
    algorithm: torrent.algorithm,
    trackers: [...torrent.trackers],
    ...(torrent.created === undefined ? {} : { created: torrent.created }),
  });
  return EXIT_CODES.ok;
}
