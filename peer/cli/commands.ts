import { UsageError } from "../errors.ts";
import {
  type DownloadFlags,
  parseDownload,
  parsePath,
  parseRemove,
  parseUpload,
  type UploadFlags,
} from "./verb-options.ts";
import type { Command } from "./verbs.ts";

/** A verb as the help shows it, and how its words become a command. */
export interface VerbSpec {
  readonly name: string;
  /** As commander takes them: `<FILE> [TORRENT]`. */
  readonly operands: string;
  readonly summary: string;
  readonly flags: readonly VerbFlag[];
  /** Shown after the flags in the verb's own help. */
  readonly more: string;
  /** @throws {UsageError} bad_flag, bad_argument */
  readonly parse: (operands: readonly string[], flags: OwnFlags) => Command | HelpRequest;
}

export interface VerbFlag {
  readonly flags: string;
  readonly help: string;
}

/** All that flags of single verbs can be. */
export type OwnFlags = UploadFlags & DownloadFlags & { readonly deleteFile?: boolean };

/** `help VERB`: the text is made where the verbs' help is. */
export interface HelpRequest {
  readonly verb: "help";
  /** Absent: the help of the whole program. */
  readonly about: string | undefined;
}

/** The verbs of this version. */
export const VERBS: readonly VerbSpec[] = [
  {
    name: "upload",
    operands: "<FILE> [TORRENT]",
    summary: "make the torrent, register it at the tracker, write it, keep serving the file",
    flags: [
      {
        flags: "--part-size <size>",
        help: "auto, or a size up to 16M (default: auto: 256 KiB to 16 MiB, giving 1,000 to 4,000 parts)",
      },
      {
        flags: "--hash <algorithm>",
        help: "sha256, sha1 or blake3, which needs its library at both ends (default: sha256)",
      },
      { flags: "--name <name>", help: "the name in the torrent (default: the file's own)" },
      { flags: "--no-serve", help: "only register; a later `peer serve` announces it" },
      {
        flags: "--copy",
        help: "copy the file into the data directory instead of serving it where it lies",
      },
    ],
    more: "TORRENT is FILE.torrent.json when it is not named.\nExample: peer upload big.iso",
    parse: (operands, flags) => ({ verb: "upload", options: parseUpload(operands, flags) }),
  },
  {
    name: "download",
    operands: "<TORRENT> <FILE|->",
    summary: "fetch the file, verify it, resume what was begun",
    flags: [
      { flags: "--overwrite", help: "replace FILE when it differs" },
      { flags: "--serve", help: "go on serving when complete" },
      {
        flags: "--order <order>",
        help: "rarest, sequential or auto (default: auto: sequential into a pipe, else rarest)",
      },
      { flags: "--offset <bytes>", help: "of a pipe: leave out so many before (default: 0)" },
      { flags: "--length <bytes>", help: "of a pipe: end after so many (default: all)" },
      { flags: "--timeout <time>", help: "give up after 500ms, 30s, 5m or 2h (default: never)" },
      {
        flags: "--stall-timeout <time>",
        help: "give up after so long without progress (default: never)",
      },
    ],
    more: `Work happens in FILE.part; the same command again goes on where it stopped.
FILE - writes the verified bytes in order to standard output while they come. It
keeps nothing and serves nobody; all else, JSON lines too, goes to standard
error. Only exit code 0 says that all came out.
Examples: peer download big.iso.torrent.json big.iso
          peer download big.tar.torrent.json - | tar x`,
    parse: (operands, flags) => ({ verb: "download", options: parseDownload(operands, flags) }),
  },
  {
    name: "serve",
    operands: "",
    summary: "serve everything in the data directory until stopped",
    flags: [],
    more: "",
    parse: () => ({ verb: "serve" }),
  },
  {
    name: "list",
    operands: "",
    summary: "every torrent known here: hash, done, size, state, name",
    flags: [],
    more: "",
    parse: () => ({ verb: "list" }),
  },
  {
    name: "inspect",
    operands: "<TORRENT>",
    summary: "show and check a torrent file",
    flags: [],
    more: "",
    parse: ([torrent = ""]) => ({
      verb: "inspect",
      options: { torrentPath: parsePath("TORRENT", torrent) },
    }),
  },
  {
    name: "verify",
    operands: "<TORRENT> <FILE>",
    summary: "hash the file against the torrent",
    flags: [],
    more: "Ends with exit code 7, naming the parts, when some are wrong or missing.",
    parse: ([torrent = "", file = ""]) => ({
      verb: "verify",
      options: { torrentPath: parsePath("TORRENT", torrent), file: parsePath("FILE", file) },
    }),
  },
  {
    name: "remove",
    operands: "<HASH>",
    summary: "stop serving it; the file stays",
    flags: [{ flags: "--delete-file", help: "delete the file too" }],
    more: "",
    parse: (operands, flags) => ({ verb: "remove", options: parseRemove(operands, flags) }),
  },
  {
    name: "version",
    operands: "",
    summary: "what this is",
    flags: [],
    more: "",
    parse: () => ({ verb: "version" }),
  },
  {
    name: "help",
    operands: "[VERB]",
    summary: "this text, or a verb's",
    flags: [],
    more: "",
    parse: ([about]) => {
      if (about !== undefined) specOf(about);
      return { verb: "help", about };
    },
  },
];

/** @throws {UsageError} bad_argument: there is no such verb */
export function specOf(name: string): VerbSpec {
  const spec = VERBS.find((known) => known.name === name);
  if (spec === undefined) {
    throw new UsageError("bad_argument", `Cannot run peer: unknown verb "${name.slice(0, 100)}"`);
  }
  return spec;
}
