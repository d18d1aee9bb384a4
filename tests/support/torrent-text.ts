import { encodeTorrent, type Torrent } from "../../protocol/torrent.ts";

/** @returns the torrent as the text of its file */
export function formatTorrent(torrent: Torrent): string {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for (const chunk of encodeTorrent(torrent)) text += decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}
