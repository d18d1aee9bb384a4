import { type Results, ResultsError, type RunHead, type Transfer } from "../results.ts";
import { quantile } from "../table.ts";

/** What is drawn: medians side by side, out of what was recorded. */

export interface Range {
  readonly least: number;
  readonly median: number;
  readonly most: number;
}

/** Ours, others, and the bare loop, which is no rival: it says what the machine can do at all. */
export type Kind = "ours" | "other" | "limit";

export interface Entry {
  readonly client: string;
  readonly kind: Kind;
  readonly rounds: number;
  readonly mibPerSecond: Range;
  readonly cpuSecondsPerGib: Range;
}

/** Everybody in one setup. */
export interface Group {
  readonly leechers: number;
  readonly entries: readonly Entry[];
}

export interface Comparison {
  readonly head: RunHead;
  readonly mib: number;
  readonly partBytes: number;
  readonly groups: readonly Group[];
}

const KINDS: readonly Kind[] = ["ours", "other", "limit"];
/** The one bare loop that does what a peer must do; those with less to do would only press the scale together. */
const LIMIT = "bare loop with sha256";

/** Takes the last run, and with it the earlier ones that are alike, so that a comparison may have been made in pieces.
 * @param mib size of the file that was moved
 * @throws {ResultsError} when they have nothing of that size */
export function compare(results: Results, mib: number): Comparison {
  const head = results.runs.at(-1);
  const all = results.runs
    .filter((run) => head !== undefined && isAlike(run, head))
    .flatMap((run) => run.transfers.filter(({ client }) => kindOf(client) !== undefined));
  const partBytes = all.findLast((transfer) => transfer.mib === mib)?.partBytes;
  if (head === undefined || partBytes === undefined) {
    const sizes = unique(all.map((transfer) => `${transfer.mib} MiB`)).join(", ") || "none";
    throw new ResultsError(`Cannot compare transfers of ${mib} MiB: the last run has ${sizes}`);
  }
  const same = all.filter((transfer) => transfer.mib === mib && transfer.partBytes === partBytes);
  const counts = unique(same.map(({ leechers }) => leechers)).sort((left, right) => left - right);
  const clients = inOrder(unique(same.map(({ client }) => client)));
  const groups = counts.map((leechers) => ({
    leechers,
    entries: clients.flatMap((client) =>
      toEntries(same.filter((one) => one.leechers === leechers && one.client === client)),
    ),
  }));
  return { head, mib, partBytes, groups };
}

function unique<Value>(values: readonly Value[]): Value[] {
  return [...new Set(values)];
}

function isAlike(left: RunHead, right: RunHead): boolean {
  return (["commit", "machine", "bun"] as const).every((key) => left[key] === right[key]);
}

/** @returns ours first, the limit last, and between them as recorded */
function inOrder(clients: readonly string[]): readonly string[] {
  return KINDS.flatMap((kind) => clients.filter((client) => kindOf(client) === kind));
}

/** @returns undefined for what is not drawn */
function kindOf(client: string): Kind | undefined {
  if (client.startsWith("bare loop")) return client === LIMIT ? "limit" : undefined;
  return client.startsWith("peer ") ? "ours" : "other";
}

/** @param transfers one program's in one setup
 * @returns one entry, or none when there are none; of a program that was set up otherwise meanwhile, only the last state */
function toEntries(transfers: readonly Transfer[]): readonly Entry[] {
  const last = transfers.at(-1);
  const kind = last === undefined ? undefined : kindOf(last.client);
  if (last === undefined || kind === undefined) return [];
  const rounds = transfers
    .filter(({ version, settings }) => version === last.version && settings === last.settings)
    .flatMap((transfer) => transfer.rounds);
  return [
    {
      client: last.client,
      kind,
      rounds: rounds.length,
      mibPerSecond: toRange(rounds.map((round) => round.mibPerSecond)),
      cpuSecondsPerGib: toRange(rounds.map((round) => round.cpuSecondsPerGib)),
    },
  ];
}

function toRange(values: readonly number[]): Range {
  return {
    least: quantile(values, 0),
    median: quantile(values, 0.5),
    most: quantile(values, 1),
  };
}
