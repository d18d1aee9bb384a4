import type { LogRow, NumberedRow, PeerLog } from "./peer-log.ts";
import type { Announce } from "./store.ts";
import type { StoreLimits, SwarmIndex } from "./swarm-index.ts";

/** Gets each piece of the log as it was read. */
export type TakeIn = (rows: readonly NumberedRow[]) => void;

/** Reads the log to its end; the next piece is on its way while one is taken in. */
export async function readAll(log: PeerLog, takeIn: TakeIn): Promise<void> {
  let rows = await log.read();
  while (rows.length > 0) {
    const next = log.read();
    takeIn(rows);
    rows = await next;
  }
}

/** Takes rows into memory. */
export function restore(
  index: SwarmIndex,
  rows: readonly NumberedRow[],
  now: number,
  { lifetimeMsMax }: Pick<StoreLimits, "lifetimeMsMax">,
): void {
  for (const { seq, row } of rows) {
    // A clock that was wrong for a while must not let anybody live for years.
    const kept = Math.min(row.expires, now + lifetimeMsMax);
    index.restore(toAnnounce(row, now, kept), { seq, kept });
  }
}

function toAnnounce(row: LogRow, now: number, expires: number): Announce {
  const action = row.complete === undefined ? "remove" : "add";
  return { ...row, action, create: true, want: 0, only: "all", now, expires };
}
