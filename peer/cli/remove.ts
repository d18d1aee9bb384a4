import { NotFoundError, UsageError } from "../errors.ts";
import type { Entry, Library } from "../library.ts";
import { openContextLibrary } from "./context-library.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { refreshServing } from "./running-peer.ts";
import type { Context, RemoveOptions } from "./verbs.ts";

/** `peer remove HASH`: a uuid or a digest, or how one of them begins.
 * @throws {NotFoundError} unknown_swarm
 * @throws {UsageError} bad_argument: the text means several torrents
 * @throws {StorageError} denied, io (also: the run that serves the data directory does not answer) */
export async function remove(
  context: Context,
  { hash, deleteFile }: RemoveOptions,
): Promise<number> {
  const library = await openContextLibrary(context);
  const { torrent, path, state } = await findOne(library, hash);
  await library.remove(torrent.digest, { deleteFile });
  await refreshServing(context);
  const fileDeleted = deleteFile && state !== "missing";
  context.report.emit({ type: "removed", hash: torrent.hash, file: path, fileDeleted });
  return EXIT_CODES.ok;
}

async function findOne(library: Library, hash: string): Promise<Entry> {
  const found = await library.find(hash);
  const [entry] = found;
  if (entry === undefined) {
    throw new NotFoundError(
      "unknown_swarm",
      `Cannot remove ${hash}: no such torrent is known here`,
    );
  }
  if (found.length > 1) {
    const digests = found.map(({ torrent }) => torrent.digest).join(", ");
    const state = `it means ${found.length} torrents, expected the digest of one: ${digests}`;
    throw new UsageError("bad_argument", `Cannot remove ${hash}: ${state}`);
  }
  return entry;
}
