import { fail } from "node:assert";
import { readFileSync } from "node:fs";
import { TorrentError, type TorrentErrorCode } from "../../protocol/errors.ts";
import { parseTorrent, type Torrent } from "../../protocol/torrent.ts";
import { testCrypto } from "./crypto.ts";
import { utf8 } from "./fixtures.ts";

/** One file of the corpus under tests/fixtures/torrents: text, or bytes, or a text many times over. */
export interface CorpusFile {
  readonly name: string;
  readonly text?: string;
  readonly base64?: string;
  readonly repeat?: string;
  readonly count?: number;
}

export interface MalformedTorrent extends CorpusFile {
  readonly code: TorrentErrorCode;
}

export interface GoodTorrent extends CorpusFile {
  readonly expect: {
    readonly size: number;
    readonly partSize: number;
    readonly partCount: number;
    readonly algorithm: string;
    readonly hash: string;
    readonly digest: string;
    readonly name: string | null;
    readonly trackers: readonly string[];
    readonly created: string | null;
  };
}

export const malformedTorrents: readonly MalformedTorrent[] = readCorpus("malformed.json");
export const goodTorrents: readonly GoodTorrent[] = readCorpus("good.json");

/** @returns the good torrent of that name */
export function goldenTorrent(name: string): GoodTorrent {
  return goodTorrents.find((file) => file.name === name) ?? fail(`No good torrent ${name}`);
}

/** @returns the bytes of one file of the corpus */
export function corpusBytes(file: CorpusFile): Uint8Array {
  if (file.text !== undefined) return utf8(file.text);
  if (file.repeat !== undefined) return utf8(file.repeat.repeat(file.count ?? 1));
  return Uint8Array.fromBase64(file.base64 ?? fail(`${file.name} has no content`));
}

/** @returns the code a torrent file is refused with, or "accepted"; any other error goes on */
export function torrentVerdict(file: Uint8Array | string): TorrentErrorCode | "accepted" {
  try {
    readTorrent(file);
    return "accepted";
  } catch (error) {
    if (error instanceof TorrentError) return error.code;
    throw error;
  }
}

/** @returns the torrent in a file's text or bytes */
export function readTorrent(file: Uint8Array | string): Torrent {
  return parseTorrent(testCrypto, typeof file === "string" ? utf8(file) : file);
}

function readCorpus<Entry>(name: string): readonly Entry[] {
  const url = new URL(`../fixtures/torrents/${name}`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8"));
}
