import { NAME_CHARS_MAX, PART_BYTES_MAX } from "../../protocol/limits.ts";
import { isPartAlgorithm, type PartAlgorithm } from "../../protocol/part-algorithm.ts";
import { parseByteSize } from "../config/byte-size.ts";
import { parseDurationMs } from "../config/duration.ts";
import { UsageError } from "../errors.ts";
import type {
  DownloadOptions,
  FileOptions,
  PipeOptions,
  RemoveOptions,
  UploadOptions,
} from "./verbs.ts";

/** The flags of single verbs, from the texts that were typed to values that fit. */

/** As commander hands them over. */
export interface UploadFlags {
  readonly partSize?: string;
  readonly hash?: string;
  readonly name?: string;
  readonly serve?: boolean;
  readonly copy?: boolean;
}

/** As commander hands them over. */
export interface DownloadFlags {
  readonly overwrite?: boolean;
  readonly serve?: boolean;
  readonly order?: string;
  readonly offset?: string;
  readonly length?: string;
  readonly timeout?: string;
  readonly stallTimeout?: string;
}

/** @throws {UsageError} bad_flag, bad_argument */
export function parseUpload(
  [file = "", torrent]: readonly string[],
  flags: UploadFlags,
): UploadOptions {
  refusePipe("FILE", file);
  return {
    file: parsePath("FILE", file),
    torrentPath: parsePath("TORRENT", torrent ?? `${file}.torrent.json`),
    partSize: parsePartSize(flags.partSize),
    algorithm: parseAlgorithm(flags.hash),
    name: parseName(flags.name),
    serve: flags.serve ?? true,
    copy: flags.copy ?? false,
  };
}

/** @throws {UsageError} bad_flag, bad_argument */
export function parseDownload(
  [torrent = "", file = ""]: readonly string[],
  flags: DownloadFlags,
): DownloadOptions {
  const shared = {
    torrentPath: parsePath("TORRENT", torrent),
    timeoutMs: parseDuration("--timeout", flags.timeout),
    stallTimeoutMs: parseDuration("--stall-timeout", flags.stallTimeout),
  };
  const order = parseOrder(flags.order);
  if (file === PIPE) return { ...shared, ...parsePipe(order, flags) };
  refuseFlags("a file is fetched whole; they are for FILE -", {
    "--offset": flags.offset,
    "--length": flags.length,
  });
  return {
    ...shared,
    to: "file",
    target: parsePath("FILE", file),
    overwrite: flags.overwrite ?? false,
    serve: flags.serve ?? false,
    order: order === "auto" ? "rarest" : order,
  };
}

function parsePipe(order: Order, flags: DownloadFlags): Omit<PipeOptions, keyof SharedOptions> {
  refuseFlags('FILE is "-", and nothing stays of what goes through a pipe', {
    "--serve": flags.serve,
    "--overwrite": flags.overwrite,
  });
  if (order === "rarest") throw badFlag("--order", order, "sequential or auto: a pipe is in order");
  return {
    to: "pipe",
    offset: parseBytes("--offset", flags.offset) ?? 0,
    length: parseBytes("--length", flags.length),
  };
}

/** @param given the flags that do not fit, undefined when they were not typed */
function refuseFlags(why: string, given: Readonly<Record<string, unknown>>): void {
  for (const [flag, value] of Object.entries(given)) {
    if (value !== undefined) throw new UsageError("bad_flag", `Cannot use ${flag}: ${why}`);
  }
}

/** @throws {UsageError} bad_argument */
export function parseRemove(
  [hash = ""]: readonly string[],
  flags: { readonly deleteFile?: boolean },
): RemoveOptions {
  return { hash: parsePath("HASH", hash), deleteFile: flags.deleteFile ?? false };
}

/** @param argument the argument's name in the help
 * @throws {UsageError} bad_argument: empty, too long for any system, or with a NUL */
export function parsePath(argument: string, text: string): string {
  if (text === "" || text.length > 4096 || text.includes("\0")) {
    throw new UsageError("bad_argument", `Cannot use ${argument}: it is "${text.slice(0, 100)}"`);
  }
  return text;
}

function refusePipe(argument: string, text: string): void {
  if (text !== PIPE) return;
  throw new UsageError(
    "bad_argument",
    `Cannot use ${argument}: it is "-", and uploads from pipes are not in this version, expected a file`,
  );
}

/** What stands for standard input or output. */
const PIPE = "-";

type SharedOptions = Pick<DownloadOptions, "torrentPath" | "timeoutMs" | "stallTimeoutMs">;

type Order = "auto" | FileOptions["order"];

function parseOrder(text: string | undefined): Order {
  if (text === undefined || text === "auto") return "auto";
  if (text === "rarest" || text === "sequential") return text;
  throw badFlag("--order", text, "rarest, sequential or auto");
}

function parseBytes(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseByteSize(text);
  if (bytes === undefined) throw badFlag(flag, text, "bytes, such as 0, 1000 or 64K");
  return bytes;
}

function parsePartSize(text: string | undefined): "auto" | number {
  if (text === undefined || text === "auto") return "auto";
  const bytes = parseByteSize(text);
  if (bytes === undefined || bytes < 1 || bytes > PART_BYTES_MAX) {
    throw badFlag("--part-size", text, "auto, or a size from 1 byte to 16M");
  }
  return bytes;
}

function parseAlgorithm(text: string | undefined): PartAlgorithm {
  if (text === undefined) return "sha256";
  if (!isPartAlgorithm(text)) throw badFlag("--hash", text, "sha256, sha1 or blake3");
  return text;
}

function parseName(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const isPlain = name !== "" && name.length <= NAME_CHARS_MAX && name !== "." && name !== "..";
  if (!isPlain || /[/\\\p{Cc}\p{Bidi_Control}]/u.test(name)) {
    throw badFlag("--name", name, `a plain file name of at most ${NAME_CHARS_MAX} characters`);
  }
  return name;
}

function parseDuration(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDurationMs(text);
  if (ms === undefined) throw badFlag(flag, text, "a time such as 500ms, 30s, 5m or 2h");
  return ms;
}

function badFlag(flag: string, text: string, wished: string): UsageError {
  return new UsageError(
    "bad_flag",
    `Cannot use ${flag}: it is "${text.slice(0, 100)}", expected ${wished}`,
  );
}
