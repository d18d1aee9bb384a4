import { TorrentError } from "../../protocol/errors.ts";
import { parseTorrent, type Torrent } from "../../protocol/torrent.ts";
import { testCrypto } from "./crypto.ts";
import { naiveParseTorrent } from "./naive-torrent.ts";

/** All that reading a file came to: the torrent, or what the refusal says, down to its cause. */
export type TorrentOutcome =
  | { readonly torrent: Torrent }
  | { readonly code: string; readonly message: string; readonly cause: string };

export interface Outcomes {
  readonly real: TorrentOutcome;
  readonly naive: TorrentOutcome;
}

/** @returns what the real reader and the naive one make of a file; any error but a TorrentError goes on */
export function outcomesOf(bytes: Uint8Array): Outcomes {
  return {
    real: outcomeOf(() => parseTorrent(testCrypto, bytes)),
    naive: outcomeOf(() => naiveParseTorrent(testCrypto, bytes)),
  };
}

function outcomeOf(read: () => Torrent): TorrentOutcome {
  try {
    return { torrent: read() };
  } catch (error) {
    if (!(error instanceof TorrentError)) throw error;
    return { code: error.code, message: error.message, cause: String(error.cause) };
  }
}

/** @returns whether the two agree; quicker than comparing them in depth, since a digest covers all that decides */
export function doAgree({ real, naive }: Outcomes): boolean {
  if ("torrent" in real && "torrent" in naive) return toKey(real.torrent) === toKey(naive.torrent);
  if ("torrent" in real || "torrent" in naive) return false;
  const isSaidAlike = real.code === naive.code && real.message === naive.message;
  return isSaidAlike && real.cause === naive.cause;
}

function toKey({ digest, partDigests, name, trackers, created }: Torrent): string {
  return JSON.stringify([digest, partDigests.toHex(), name, trackers, created]);
}
