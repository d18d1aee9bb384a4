import type { OutputEvent, ProgressEvent, SummaryEvent } from "../events.ts";
import { printable } from "../printable.ts";
import { formatBytes, formatSeconds, percentDone } from "./quantity.ts";

/** The words that a bar and plain lines share. */

export type Hashing = Extract<OutputEvent, { type: "hashing" }>;

/** @param isProven whether the file was proven as a whole: before that, received bytes are 99 % at most
 * @returns whole percent, rounded down */
export function percentShown(event: ProgressEvent | Hashing, isProven: boolean): number {
  const percent = percentDone(event.bytesDone, event.bytesTotal);
  if (event.type === "hashing") return percent;
  return isProven ? 100 : Math.min(percent, 99);
}

/** @returns ` 42 %  430.1 MiB / 1.0 GiB  95.3 MiB/s  ETA 0:06  peers 3/5` */
export function formatProgress(event: ProgressEvent | Hashing, isProven: boolean): string {
  const percent = `${percentShown(event, isProven)} %`.padStart(5);
  const size = `${formatBytes(event.bytesDone)} / ${formatBytes(event.bytesTotal)}`;
  if (event.type === "hashing") return `${percent}  ${size}  hashing`;
  const rate = `${formatBytes(event.bytesPerSecond)}/s`;
  const eta = event.etaSeconds === undefined ? "" : `  ETA ${formatSeconds(event.etaSeconds)}`;
  return `${percent}  ${size}  ${rate}${eta}  peers ${event.peers}/${event.peersKnown}`;
}

/** @returns the line that an event deserves beside progress, if any */
export function formatNote(event: OutputEvent): string | undefined {
  switch (event.type) {
    case "waiting":
      return `waiting: ${printable(event.message)}`;
    case "serving": {
      const host = event.host.includes(":") ? `[${event.host}]` : event.host;
      const torrents = event.torrents === 1 ? "1 torrent" : `${event.torrents} torrents`;
      return `serving ${torrents} on ${printable(host)}:${event.port}`;
    }
    case "summary":
      return event.bytes > 0 ? formatSummary(event) : undefined;
    default:
      return undefined;
  }
}

function formatSummary(summary: SummaryEvent): string {
  const peers = Object.keys(summary.bytesPerPeer).length;
  const rate = summary.seconds > 0 ? summary.bytes / summary.seconds : 0;
  const from = peers === 1 ? "1 peer" : `${peers} peers`;
  const bad = summary.badParts === 0 ? "" : `, ${summary.badParts} bad parts refused`;
  const resumed =
    summary.resumedBytes === 0 ? "" : `, ${formatBytes(summary.resumedBytes)} were there before`;
  const time = formatSeconds(summary.seconds);
  return `received ${formatBytes(summary.bytes)} in ${time}, ${formatBytes(rate)}/s, from ${from}${bad}${resumed}`;
}
