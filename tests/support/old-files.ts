import { createHash, randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Files as the original program made them, with none of our own code. */

export const OLD_PART_BYTES = 256;

/** The data directory in tests/fixtures/old, and what lies in it; made by make.py beside it. */
export const OLD_SERVICE = join(import.meta.dir, "../fixtures/old/service");
export const OLD_HASH = "2f6d1c8e-5b7a-4e39-9c10-6a8b4d2f7e51";

/** @returns the text of the torrent that the original would have written: SHA-1, parts of 256 bytes, four keys */
export function formatOldTorrent(content: Uint8Array, hash: string = randomUUID()): string {
  const parts: string[] = [];
  for (let at = 0; at < content.length; at += OLD_PART_BYTES) {
    const part = content.subarray(at, at + OLD_PART_BYTES);
    parts.push(`"${createHash("sha1").update(part).digest("hex")}"`);
  }
  const { length } = content;
  return `{"FileInfo": {"Size": ${length}, "PartSize": ${OLD_PART_BYTES}, "Parts": [${parts.join(", ")}], "Hash": "${hash}"}}`;
}

/** Lays a file and its torrent where the original kept them.
 * @param service the directory that its config named
 * @returns the torrent's path */
export async function writeOldService(
  service: string,
  content: Uint8Array,
  hash: string = randomUUID(),
): Promise<string> {
  const torrentPath = join(service, "torrents", `${hash}.json`);
  const filePath = join(service, "files", `${hash}.bin`);
  for (const path of [torrentPath, filePath]) await mkdir(dirname(path), { recursive: true });
  await writeFile(filePath, content);
  await writeFile(torrentPath, formatOldTorrent(content, hash));
  return torrentPath;
}

/** Writes the original's config.
 * @param options.tracker `http://HOST:PORT`, as the original split it
 * @returns its path */
export async function writeOldConfig(
  path: string,
  options: { readonly service: string; readonly tracker: string },
): Promise<string> {
  const { hostname, port } = new URL(options.tracker);
  const config = {
    "self.service": options.service,
    "self.host": "127.0.0.1",
    "self.port": "0",
    "tracker.host": `http://${hostname}`,
    "tracker.port": port,
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}
