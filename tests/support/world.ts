import type { ToldPeer } from "../../protocol/announce.ts";
import { parseTorrent, type Torrent } from "../../protocol/torrent.ts";
import { testCrypto } from "./crypto.ts";
import { type FifoReader, withFifo } from "./fifo.ts";
import { type EventOf, type PeerEnd, PeerProcess, type StartPeerOptions } from "./peer-process.ts";
import { makeTempDirectory, type TempDirectory, writeSeeded } from "./temp.ts";
import { type RunningTracker, type StartTrackerOptions, startTracker } from "./tracker.ts";

/** A tracker and peers on this machine, each a process of its own; all of it is gone when it is disposed of. */

/** A file that is being served. */
export interface Seeded {
  readonly seeder: PeerProcess;
  readonly file: string;
  readonly torrentPath: string;
  readonly uploaded: EventOf<"uploaded">;
}

export interface SeedOptions {
  /** The file's name; its content follows from `seed`. */
  readonly name?: string;
  readonly bytes?: number;
  readonly seed?: number;
  /** Of the uploading peer. */
  readonly peer?: string;
  readonly args?: readonly string[];
}

export const MIB = 1024 * 1024;

export class World implements AsyncDisposable {
  readonly directory: TempDirectory;
  readonly #stack: AsyncDisposableStack;
  #tracker: RunningTracker;

  private constructor(
    stack: AsyncDisposableStack,
    directory: TempDirectory,
    tracker: RunningTracker,
  ) {
    this.#stack = stack;
    this.directory = directory;
    this.#tracker = tracker;
  }

  /** @param options.parent where its files go */
  static async create(options: { readonly parent?: string } = {}): Promise<World> {
    await using stack = new AsyncDisposableStack();
    const directory = stack.use(await makeTempDirectory(options.parent));
    const tracker = await startTracker({ dataHome: directory.at("tracker-1") });
    const world = new World(stack.move(), directory, tracker);
    return world;
  }

  get tracker(): RunningTracker {
    return this.#tracker;
  }

  /** @returns the path of a name in the world's directory */
  at(...names: readonly string[]): string {
    return this.directory.at(...names);
  }

  /** @returns the data directory of a peer */
  dataDir(peer: string): string {
    return this.at("data", peer);
  }

  /** Kills the tracker with -9; nothing answers at its port then. */
  async killTracker(): Promise<void> {
    await this.#tracker.kill("SIGKILL");
  }

