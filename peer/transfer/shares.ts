import type { Address } from "../../protocol/address.ts";
import type { TorrentDigest } from "../../protocol/ids.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { StorageError } from "../errors.ts";
import type { Entry, Library } from "../library.ts";
import { openSeed, type VerifiedFile, verifySeed } from "../storage/seed-file.ts";
import type { PartSource } from "../storage/store.ts";
import type { TrackerClient } from "../tracker-client.ts";
import type { TransferDependencies } from "./dependencies.ts";
import type { Node } from "./node.ts";
import type { Swarm } from "./swarm.ts";

/** Of the local peer, what sharing needs. */
export interface SharingPeer {
  readonly dependencies: TransferDependencies;
  readonly library: Library;
  readonly node: Node;
  readonly namedPeers: readonly Address[];
  trackersOf(torrent: Torrent): readonly TrackerClient[];
}

/** One torrent that is served. */
interface Share {
  readonly torrent: Torrent;
  readonly path: string;
  readonly swarm: Swarm;
  readonly source: PartSource;
}

/** The files that this peer serves where they lie.
 *
 * A part is served only of a file whose parts were hashed since it last changed: hashed when it is taken in, unless the
 * library knows it as it stands. A file that changes is withdrawn at once, hashed again, and what of it is still right is
 * served on. */
export class Shares {
  readonly #peer: SharingPeer;
  readonly #shares = new Map<TorrentDigest, Share>();
  /** One change after the other: two could take up one torrent twice. */
  #queue: Promise<unknown> = Promise.resolve();
  readonly #stop = new AbortController();

  constructor(peer: SharingPeer) {
    this.#peer = peer;
  }

  /** Torrents served now. */
  get count(): number {
    return this.#shares.size;
  }

  has(digest: TorrentDigest): boolean {
    return this.#shares.has(digest);
  }

  /** Serves all that the library has, and nothing that it has not any more.
   * @throws {StorageError} the data directory cannot be read */
  async refresh(): Promise<void> {
    await this.#inTurn(async () => {
      const wanted = new Set<TorrentDigest>();
      for await (const entry of this.#peer.library.list()) {
        if (this.#stop.signal.aborted) return;
        wanted.add(entry.torrent.digest);
        await this.#refreshOne(entry);
      }
      for (const share of [...this.#shares.values()]) {
        if (!wanted.has(share.torrent.digest)) await this.#drop(share, "it was removed");
      }
    });
  }

  async #refreshOne(entry: Entry): Promise<void> {
    const { digest } = entry.torrent;
    const served = this.#shares.get(digest);
    if (served !== undefined && served.path !== entry.path)
      await this.#drop(served, "its file moved");
    if (!this.has(digest) && entry.state !== "missing") await this.#tryAdd(entry);
  }

  /** Serves a file that was just found complete.
   * @param swarm in which the torrent was fetched, when it was: it goes on with the file as its source
   * @throws {StorageError} changed, missing, denied, io, busy (another torrent of the same hash is served) */
  async add(torrent: Torrent, path: string, verified: VerifiedFile, swarm?: Swarm): Promise<void> {
    await this.#inTurn(async () => {
      if (this.has(torrent.digest)) return;
      await this.#open(torrent, path, verified, swarm);
    });
  }

  /** Leaves every swarm. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#queue;
    await Promise.all([...this.#shares.values()].map((share) => this.#drop(share, "stopping")));
  }

  #join(torrent: Torrent, verified: VerifiedFile, source: PartSource): Swarm {
    const { emit } = this.#peer.dependencies;
    const have = verified.parts.copy();
    return this.#peer.node.join({
      torrent,
      have,
      source,
      trackers: this.#peer.trackersOf(torrent),
      emit,
    });
  }

  /** A file that cannot be served is named and passed over: the others are still served. */
  async #tryAdd({ torrent, path, identity, parts }: Entry): Promise<void> {
    const { log } = this.#peer.dependencies;
    const known = identity === undefined ? undefined : { identity, parts };
    try {
      await this.#verifyAndAdd(torrent, path, known);
    } catch (cause) {
      if (!(cause instanceof StorageError)) throw cause;
      log.warn("A file is not served", { hash: torrent.hash, path, error: cause });
    }
  }

  async #verifyAndAdd(
    torrent: Torrent,
    path: string,
    known: VerifiedFile | undefined,
  ): Promise<void> {
    const { disk, clock, log } = this.#peer.dependencies;
    const { signal } = this.#stop;
    if (known === undefined)
      log.info("Hashing a file before it is served", { hash: torrent.hash, path });
    const verified = await verifySeed(disk, clock, torrent, path, { known, signal });
    if (verified !== known) await this.#peer.library.add(torrent, { path, verified });
    if (verified.parts.isEmpty && torrent.geometry.partCount > 0) {
      log.warn("A file is not served: none of it is what its torrent says", {
        hash: torrent.hash,
        path,
      });
      return;
    }
    await this.#open(torrent, path, verified);
  }

  async #open(
    torrent: Torrent,
    path: string,
    verified: VerifiedFile,
    fetchedIn?: Swarm,
  ): Promise<void> {
    const source = await openSeed(this.#peer.dependencies.disk, path, verified.identity);
    fetchedIn?.replaceSource(source);
    const swarm = fetchedIn ?? this.#join(torrent, verified, source);
    const share: Share = { torrent, path, swarm, source };
    swarm.onFailure((cause) => this.#onFailure(share, cause));
    this.#shares.set(torrent.digest, share);
    if (fetchedIn === undefined) swarm.start(this.#peer.namedPeers);
  }

  #onFailure(share: Share, cause: unknown): void {
    if (this.#shares.get(share.torrent.digest) !== share) return;
    this.#shares.delete(share.torrent.digest);
    const { log } = this.#peer.dependencies;
    const { hash } = share.torrent;
    log.warn("A file is withdrawn", { hash, path: share.path, error: cause });
    void this.#inTurn(async () => {
      await this.#close(share, "its file changed");
      if (this.#stop.signal.aborted) return;
      await this.#verifyAndAdd(share.torrent, share.path, undefined);
    }).catch((error: unknown) => log.warn("A withdrawn file stays so", { hash, error }));
  }

  async #drop(share: Share, reason: string): Promise<void> {
    this.#shares.delete(share.torrent.digest);
    await this.#close(share, reason);
  }

  async #close(share: Share, reason: string): Promise<void> {
    await this.#peer.node.leave(share.swarm, reason);
    await share.source.close();
  }

  #inTurn<Result>(change: () => Promise<Result>): Promise<Result> {
    const turn = this.#queue.then(change);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}
