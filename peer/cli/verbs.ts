import type { PartAlgorithm } from "../../protocol/part-algorithm.ts";
import type { Clock, Random } from "../clock.ts";
import type { PeerConfig } from "../config.ts";
import type { Log } from "../log.ts";
import type { Disk } from "../storage/disk.ts";
import type { DownloadRequest } from "../transfer/download.ts";
import type { OrderedBytes } from "../transfer/ordered-runs.ts";
import type { Report } from "./report.ts";

/** What every verb is handed. */
export interface Context {
  readonly config: PeerConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly log: Log;
  readonly report: Report;
  /** Aborted by SIGINT and SIGTERM (reason: an Interruption), and when nobody reads standard output any more. */
  readonly signal: AbortSignal;
  /** Standard input, opened when first asked for. */
  readonly stdin: () => AsyncIterable<Uint8Array>;
  /** Opens standard output for data.
   * @throws {UsageError} bad_argument: it is a terminal */
  readonly openByteOutput: () => WritableStream<OrderedBytes>;
}

/** `upload FILE [TORRENT]` */
export interface UploadOptions {
  readonly file: string;
  /** Where the torrent is written. */
  readonly torrentPath: string;
  /** Bytes a part has, 1 to PART_BYTES_MAX. */
  readonly partSize: "auto" | number;
  readonly algorithm: PartAlgorithm;
  /** The name in the torrent; absent: the file's own. */
  readonly name: string | undefined;
  /** Go on serving until stopped; else the upload ends when it is registered. */
  readonly serve: boolean;
  /** Copy the file into the data directory instead of serving it where it lies. */
  readonly copy: boolean;
}

interface FetchOptions {
  readonly torrentPath: string;
  /** Milliseconds for the whole download; absent: no limit. */
  readonly timeoutMs: number | undefined;
  /** Milliseconds without progress; absent: it waits for ever. */
  readonly stallTimeoutMs: number | undefined;
}

/** `download TORRENT FILE` */
export interface FileOptions extends FetchOptions {
  readonly to: "file";
  readonly target: string;
  /** A different file at the target is replaced. */
  readonly overwrite: boolean;
  /** Go on serving when complete. */
  readonly serve: boolean;
  readonly order: DownloadRequest["order"];
}

/** `download TORRENT -` */
export interface PipeOptions extends FetchOptions {
  readonly to: "pipe";
  /** Bytes of the file that are left out before. */
  readonly offset: number;
  /** Bytes that are wanted; absent: all that follow. */
  readonly length: number | undefined;
}

export type DownloadOptions = FileOptions | PipeOptions;

/** `inspect TORRENT` */
export interface InspectOptions {
  readonly torrentPath: string;
}

/** `verify TORRENT FILE` */
export interface VerifyOptions {
  readonly torrentPath: string;
  readonly file: string;
}

/** `remove HASH` */
export interface RemoveOptions {
  readonly hash: string;
  readonly deleteFile: boolean;
}

/** What the command line asks for, every argument checked in form. `prompt` is the original's `peer CONFIG.json`. */
export type Command =
  | { readonly verb: "upload"; readonly options: UploadOptions }
  | { readonly verb: "download"; readonly options: DownloadOptions }
  | { readonly verb: "serve" }
  | { readonly verb: "prompt"; readonly configPath: string }
  | { readonly verb: "list" }
  | { readonly verb: "inspect"; readonly options: InspectOptions }
  | { readonly verb: "verify"; readonly options: VerifyOptions }
  | { readonly verb: "remove"; readonly options: RemoveOptions }
  | { readonly verb: "version" }
  | { readonly verb: "help"; readonly text: string };

/** A verb's action: throws what ends it, else returns the exit code. */
export type Action<Options> = (context: Context, options: Options) => Promise<number>;

/** The verbs that talk to other peers, put in by whoever starts the program. */
export interface TransferVerbs {
  readonly upload: Action<UploadOptions>;
  readonly download: Action<DownloadOptions>;
  readonly serve: (context: Context) => Promise<number>;
  readonly prompt: (context: Context) => Promise<number>;
}
