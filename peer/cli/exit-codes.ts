import { CodedError, ProtocolError, TorrentError } from "../../protocol/errors.ts";
import {
  IncompleteError,
  IntegrityError,
  NotFoundError,
  StorageError,
  type StorageErrorCode,
  TimeoutError,
  TrackerError,
  TransportError,
  UsageError,
} from "../errors.ts";
import { printable } from "../printable.ts";
import { RESULTS, type Result } from "../result.ts";

/** What each result is to the shell. */
export const EXIT_CODES: Readonly<Record<Result, number>> = Object.freeze({
  ok: 0,
  error: 1,
  usage: 2,
  "bad-torrent": 3,
  "not-found": 4,
  incomplete: 5,
  tracker: 6,
  integrity: 7,
  io: 8,
  "no-space": 9,
  exists: 10,
  busy: 11,
  denied: 12,
  timeout: 13,
  interrupted: 130,
  "pipe-closed": 141,
  terminated: 143,
});

/** Longest message of an error line, in characters: a path may be long, a stranger's text must not be endless. */
const MESSAGE_CHARS_MAX = 1000;

/** The user or the system asked the process to stop; the reason that a run's signal is aborted with. */
export class Interruption extends CodedError<"SIGINT" | "SIGTERM"> {}

/** Nobody reads standard output any more. */
export class OutputClosedError extends CodedError<"closed"> {}

/** @returns the name of an exit code; a number that is none is a bug */
export function toResult(exitCode: number): Result {
  return RESULTS.find((name) => EXIT_CODES[name] === exitCode) ?? "error";
}

/** How a run ends because of an error. */
export interface Exit {
  readonly exitCode: number;
  readonly name: Result;
  /** One line, fit to be shown. */
  readonly message: string;
  readonly hint: string;
}

/** @param error anything that was thrown; what no class of ours covers is a bug, exit code 1 */
export function toExit(error: unknown): Exit {
  const name = resultOf(error);
  const text = error instanceof Error ? error.message || error.name : String(error);
  const message = printable(text.replace(/\s*\n\s*/g, " "), MESSAGE_CHARS_MAX);
  return { exitCode: EXIT_CODES[name], name, message, hint: hintOf(error, name) };
}

/** @returns the line that ends a run, without a line end */
export function formatErrorLine({ exitCode, name, message, hint }: Exit): string {
  return `ERROR code=${exitCode} name=${name}: ${message}; hint: ${hint}`;
}

/** @returns whether the run went wrong, rather than being stopped on purpose by who started it */
export function isFailure({ name }: Pick<Exit, "name">): boolean {
  return !["ok", "interrupted", "terminated", "pipe-closed"].includes(name);
}

const HINTS: Readonly<Record<Result, string>> = {
  ok: "nothing is left to do",
  error: "this is a bug, please report it with the lines above",
  usage: "see `peer help`, or `peer help VERB`",
  "bad-torrent": "get the torrent file again from whoever made it",
  "not-found": "check the path",
  incomplete:
    "run the same command again to go on, while someone who has the file is running `peer serve`",
  tracker:
    "check that the tracker runs and --tracker names it, or name a peer with --peer HOST:PORT",
  integrity: "the file is not what the torrent describes: download it again, or make a new torrent",
  io: "check the path, its permissions and the disk, then run the same command again",
  "no-space": "free some space, then run the same command again: what was verified is kept",
  exists: "choose another name, or allow replacing it with --overwrite",
  busy: "wait until the other process is done, or choose another file, --data-dir or --listen",
  denied: "check the access token",
  timeout: "run the same command again to go on, or allow more time",
  interrupted: "run the same command again to go on",
  terminated: "run the same command again to go on",
  "pipe-closed": "let the reader take everything",
};

const PIPE_GO_ON =
  "only the bytes that came out are right; run it again with --offset, so many as the reader has got, to go on";

/** In place of others, where nothing is kept. */
export const PIPE_HINTS: Readonly<Partial<Record<Result, string>>> = {
  incomplete: PIPE_GO_ON,
  timeout: PIPE_GO_ON,
  "no-space": "free some space, then run it again",
};

function hintOf(error: unknown, name: Result): string {
  const isForgotten =
    (error instanceof NotFoundError || error instanceof TrackerError) &&
    error.code === "unknown_swarm";
  if (isForgotten) return UNKNOWN_SWARM_HINT;
  const isLacking =
    (error instanceof TorrentError || error instanceof UsageError) &&
    error.code === "unsupported_algorithm";
  return isLacking ? LIBRARY_HINT : HINTS[name];
}

const UNKNOWN_SWARM_HINT =
  "check the hash with `peer list`; a tracker that forgot a torrent learns it again from whoever serves it";

const LIBRARY_HINT =
  "run `bun install` beside the sources, or take an executable that was built with the library, which it unpacks into TMPDIR; a torrent made with --hash sha256 needs neither";

const STORAGE_RESULTS: Readonly<Record<StorageErrorCode, Result>> = {
  no_space: "no-space",
  denied: "io",
  missing: "not-found",
  exists: "exists",
  busy: "busy",
  changed: "io",
  short_read: "io",
  not_a_file: "usage",
  io: "io",
};

/** Errors of the system that reach the edge without a class of ours. */
const SYSTEM_RESULTS: Readonly<Record<string, Result>> = {
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EFBIG: "no-space",
  EADDRINUSE: "busy",
  EADDRNOTAVAIL: "usage",
  ENOENT: "not-found",
  EACCES: "io",
  EPERM: "io",
  EROFS: "io",
  EIO: "io",
  EMFILE: "io",
  ENFILE: "io",
  EISDIR: "usage",
  ENOTDIR: "usage",
};

function resultOf(error: unknown): Result {
  if (error instanceof CodedError) return resultOfOurs(error);
  if (!(error instanceof Error)) return "error";
  if (error.name === "AbortError") return "interrupted";
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return SYSTEM_RESULTS[code] ?? "error";
}

type ErrorClass = abstract new (...args: never) => Error;

const CLASS_RESULTS: readonly (readonly [ErrorClass, Result])[] = [
  [UsageError, "usage"],
  [TorrentError, "bad-torrent"],
  [NotFoundError, "not-found"],
  [IncompleteError, "incomplete"],
  [TransportError, "incomplete"],
  [ProtocolError, "incomplete"],
  [IntegrityError, "integrity"],
  [TimeoutError, "timeout"],
  [OutputClosedError, "pipe-closed"],
];

function resultOfOurs(error: CodedError<string>): Result {
  if (error instanceof StorageError) return STORAGE_RESULTS[error.code];
  if (error instanceof TrackerError) {
    return error.code === "unknown_swarm" ? "not-found" : "tracker";
  }
  if (error instanceof Interruption) {
    return error.code === "SIGTERM" ? "terminated" : "interrupted";
  }
  return CLASS_RESULTS.find(([kind]) => error instanceof kind)?.[1] ?? "error";
}
