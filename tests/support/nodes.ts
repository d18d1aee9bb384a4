import { systemClock, systemRandom } from "../../peer/clock.ts";
import type { Log } from "../../peer/log.ts";
import { systemLookup } from "../../peer/resolve.ts";
import { createCrypto } from "../../peer/storage/hash.ts";
import { MemoryStore } from "../../peer/storage/memory.ts";
import type { PartStore, VerifiedRun } from "../../peer/storage/store.ts";
import { TrackerClient } from "../../peer/tracker-client.ts";
import { Node, type NodeDependencies, type NodeOptions } from "../../peer/transfer/node.ts";
import type { Swarm } from "../../peer/transfer/swarm.ts";
import type { Address } from "../../protocol/address.ts";
import { Bitfield } from "../../protocol/bitfield.ts";
import { MEMORY_BYTES_DEFAULT } from "../../protocol/limits.ts";
import type { Torrent } from "../../protocol/torrent.ts";

/** A log that nobody reads. */
export const silentLog: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  trace: () => undefined,
  child: () => silentLog,
  isEnabled: () => false,
};

/** @returns a real node of this process, listening at a port of its own */
export function startNode(
  options: Partial<NodeOptions> = {},
  dependencies: Partial<NodeDependencies> = {},
): Node {
  return new Node(
    {
      clock: systemClock,
      random: systemRandom,
      crypto: createCrypto(),
      log: silentLog,
      lookup: systemLookup,
      ...dependencies,
    },
    {
      listen: { host: "127.0.0.1", port: 0 },
      announce: undefined,
      mode: "plain",
      limitDownBytesPerSecond: undefined,
      limitUpBytesPerSecond: undefined,
      peersMax: 50,
      memoryBytesMax: MEMORY_BYTES_DEFAULT,
      ...options,
    },
  );
}

export function addressOfNode(node: Node): Address {
  return { host: "127.0.0.1", port: node.port };
}

export interface JoinOptions {
  readonly peers?: readonly Address[];
  /** URLs, or what is asked in their place. */
  readonly trackers?: readonly (string | TrackerClient)[];
  readonly store?: PartStore;
  readonly events?: string[];
}

/** Serves the content. */
export async function seed(
  node: Node,
  torrent: Torrent,
  content: Uint8Array,
  options: JoinOptions = {},
): Promise<Swarm> {
  const source = options.store ?? new MemoryStore(torrent.geometry);
  for (const part of torrent.geometry.parts()) {
    const { offset, length } = torrent.geometry.partRange(part);
    const bytes = content.subarray(offset, offset + length);
    await source.write({ run: { first: part, count: 1 }, bytes });
  }
  const have = Bitfield.full(torrent.geometry.partCount);
  return begin(node.join({ torrent, have, source, ...common(options) }), options);
}

/** Fetches the torrent into memory. */
export function leech(
  node: Node,
  torrent: Torrent,
  options: JoinOptions = {},
): { readonly swarm: Swarm; readonly content: () => Promise<Uint8Array> } {
  const store = options.store ?? new MemoryStore(torrent.geometry);
  const have = new Bitfield(torrent.geometry.partCount);
  const swarm = begin(
    node.join({ torrent, have, source: store, store, ...common(options) }),
    options,
  );
  const content = async () => {
    const bytes = new Uint8Array(torrent.geometry.fileBytes);
    await store.read(0, bytes);
    return bytes;
  };
  return { swarm, content };
}

function common({ trackers = [], events }: JoinOptions) {
  return {
    trackers: trackers.map((tracker) =>
      typeof tracker === "string" ? new TrackerClient(systemClock, tracker) : tracker,
    ),
    ...(events === undefined
      ? {}
      : {
          emit: (event: { readonly type: string; readonly event?: string }) =>
            void events.push(event.event ?? event.type),
        }),
  };
}

function begin(swarm: Swarm, { peers = [] }: JoinOptions): Swarm {
  swarm.start(peers);
  return swarm;
}

/** A store that can be told to fail, or to be as slow as one likes. */
export class TroubledStore extends MemoryStore {
  beforeWrite: () => Promise<void> = async () => undefined;
  beforeRead: () => Promise<void> = async () => undefined;
  writes = 0;

  override async write(verified: VerifiedRun): Promise<void> {
    await this.beforeWrite();
    await super.write(verified);
    this.writes++;
  }

  override async read(offset: number, into: Uint8Array): Promise<void> {
    await this.beforeRead();
    await super.read(offset, into);
  }
}
