import type { Torrent } from "../../protocol/torrent.ts";

/** What every event that is about a torrent says of it. */
export interface TorrentFacts {
  readonly hash: string;
  readonly digest: string;
  readonly name?: string;
  readonly size: number;
  readonly parts: number;
  readonly partSize: number;
}

export function toTorrentFacts({ hash, digest, name, geometry }: Torrent): TorrentFacts {
  return {
    hash,
    digest,
    ...(name === undefined ? {} : { name }),
    size: geometry.fileBytes,
    parts: geometry.partCount,
    partSize: geometry.partBytes,
  };
}
