import { keyOf } from "../name-key.ts";
import type { NumberedRow, PeerLog } from "./peer-log.ts";
import type { StoreLimits } from "./store-limits.ts";
import type { News } from "./subject.ts";
import type { SwarmIndex } from "./swarm-index.ts";

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
  for (const row of rows) {
    // A clock that was wrong for a while must not let anybody live for years.
    const kept = Math.min(row.expires, now + lifetimeMsMax);
    const key = keyOf(row.host, row.port);
    const subject = { announce: toNews(row, now, kept), key, peer: row.peer };
    index.restore(subject, { seq: row.seq, kept });
  }
}

/** Written out: there may be a million rows, and a copy with `...` costs several times as much. */
function toNews(row: NumberedRow, now: number, expires: number): News {
  return {
    swarm: row.swarm,
    host: row.host,
    port: row.port,
    zone: row.zone,
    action: row.complete === undefined ? "remove" : "add",
    complete: row.complete,
    create: true,
    reached: [],
    want: 0,
    only: "all",
    now,
    expires,
  };
}
