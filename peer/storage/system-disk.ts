import { type BigIntStats, constants, writeSync } from "node:fs";
import {
  copyFile,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  statfs,
  unlink,
} from "node:fs/promises";
import { StorageError } from "../errors.ts";
import type { Disk, DiskFile, FileFacts, OpenMode } from "./disk.ts";
import { errnoOf, toStorageError } from "./disk-error.ts";

const {
  O_RDONLY,
  O_WRONLY,
  O_RDWR,
  O_CREAT,
  O_EXCL,
  O_TRUNC,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_DIRECTORY,
} = constants;

/** O_NONBLOCK: a named pipe put in a file's place must not hang the open. */
const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
  work: O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
  fresh: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
  replace: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK,
};
const OWNER_FILE = 0o600;
const OWNER_DIRECTORY = 0o700;
/** What `link` answers where a file system has no links, or the two names are on different ones. */
const LINKS_MISSING = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV", "EMLINK"]);

/** The real disk. */
export const systemDisk: Disk = {
  async open(path, mode) {
    const handle = await named(`Cannot open ${path}`, open(path, FLAGS[mode], OWNER_FILE));
    return new SystemFile(handle, path);
  },

  async facts(path) {
    try {
      return toFacts(await lstat(path, { bigint: true }));
    } catch (cause) {
      const error = toStorageError(cause, `Cannot look at ${path}`);
      if (error.code === "missing") return undefined;
      throw error;
    }
  },

  async link(from, to) {
    try {
      await link(from, to);
      return "linked";
    } catch (cause) {
      const errno = errnoOf(cause) ?? "";
      if (errno === "EEXIST") return "exists";
      if (LINKS_MISSING.has(errno)) return "unsupported";
      throw toStorageError(cause, `Cannot link ${from} as ${to}`);
    }
  },

  rename: (from, to) => named(`Cannot rename ${from} to ${to}`, rename(from, to)),

  copy(from, to) {
    const mode = constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL;
    return named(`Cannot copy ${from} to ${to}`, copyFile(from, to, mode));
  },

  async unlink(path) {
    try {
      await unlink(path);
    } catch (cause) {
      const error = toStorageError(cause, `Cannot remove ${path}`);
      if (error.code !== "missing") throw error;
    }
  },

  async syncDirectory(path) {
    const tried = `Cannot sync the directory ${path}`;
    const handle = await named(tried, open(path, O_RDONLY | O_DIRECTORY));
    try {
      await named(tried, handle.sync());
    } finally {
      await handle.close();
    }
  },

  async makeDirectory(path) {
    await named(
      `Cannot make the directory ${path}`,
      mkdir(path, { recursive: true, mode: OWNER_DIRECTORY }),
    );
  },

  list: (path) => named(`Cannot list ${path}`, readdir(path)),
  realPath: (path) => named(`Cannot resolve ${path}`, realpath(path)),

  async freeBytes(path) {
    const { bavail, bsize } = await named(`Cannot ask for the space at ${path}`, statfs(path));
    return bavail * bsize;
  },
};

class SystemFile implements DiskFile {
  readonly fd: number;
  readonly #handle: FileHandle;
  readonly #path: string;
  #isClosed = false;

  constructor(handle: FileHandle, path: string) {
    this.fd = handle.fd;
    this.#handle = handle;
    this.#path = path;
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    try {
      return (await this.#handle.read(into, 0, into.length, offset)).bytesRead;
    } catch (cause) {
      throw toStorageError(cause, `Cannot read ${this.#path}`);
    }
  }

  async write(bytes: Uint8Array, offset: number): Promise<number> {
    try {
      return (await this.#handle.write(bytes, 0, bytes.length, offset)).bytesWritten;
    } catch (cause) {
      throw toStorageError(cause, `Cannot write ${this.#path}`);
    }
  }

  writeNow(bytes: Uint8Array, offset: number): void {
    const tried = `Cannot write ${this.#path}`;
    try {
      const written = writeSync(this.#handle.fd, bytes, 0, bytes.length, offset);
      if (written !== bytes.length) {
        throw new StorageError("no_space", `${tried}: ${written} of ${bytes.length} bytes taken`);
      }
    } catch (cause) {
      throw toStorageError(cause, tried);
    }
  }

  truncate(bytes: number): Promise<void> {
    return named(`Cannot size ${this.#path} to ${bytes} bytes`, this.#handle.truncate(bytes));
  }

  datasync(): Promise<void> {
    return named(`Cannot sync ${this.#path}`, this.#handle.datasync());
  }

  async facts(): Promise<FileFacts> {
    const stats = this.#handle.stat({ bigint: true });
    return toFacts(await named(`Cannot look at ${this.#path}`, stats));
  }

  chmod(mode: number): Promise<void> {
    return named(`Cannot set the permissions of ${this.#path}`, this.#handle.chmod(mode));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await named(`Cannot close ${this.#path}`, this.#handle.close());
  }
}

async function named<Value>(tried: string, done: Promise<Value>): Promise<Value> {
  try {
    return await done;
  } catch (cause) {
    throw toStorageError(cause, tried);
  }
}

function toFacts(stats: BigIntStats): FileFacts {
  const { dev, ino, size, mtimeNs, ctimeNs } = stats;
  return {
    kind: toKind(stats),
    identity: { dev, ino, size, mtimeNs, ctimeNs },
    allocatedBytes: Number(stats.blocks) * 512,
  };
}

function toKind(stats: BigIntStats): FileFacts["kind"] {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "symlink" : "other";
}
