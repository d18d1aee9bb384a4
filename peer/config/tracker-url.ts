import { isTrackerUrl } from "../../protocol/torrent.ts";
import { parseHost } from "./host-port.ts";

/** Reads a tracker's address: an http or https URL, perhaps with a path; no user, query or fragment.
 * @returns the URL without a slash at its end, or undefined when the text is none */
export function parseTrackerUrl(text: string): string | undefined {
  if (!isTrackerUrl(text)) return undefined;
  const url = new URL(text);
  const isPlain = url.username === "" && url.password === "" && !/[?#\s]/.test(text);
  if (!isPlain || url.port === "0" || parseHost(url.hostname) === undefined) return undefined;
  return url.href.replace(/\/+$/, "");
}
