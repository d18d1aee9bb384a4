import { join } from "node:path";
import type { Crypto } from "../../protocol/crypto.ts";
import type { SwarmHash, TorrentDigest } from "../../protocol/ids.ts";
import { TORRENT_BYTES_MAX } from "../../protocol/limits.ts";
import { encodeTorrent, type Torrent } from "../../protocol/torrent.ts";
import type { Random } from "../clock.ts";
import type { Disk, FileFacts } from "../storage/disk.ts";
import { type FileIdentity, isSameIdentity } from "../storage/identity.ts";
import { readTorrent } from "../storage/read-torrent.ts";
import { useSmall, writeAtomic } from "../storage/small-file.ts";

/** Which torrent a file holds, as it was when it was read. */
export interface TorrentIds {
  readonly identity: FileIdentity;
  readonly hash: SwarmHash;
  readonly digest: TorrentDigest;
}

export interface TorrentFilesDependencies {
  readonly disk: Disk;
  readonly crypto: Crypto;
  readonly random: Random;
  /** Told of files that cannot be read; they are passed over. */
  readonly warn: (message: string) => void;
}

/** The torrents of a directory. A file is read when it is new or has changed, and of what was read only the ids are kept:
 * the digests of all parts of all torrents would not fit. */
export class TorrentFiles {
  readonly #directory: string;
  readonly #dependencies: TorrentFilesDependencies;
  /** By file name. */
  readonly #known = new Map<string, TorrentIds>();

  constructor(directory: string, dependencies: TorrentFilesDependencies) {
    this.#directory = directory;
    this.#dependencies = dependencies;
  }

  /** @throws {StorageError} denied, io */
  async names(): Promise<readonly string[]> {
    const names = await this.#dependencies.disk.list(this.#directory);
    return names.filter((name) => name.endsWith(".json")).sort();
  }

  /** @returns undefined when the file is gone or holds no torrent */
  async read(name: string): Promise<Torrent | undefined> {
    const { disk, crypto, warn } = this.#dependencies;
    const path = join(this.#directory, name);
    try {
      return await useSmall(disk, path, TORRENT_BYTES_MAX, (file, fileBytes) =>
        readTorrent(crypto, file, fileBytes),
      );
    } catch (cause) {
      warn(`${path} is passed over: ${cause instanceof Error ? cause.message : String(cause)}`);
      return undefined;
    }
  }

  /** Keeps a torrent, unless it is kept already. What was found before is looked at first: to look at all for each of many
   * would take a time that grows with their square.
   * @throws {StorageError} denied, no_space, io */
  async keep(torrent: Torrent): Promise<void> {
    const { disk, random } = this.#dependencies;
    if (await this.#isKept(torrent.digest)) return;
    const name = `${torrent.digest}.json`;
    const path = join(this.#directory, name);
    await writeAtomic(disk, path, encodeTorrent(torrent), `${path}.${random.bytes(8).toHex()}.tmp`);
    const facts = await disk.facts(path);
    if (facts !== undefined) this.#note(name, facts, torrent);
  }

  /** @throws {StorageError} denied, io */
  async remove(digest: TorrentDigest): Promise<void> {
    for (const [name, ids] of await this.refresh())
      if (ids.digest === digest) await this.#dependencies.disk.unlink(join(this.#directory, name));
  }

  /** @returns the ids of every torrent by file name, of which only new and changed files are read
   * @throws {StorageError} denied, io */
  async refresh(): Promise<ReadonlyMap<string, TorrentIds>> {
    const names = await this.names();
    const gone = new Set(this.#known.keys()).difference(new Set(names));
    for (const name of gone) this.#known.delete(name);
    for (const name of names) {
      const facts = await this.#dependencies.disk.facts(join(this.#directory, name));
      const known = this.#known.get(name);
      if (facts === undefined) continue;
      if (known !== undefined && isSameIdentity(known.identity, facts.identity)) continue;
      const torrent = await this.read(name);
      this.#known.delete(name);
      if (torrent !== undefined) this.#note(name, facts, torrent);
    }
    return this.#known;
  }

  async #isKept(digest: TorrentDigest): Promise<boolean> {
    const seen = nameOf(this.#known, digest);
    if (seen !== undefined) {
      const facts = await this.#dependencies.disk.facts(join(this.#directory, seen));
      const before = this.#known.get(seen)?.identity;
      if (facts !== undefined && before !== undefined && isSameIdentity(before, facts.identity))
        return true;
    }
    return nameOf(await this.refresh(), digest) !== undefined;
  }

  #note(name: string, { identity }: FileFacts, { hash, digest }: Torrent): void {
    this.#known.set(name, { identity, hash, digest });
  }
}

function nameOf(known: ReadonlyMap<string, TorrentIds>, digest: TorrentDigest): string | undefined {
  for (const [name, ids] of known) if (ids.digest === digest) return name;
  return undefined;
}
