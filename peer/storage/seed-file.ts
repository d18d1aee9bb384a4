import type { Bitfield } from "../../protocol/bitfield.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import type { Clock } from "../clock.ts";
import { StorageError } from "../errors.ts";
import type { HashOptions } from "./digest-runs.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { type FileIdentity, isSameIdentity } from "./identity.ts";
import { readFully } from "./read-ahead.ts";
import { settledIdentity } from "./settled-identity.ts";
import type { PartSource } from "./store.ts";
import { verifyFile } from "./verify-file.ts";

/** Serving a file where it lies, though it is not ours: its owner may change it at any time.
 *
 * Its parts are hashed once for each identity (device, inode, size, times). After every read, and before a byte of it is
 * given out, the name is looked at again: only while it still leads to the identity that was hashed, the bytes count. A
 * write changes the identity before it changes a byte, so bytes that were read before the look are those of the identity
 * that the look finds, or the look finds another one. */

/** A file whose parts were hashed, and which of them are right. */
export interface VerifiedFile {
  readonly identity: FileIdentity;
  readonly parts: Bitfield;
}

/** Finds the parts of a torrent in a complete file; hashes it only when it is not the one that was hashed before.
 * @param path links resolved
 * @param options.known what an earlier verification found
 * @throws {StorageError} missing, denied, not_a_file, changed (while it was hashed), io; the signal's reason */
export async function verifySeed(
  disk: Disk,
  clock: Clock,
  torrent: Torrent,
  path: string,
  options: HashOptions & { readonly known?: VerifiedFile | undefined } = {},
): Promise<VerifiedFile> {
  const { known, signal } = options;
  const file = await openRegular(disk, path);
  try {
    const found = (await file.facts()).identity;
    if (known !== undefined && isSameIdentity(known.identity, found)) return known;
    const identity = await settledIdentity(clock, file, signal);
    const parts = await verifyFile(torrent, file, options);
    if (!isSameIdentity(identity, (await file.facts()).identity)) throw changedError(path);
    return { identity, parts };
  } finally {
    await file.close();
  }
}

/** Opens a verified file for serving.
 * @param path links resolved
 * @param identity under which its parts were hashed
 * @throws {StorageError} changed, missing, denied, not_a_file, io */
export async function openSeed(
  disk: Disk,
  path: string,
  identity: FileIdentity,
): Promise<PartSource> {
  const file = await openRegular(disk, path);
  if (!isSameIdentity(identity, (await file.facts()).identity)) {
    await file.close();
    throw changedError(path);
  }
  return new SeedFile(disk, path, identity, file);
}

async function openRegular(disk: Disk, path: string): Promise<DiskFile> {
  const file = await disk.open(path, "read");
  if ((await file.facts()).kind === "file") return file;
  await file.close();
  throw new StorageError("not_a_file", `Cannot serve ${path}: it is no regular file`);
}

class SeedFile implements PartSource {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #identity: FileIdentity;
  readonly #file: DiskFile;

  constructor(disk: Disk, path: string, identity: FileIdentity, file: DiskFile) {
    this.#disk = disk;
    this.#path = path;
    this.#identity = identity;
    this.#file = file;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    const bytes = await readFully(this.#file, into, offset);
    const facts = await this.#disk.facts(this.#path);
    if (facts === undefined) {
      throw new StorageError("missing", `Cannot serve ${this.#path}: it is gone`);
    }
    if (!isSameIdentity(this.#identity, facts.identity)) throw changedError(this.#path);
    if (bytes < into.length) {
      throw new StorageError(
        "short_read",
        `Cannot serve ${this.#path}: it ends at ${offset + bytes}, before ${offset + into.length}`,
      );
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function changedError(path: string): StorageError {
  return new StorageError("changed", `Cannot serve ${path}: it is not the file that was hashed`);
}
