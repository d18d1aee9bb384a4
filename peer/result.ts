/** How a run ended: the names of the exit codes. */
export const RESULTS = [
  "ok",
  "error",
  "usage",
  "bad-torrent",
  "not-found",
  "incomplete",
  "tracker",
  "integrity",
  "io",
  "no-space",
  "exists",
  "busy",
  "denied",
  "timeout",
  "interrupted",
  "terminated",
  "pipe-closed",
] as const;
export type Result = (typeof RESULTS)[number];
