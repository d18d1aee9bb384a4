import type { Random } from "../../peer/clock.ts";
import { StorageError } from "../../peer/errors.ts";
import type { Disk, DiskFile, FileFacts, OpenMode } from "../../peer/storage/disk.ts";
import { systemDisk } from "../../peer/storage/system-disk.ts";

/** A disk in memory that knows what a power cut may leave of it: of each file's changes since its last sync any subset, a
 * write torn in two included; of a directory's changes since its last sync any beginning (they are journaled in order).
 * Locks are real files: they are the system's, and a power cut frees them. */

type Change =
  | { readonly type: "write"; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly type: "truncate"; readonly bytes: number };

type NameChange =
  | { readonly type: "set"; readonly path: string; readonly inode: Inode }
  | { readonly type: "remove"; readonly path: string };

interface Inode {
  readonly ino: bigint;
  /** As it stands on the disk. */
  durable: Uint8Array;
  /** As the running system sees it. */
  current: Uint8Array;
  pending: Change[];
  stamp: bigint;
}

export interface ModelOptions {
  /** A disk that says it synced a file of this ending, and did not: for negative controls. */
  readonly liesAbout?: string;
}

export class ModelDisk implements Disk {
  readonly #options: ModelOptions;
  readonly #durableNames: Map<string, Inode>;
  readonly #names: Map<string, Inode>;
  #pendingNames: NameChange[] = [];
  #lastIno: bigint;
  #stamp: bigint;
  #isCut = false;

  constructor(options: ModelOptions = {}, names = new Map<string, Inode>(), lastIno = 0n) {
    this.#options = options;
    this.#durableNames = names;
    this.#names = new Map(names);
    this.#lastIno = lastIno;
    this.#stamp = lastIno * 1_000_000n;
  }

  /** Cuts the power: whoever still uses this disk fails from now on.
   * @returns the disk as it may be found when the power is back */
  cut(random: Random): ModelDisk {
    this.#isCut = true;
    const names = new Map(this.#durableNames);
    for (const change of this.#pendingNames.slice(0, random.below(this.#pendingNames.length + 1))) {
      apply(names, change);
    }
    const survivors = new Map<Inode, Inode>();
    for (const [path, inode] of names) {
      const survivor = survivors.get(inode) ?? this.#survive(inode, random);
      survivors.set(inode, survivor);
      names.set(path, survivor);
    }
    return new ModelDisk(this.#options, names, this.#lastIno + 1n);
  }

  #survive(inode: Inode, random: Random): Inode {
    let content = inode.durable;
    for (const change of inode.pending) {
      const fate = random.below(3);
      if (fate === 0) continue;
      const isTorn = fate === 1 && change.type === "write";
      content = applied(content, isTorn ? tear(change, random) : change);
    }
    return { ino: inode.ino, durable: content, current: content, pending: [], stamp: inode.stamp };
  }

  /** @returns the file as the running system sees it, undefined when there is none */
  content(path: string): Uint8Array | undefined {
    return this.#names.get(path)?.current;
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    if (isReal(path)) return await systemDisk.open(path, mode);
    this.#check();
    const found = this.#names.get(path);
    if (found === undefined && mode === "read") throw missing(path);
    if (found !== undefined && mode === "fresh") throw new StorageError("exists", path);
    const inode = found ?? this.#make(path);
    if (mode === "replace") this.#change(inode, { type: "truncate", bytes: 0 });
    const { liesAbout } = this.#options;
    return this.#file(inode, liesAbout !== undefined && path.endsWith(liesAbout));
  }

  #make(path: string): Inode {
    this.#lastIno++;
    const empty = new Uint8Array(0);
    const made = { ino: this.#lastIno, durable: empty, current: empty, pending: [], stamp: 0n };
    this.#setName({ type: "set", path, inode: made });
    return made;
  }

  #file(inode: Inode, isLying: boolean): DiskFile {
    return {
      read: async (into, offset) => {
        this.#check();
        const bytes = inode.current.subarray(offset, offset + into.length);
        into.set(bytes);
        return bytes.length;
      },
      write: async (bytes, offset) => {
        this.#change(inode, { type: "write", offset, bytes: bytes.slice() });
        return bytes.length;
      },
      writeNow: (bytes, offset) =>
        this.#change(inode, { type: "write", offset, bytes: bytes.slice() }),
      truncate: async (bytes) => this.#change(inode, { type: "truncate", bytes }),
      datasync: async () => {
        this.#check();
        // What is written while the disk is busy syncing is not part of it.
        const { current } = inode;
        const count = inode.pending.length;
        await Promise.resolve();
        this.#check();
        if (isLying) return;
        inode.durable = current;
        inode.pending = inode.pending.slice(count);
      },
      facts: async () => this.#factsOf(inode),
      chmod: async () => this.#check(),
      close: async () => undefined,
    };
  }

