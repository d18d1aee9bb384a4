import { TorrentError } from "../../protocol/errors.ts";
import { TORRENT_BYTES_MAX } from "../../protocol/limits.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import type { Disk } from "../storage/disk.ts";
import { createCrypto } from "../storage/hash.ts";
import { readTorrent } from "../storage/read-torrent.ts";
import { openNamedFile } from "./named-file.ts";

/** Reads and checks a torrent file; its size is looked at before a byte is read.
 * @throws {NotFoundError} no_file
 * @throws {StorageError} not_a_file (a directory, a pipe, a device), denied, io
 * @throws {TorrentError} what `parseTorrent` refuses */
export async function readTorrentFile(disk: Disk, path: string): Promise<Torrent> {
  const file = await openNamedFile(disk, path, "Cannot read torrent");
  try {
    const { identity } = await file.facts();
    if (identity.size > TORRENT_BYTES_MAX) {
      const state = `${identity.size} bytes, at most ${TORRENT_BYTES_MAX} are read`;
      throw new TorrentError("too_large", `Cannot read torrent ${path}: ${state}`);
    }
    return await readTorrent(createCrypto(), file, Number(identity.size));
  } finally {
    await file.close();
  }
}
