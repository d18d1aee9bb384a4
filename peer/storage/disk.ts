import type { FileIdentity } from "./identity.ts";

/** The few file operations that storage is made of, so that a test can fail, watch or kill at each of them.
 * Every failure is a StorageError. */

export interface FileFacts {
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly identity: FileIdentity;
  /** Bytes that the file system has set aside for it: fewer than the size when there are holes. */
  readonly allocatedBytes: number;
}

/** How a file is opened; links are never followed.
 * `read`: it must exist · `work`: read and write, made when missing · `fresh`: read and write, it must not exist ·
 * `replace`: write only, emptied or made. Files are made for the owner alone. */
export type OpenMode = "read" | "work" | "fresh" | "replace";

export interface DiskFile {
  /** The system's number for it, which every thread of the process may read by; absent where it is no file of the system. */
  readonly fd?: number;
  /** @returns bytes read, 0 at the end of the file; may be fewer than asked for */
  read(into: Uint8Array, offset: number): Promise<number>;
  /** @returns bytes written; may be fewer than given, without any error */
  write(bytes: Uint8Array, offset: number): Promise<number>;
  /** A write of a few bytes that is done when it returns: cheaper than a round trip through a thread. */
  writeNow(bytes: Uint8Array, offset: number): void;
  /** @param bytes the new size; what is added reads as zeros and takes no space */
  truncate(bytes: number): Promise<void>;
  /** Resolves when all that was written before stands on the disk. */
  datasync(): Promise<void>;
  facts(): Promise<FileFacts>;
  chmod(mode: number): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  open(path: string, mode: OpenMode): Promise<DiskFile>;
  /** @returns what stands under the name itself, links not followed; undefined when nothing does */
  facts(path: string): Promise<FileFacts | undefined>;
  /** Gives a file a second name without ever replacing what has it already. */
  link(from: string, to: string): Promise<"linked" | "exists" | "unsupported">;
  rename(from: string, to: string): Promise<void>;
  /** Copies a regular file's content to a name that nothing has, sharing the blocks where the file system can. */
  copy(from: string, to: string): Promise<void>;
  /** Removes a name; one that is missing already is fine. */
  unlink(path: string): Promise<void>;
  /** Makes the names in a directory, as they are now, survive a power cut. */
  syncDirectory(path: string): Promise<void>;
  /** Makes the directory and its parents, for the owner alone, unless they are there. */
  makeDirectory(path: string): Promise<void>;
  /** @returns the names in a directory */
  list(path: string): Promise<readonly string[]>;
  /** @returns the path with every link resolved */
  realPath(path: string): Promise<string>;
  /** @returns bytes that this user may still write on the file system of the path */
  freeBytes(path: string): Promise<number>;
}
