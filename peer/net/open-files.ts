import { readFileSync } from "node:fs";

/** @returns how many connections this process may have and still open its files and pipes:
 * the system's limit of open files less a reserve, and CONNECTIONS_MAX at most */
export function connectionsMax(openFilesMax: number = readOpenFilesMax()): number {
  return Math.max(CONNECTIONS_MIN, Math.min(CONNECTIONS_MAX, openFilesMax - RESERVED_FILES));
}

/** The runtime raises the soft limit to the hard one when it starts. */
function readOpenFilesMax(): number {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return found === null ? OPEN_FILES_DEFAULT : Number(found[1]);
  } catch {
    // Other systems have no such file.
    return OPEN_FILES_DEFAULT;
  }
}

const CONNECTIONS_MAX = 1024;
const CONNECTIONS_MIN = 8;
const RESERVED_FILES = 64;
const OPEN_FILES_DEFAULT = 256;
