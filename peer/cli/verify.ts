import type { Bitfield } from "../../protocol/bitfield.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { IntegrityError } from "../errors.ts";
import { verifyFile } from "../storage/verify-file.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { openNamedFile } from "./named-file.ts";
import { formatRuns } from "./results.ts";
import { toTorrentFacts } from "./torrent-event.ts";
import { readTorrentFile } from "./torrent-file.ts";
import type { Context, VerifyOptions } from "./verbs.ts";

type VerifyContext = Pick<Context, "report" | "disk" | "signal">;

/** `peer verify TORRENT FILE`
 * @throws {IntegrityError} file_mismatch: parts are bad, or the file is longer than the torrent says
 * @throws {NotFoundError} no_file
 * @throws {StorageError} not_a_file, denied, io; also what `readTorrentFile` throws */
export async function verify(
  context: VerifyContext,
  { torrentPath, file }: VerifyOptions,
): Promise<number> {
  const torrent = await readTorrentFile(context.disk, torrentPath);
  const facts = toTorrentFacts(torrent);
  context.report.emit({ type: "torrent", ...facts });
  const { good, fileBytes } = await hash(context, torrent, file);
  const badParts = Array.from(good.runs(false), ([first, count]) => ({ first, count }));
  const complete = good.isFull && fileBytes === facts.size;
  context.report.emit({
    type: "verified",
    ...facts,
    file,
    complete,
    partsGood: good.count,
    badParts,
  });
  if (complete) return EXIT_CODES.ok;
  const bad = good.length - good.count;
  const state = good.isFull
    ? `it has ${fileBytes} bytes, expected ${facts.size}`
    : `${bad} of ${good.length} parts are wrong or missing: ${formatRuns(badParts)}`;
  throw new IntegrityError("file_mismatch", `Cannot verify ${file}: ${state}`);
}

async function hash(
  { report, disk, signal }: VerifyContext,
  torrent: Torrent,
  path: string,
): Promise<{ readonly good: Bitfield; readonly fileBytes: number }> {
  const bytesTotal = torrent.geometry.fileBytes;
  const onProgress = (bytesDone: number): void =>
    report.emit({ type: "hashing", bytesDone, bytesTotal });
  const file = await openNamedFile(disk, path, "Cannot verify");
  try {
    const good = await verifyFile(torrent, file, { signal, onProgress });
    return { good, fileBytes: Number((await file.facts()).identity.size) };
  } finally {
    await file.close();
  }
}