  /** Starts the killed tracker again at the same port.
   * @param options.dataHome another database than before */
  async restartTracker(options: Pick<StartTrackerOptions, "dataHome"> = {}): Promise<void> {
    this.#tracker = await startTracker({
      port: this.#tracker.port,
      dataHome: options.dataHome ?? this.at("tracker-1"),
    });
  }

  /** Starts a peer with a data directory of its own, told of the tracker, its output in JSON. */
  peer(name: string, args: readonly string[], options: Partial<StartPeerOptions> = {}) {
    return this.raw(name, [...args, "--json"], {
      ...options,
      env: { PEER_TRACKER: this.#tracker.url, ...options.env },
    });
  }

  /** Starts a peer with a data directory of its own and nothing else. */
  raw(name: string, args: readonly string[], options: Partial<StartPeerOptions> = {}): PeerProcess {
    const { path: cwd } = this.directory;
    return this.#stack.use(
      new PeerProcess({ dataDir: this.dataDir(name), cwd, ...options, args: [...args] }),
    );
  }

  /** Starts a peer as the original was: by a config, which is all that it is told. */
  configured(config: string, args: readonly string[] = []): PeerProcess {
    return this.raw("unused", [config, ...args], {
      env: { PEER_DATA_DIR: "", PEER_LISTEN: "" },
      stdin: "pipe",
    });
  }

  /** Runs a peer that ends by itself. */
  async run(
    name: string,
    args: readonly string[],
    options: Partial<StartPeerOptions> = {},
  ): Promise<PeerEnd> {
    return await this.peer(name, args, options).ended();
  }

  /** Uploads a new file and waits until it is served. */
  async seed(options: SeedOptions = {}): Promise<Seeded> {
    const { name = "file.bin", bytes = 8 * MIB, seed = 1, peer = "seeder", args = [] } = options;
    const file = await writeSeeded(this.at(name), bytes, seed);
    return await this.upload(file, { peer, args });
  }

  /** Uploads a file that is there and waits until it is served. */
  async upload(
    file: string,
    { peer = "seeder", args = [] }: Pick<SeedOptions, "peer" | "args"> = {},
  ): Promise<Seeded> {
    const torrentPath = `${file}.torrent.json`;
    const seeder = this.peer(peer, ["upload", file, torrentPath, ...args]);
    const uploaded = await seeder.event("uploaded");
    return { seeder, file, torrentPath, uploaded };
  }

  /** Starts a download. */
  download(
    name: string,
    torrentPath: string,
    options: {
      readonly target?: string;
      readonly args?: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
    } = {},
  ): PeerProcess {
    const { target = this.target(name), args = [], env = {} } = options;
    return this.peer(name, ["download", torrentPath, target, ...args], { env });
  }

  /** Starts a download into a pipe, its events on standard error.
   * @returns the peer and who reads what it writes */
  async pipe(
    name: string,
    torrentPath: string,
    args: readonly string[] = [],
  ): Promise<{ readonly peer: PeerProcess; readonly reader: FifoReader }> {
    const { reader, result } = await withFifo(this.at(`${name}.fifo`), (stdout) =>
      this.peer(name, ["download", torrentPath, "-", ...args], { stdout }),
    );
    this.#stack.use(reader);
    return { peer: result, reader };
  }

  /** @returns where a peer's download goes unless the test says otherwise */
  target(name: string): string {
    return this.at(`${name}.bin`);
  }

  /** Gives a peer a complete copy, and lets it go again. */
  async copyTo(name: string, torrentPath: string): Promise<void> {
    await this.download(name, torrentPath).summary();
  }

  /** Starts `peer serve` on a peer's data directory and waits until it serves.
   * @returns the peer and its port */
  async serve(name: string, args: readonly string[] = []) {
    const peer = this.peer(name, ["serve", ...args]);
    const { port, torrents } = await peer.event("serving");
    return { peer, port, torrents };
  }

  /** @returns the torrent, as a test may look into it */
  async readTorrent(path: string): Promise<Torrent> {
    return parseTorrent(testCrypto, await Bun.file(path).bytes());
  }

  /** @returns `host:port` of everyone the tracker hands out for the hash */
  async peersAt(hash: string): Promise<readonly string[]> {
    const asker = { hash, listening_host: "127.0.0.1", listening_port: ASKER_PORT };
    const answer = await this.announce(asker);
    await this.announce({ ...asker, event: "stopped" });
    return answer.peers.map(({ host, port }) => `${host}:${port}`).sort();
  }

  /** @returns `host:port` of those of whom the tracker says that another peer reached them */
  async verifiedAt(hash: string): Promise<readonly string[]> {
    const asker = { hash, listening_host: "127.0.0.1", listening_port: ASKER_PORT };
    const { peers } = await this.announce(asker);
    await this.announce({ ...asker, event: "stopped" });
    const verified = peers.filter((peer) => peer.verified === true);
    return verified.map(({ host, port }) => `${host}:${port}`);
  }

  /** Says something to the tracker, as any client could. */
  async announce(body: object): Promise<{
    readonly peers: readonly ToldPeer[];
  }> {
    const response = await fetch(`${this.#tracker.url}/peers`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return JSON.parse(await response.text());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#tracker[Symbol.asyncDispose]();
    } finally {
      await this.#stack[Symbol.asyncDispose]();
    }
  }
}

/** Where nobody listens: who is handed this address dials in vain. */
const ASKER_PORT = 1;