  #change(inode: Inode, change: Change): void {
    this.#check();
    this.#stamp++;
    inode.current = applied(inode.current, change);
    inode.pending.push(change);
    inode.stamp = this.#stamp;
  }

  #factsOf({ ino, current, stamp }: Inode): FileFacts {
    this.#check();
    const size = BigInt(current.length);
    const identity = { dev: 1n, ino, size, mtimeNs: stamp, ctimeNs: stamp };
    return { kind: "file", identity, allocatedBytes: current.length };
  }

  async facts(path: string): Promise<FileFacts | undefined> {
    if (isReal(path)) return await systemDisk.facts(path);
    const inode = this.#names.get(path);
    if (inode !== undefined) return this.#factsOf(inode);
    return await systemDisk.facts(path);
  }

  async link(from: string, to: string): Promise<"linked" | "exists"> {
    if (this.#names.has(to)) return "exists";
    this.#setName({ type: "set", path: to, inode: this.#inode(from) });
    return "linked";
  }

  async rename(from: string, to: string): Promise<void> {
    const inode = this.#inode(from);
    // Both halves of a rename are one entry of a file system's journal; here the old name may live on a little.
    this.#setName({ type: "set", path: to, inode });
    this.#setName({ type: "remove", path: from });
  }

  async unlink(path: string): Promise<void> {
    if (isReal(path)) return await systemDisk.unlink(path);
    if (this.#names.has(path)) this.#setName({ type: "remove", path });
  }

  async syncDirectory(): Promise<void> {
    this.#check();
    for (const change of this.#pendingNames) apply(this.#durableNames, change);
    this.#pendingNames = [];
  }

  async list(path: string): Promise<readonly string[]> {
    const names = [...this.#names.keys()].filter((name) => name.startsWith(`${path}/`));
    return names.map((name) => name.slice(path.length + 1));
  }

  async copy(): Promise<void> {
    throw new StorageError("io", "Cannot copy: the model does not");
  }

  makeDirectory = systemDisk.makeDirectory;
  realPath = systemDisk.realPath;
  freeBytes = async (): Promise<number> => Number.MAX_SAFE_INTEGER;

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw missing(path);
    return inode;
  }

  #setName(change: NameChange): void {
    this.#check();
    apply(this.#names, change);
    this.#pendingNames.push(change);
  }

  #check(): void {
    if (this.#isCut) throw new StorageError("io", "Cannot use the disk: the power is cut");
  }
}

function isReal(path: string): boolean {
  return path.includes(".lock");
}

function missing(path: string): StorageError {
  return new StorageError("missing", `Cannot open ${path}: it is not there`);
}

function apply(names: Map<string, Inode>, change: NameChange): void {
  if (change.type === "set") names.set(change.path, change.inode);
  else names.delete(change.path);
}

function applied(content: Uint8Array, change: Change): Uint8Array {
  if (change.type === "truncate") {
    const sized = new Uint8Array(change.bytes);
    sized.set(content.subarray(0, change.bytes));
    return sized;
  }
  const end = change.offset + change.bytes.length;
  const written = new Uint8Array(Math.max(content.length, end));
  written.set(content);
  written.set(change.bytes, change.offset);
  return written;
}

function tear(change: Change & { type: "write" }, random: Random): Change {
  const bytes = change.bytes.subarray(0, random.below(change.bytes.length + 1));
  return { ...change, bytes };
}
