import type { Address } from "../../protocol/address.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { trackersFor } from "../config.ts";
import { Library, openLibrary } from "../library.ts";
import { systemLookup } from "../resolve.ts";
import { createCrypto } from "../storage/hash.ts";
import { TrackerClient } from "../tracker-client.ts";
import type { TransferDependencies } from "./dependencies.ts";
import { Node } from "./node.ts";
import { Shares } from "./shares.ts";

/** This process as a peer: its listener, its library, and what of that it shares. */
export class LocalPeer implements AsyncDisposable {
  readonly dependencies: TransferDependencies;
  readonly library: Library;
  readonly node: Node;
  readonly shares: Shares;

  private constructor(dependencies: LocalPeer["dependencies"], library: Library, node: Node) {
    this.dependencies = dependencies;
    this.library = library;
    this.node = node;
    this.shares = new Shares(this);
  }

  /** Opens the data directory and starts to listen; shares nothing yet.
   * @param keeps false when nothing will be kept: then the data directory may be missing, or not be made
   * @throws {StorageError} busy (the port), denied, no_space, missing, io; {UsageError} the address is not this machine's */
  static async start(
    given: Omit<TransferDependencies, "crypto">,
    { keeps }: { readonly keeps: boolean } = { keeps: true },
  ): Promise<LocalPeer> {
    const { config, clock, random, disk, log } = given;
    const crypto = createCrypto();
    const warn = (message: string): void => log.warn(message);
    const stored = { disk, crypto, clock, random, warn };
    const library = keeps
      ? await openLibrary(config.dataDir, stored)
      : new Library(config.dataDir, stored);
    const node = new Node(
      { clock, random, crypto, log, lookup: systemLookup },
      {
        listen: config.listen,
        announce: config.announce,
        mode: config.transport,
        limitDownBytesPerSecond: config.limitDownBytesPerSecond,
        limitUpBytesPerSecond: config.limitUpBytesPerSecond,
        peersMax: config.maxPeers,
        memoryBytesMax: config.maxMemoryBytes,
      },
    );
    log.debug("Listening for peers", { host: config.listen.host, port: node.port });
    return new LocalPeer({ ...given, crypto }, library, node);
  }

  /** The trackers to ask for a torrent. */
  trackersOf(torrent: Pick<Torrent, "trackers">): readonly TrackerClient[] {
    const { config, clock } = this.dependencies;
    return trackersFor(config, torrent.trackers).map(
      (url) => new TrackerClient(clock, url, systemLookup),
    );
  }

  /** Peers that the user named. */
  get namedPeers(): readonly Address[] {
    return this.dependencies.config.peers;
  }

  /** Leaves all swarms, telling peers and trackers, then stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shares.stop();
    await this.node[Symbol.asyncDispose]();
  }
}
