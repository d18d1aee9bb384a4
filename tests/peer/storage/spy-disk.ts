import type { Disk, DiskFile, OpenMode } from "../../../peer/storage/disk.ts";

/** One operation on the disk, named as in Disk and DiskFile. */
export interface DiskCall {
  readonly op: keyof Disk | keyof DiskFile;
  readonly path: string;
  /** Of `rename`, `link` and `copy`. */
  readonly to?: string;
  /** Of `write` and `writeNow`. */
  readonly offset?: number;
  readonly bytes?: Uint8Array;
  readonly mode?: OpenMode;
}

export interface Watch {
  /** Sees each call before it is done; by throwing it makes the call fail. */
  before?(call: DiskCall): void;
  /** Sees each call that succeeded. */
  after?(call: DiskCall): void;
}

/** A disk that lets a test see each call, fail it, or die at it; all that passes is done by the disk below. */
export function spyDisk(below: Disk, watch: Watch): Disk {
  async function through<Result>(call: DiskCall, run: () => Promise<Result>): Promise<Result> {
    watch.before?.(call);
    const result = await run();
    watch.after?.(call);
    return result;
  }
  return {
    open: (path, mode) =>
      through({ op: "open", path, mode }, async () =>
        spyFile(await below.open(path, mode), path, watch, through),
      ),
    facts: (path) => through({ op: "facts", path }, () => below.facts(path)),
    link: (path, to) => through({ op: "link", path, to }, () => below.link(path, to)),
    rename: (path, to) => through({ op: "rename", path, to }, () => below.rename(path, to)),
    copy: (path, to) => through({ op: "copy", path, to }, () => below.copy(path, to)),
    unlink: (path) => through({ op: "unlink", path }, () => below.unlink(path)),
    syncDirectory: (path) =>
      through({ op: "syncDirectory", path }, () => below.syncDirectory(path)),
    makeDirectory: (path) =>
      through({ op: "makeDirectory", path }, () => below.makeDirectory(path)),
    list: (path) => through({ op: "list", path }, () => below.list(path)),
    realPath: (path) => through({ op: "realPath", path }, () => below.realPath(path)),
    freeBytes: (path) => through({ op: "freeBytes", path }, () => below.freeBytes(path)),
  };
}

function spyFile(
  below: DiskFile,
  path: string,
  watch: Watch,
  through: <Result>(call: DiskCall, run: () => Promise<Result>) => Promise<Result>,
): DiskFile {
  return {
    read: (into, offset) => through({ op: "read", path, offset }, () => below.read(into, offset)),
    write: (bytes, offset) =>
      through({ op: "write", path, bytes, offset }, () => below.write(bytes, offset)),
    writeNow(bytes, offset) {
      const call: DiskCall = { op: "writeNow", path, bytes, offset };
      watch.before?.(call);
      below.writeNow(bytes, offset);
      watch.after?.(call);
    },
    truncate: (bytes) => through({ op: "truncate", path }, () => below.truncate(bytes)),
    datasync: () => through({ op: "datasync", path }, () => below.datasync()),
    facts: () => through({ op: "facts", path }, () => below.facts()),
    chmod: (mode) => through({ op: "chmod", path }, () => below.chmod(mode)),
    close: () => through({ op: "close", path }, () => below.close()),
  };
}
