import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { SWARM_HASH_PATTERN } from "../protocol/announce.ts";

/** What a run tells the world, one event each: rendered as a bar, as lines or as JSON (`--json`), where every line is one
 * of these. The schemas are the single source of the types and of cli/events.schema.json. Fields may be added, none
 * renamed or removed; what is unknown is absent. Bytes and parts are whole numbers, times are seconds. */

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

const count = Type.Integer({ minimum: 0 });
const seconds = Type.Number({ minimum: 0 });
const text = Type.String();
const exitCode = Type.Integer({ minimum: 0, maximum: 255 });
const result = Type.Union(RESULTS.map((name) => Type.Literal(name)));
/** `host:port`, an IPv6 host in brackets. */
const address = Type.String({ minLength: 1 });

/** What a torrent is, in every event that is about one. */
const torrent = {
  hash: Type.String({ pattern: SWARM_HASH_PATTERN }),
  digest: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  name: Type.Optional(text),
  size: count,
  parts: count,
  partSize: Type.Integer({ minimum: 1 }),
};

/** Always the first: `v` changes when a program that reads these lines would have to. */
export const StartEvent = event("start", { v: Type.Literal(1), verb: text, version: text });

/** The torrent that what follows is about. */
export const TorrentEvent = event("torrent", torrent);

/** An upload or a check reads the file. */
export const HashingEvent = event("hashing", { bytesDone: count, bytesTotal: count });

/** Verified bytes; the rate is a moving average, the ETA is absent while it cannot be told. */
export const ProgressEvent = event("progress", {
  bytesDone: count,
  bytesTotal: count,
  bytesPerSecond: count,
  etaSeconds: Type.Optional(count),
  partsDone: count,
  partsTotal: count,
  peers: count,
  peersKnown: count,
});

/** `reason` tells why one left or was banned. */
export const PeerEvent = event("peer", {
  event: Type.Union([Type.Literal("joined"), Type.Literal("left"), Type.Literal("banned")]),
  address,
  reason: Type.Optional(text),
});

/** Why nothing moves: which parts, held by whom, and what each answered; `message` says it in words. */
export const WaitingEvent = event("waiting", {
  reason: text,
  parts: Type.Array(
    Type.Object({
      part: count,
      askedOf: Type.Array(Type.Object({ address, answer: text })),
    }),
  ),
  message: text,
});

/** Connections are taken here; `torrents` are served. */
export const ServingEvent = event("serving", {
  host: text,
  port: Type.Integer({ minimum: 1, maximum: 65535 }),
  torrents: count,
});

/** An upload is registered and served; `torrent` is the path of the file written, `next` what the other side types. */
export const UploadedEvent = event("uploaded", {
  ...torrent,
  torrent: text,
  next: Type.Optional(text),
});

/** A download is proven and stands complete at `file`; `alreadyThere` when it did so before. */
export const DownloadedEvent = event("downloaded", {
  ...torrent,
  file: text,
  alreadyThere: Type.Boolean(),
});

/** One torrent of `list`. */
export const ListedEvent = event("listed", {
  ...torrent,
  file: text,
  state: text,
  bytesDone: Type.Optional(count),
});

/** The answer of `inspect`. */
export const InspectedEvent = event("inspected", {
  ...torrent,
  algorithm: text,
  trackers: Type.Array(text),
  created: Type.Optional(text),
});

/** The answer of `verify`; `badParts` are runs of parts that are wrong or missing, in order. */
export const VerifiedEvent = event("verified", {
  ...torrent,
  file: text,
  complete: Type.Boolean(),
  partsGood: count,
  badParts: Type.Array(Type.Object({ first: count, count: Type.Integer({ minimum: 1 }) })),
});

/** The answer of `remove`. */
export const RemovedEvent = event("removed", {
  hash: torrent.hash,
  file: text,
  fileDeleted: Type.Boolean(),
});

/** The answer of `version`. */
export const VersionEvent = event("version", { version: text, bun: text });

/** The answer of `help`. */
export const HelpEvent = event("help", { text });

/** What ended the run; `code` is the exit code. */
export const ErrorEvent = event("error", {
  code: exitCode,
  name: result,
  message: text,
  hint: text,
});

/** Always the last. `bytes` are those received and verified in this run, in all and by the address they came from;
 * `resumedBytes` stood verified before it; `duplicateBytes` came more often than needed. */
export const SummaryEvent = event("summary", {
  result,
  exitCode,
  bytes: count,
  seconds,
  bytesPerPeer: Type.Record(Type.String(), count),
  badParts: count,
  duplicateBytes: count,
  resumedBytes: count,
});

const SCHEMAS = [
  StartEvent,
  TorrentEvent,
  HashingEvent,
  ProgressEvent,
  PeerEvent,
  WaitingEvent,
  ServingEvent,
  UploadedEvent,
  DownloadedEvent,
  ListedEvent,
  InspectedEvent,
  VerifiedEvent,
  RemovedEvent,
  VersionEvent,
  HelpEvent,
  ErrorEvent,
  SummaryEvent,
] as const;

/** Every line of `--json`. */
export const OutputEvent = Type.Union([...SCHEMAS], {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "A line of peer --json",
});
export type OutputEvent = Static<typeof OutputEvent>;

type EventOf<Name extends OutputEvent["type"]> = Extract<OutputEvent, { type: Name }>;
export type ProgressEvent = EventOf<"progress">;
export type WaitingEvent = EventOf<"waiting">;
export type SummaryEvent = EventOf<"summary">;
export type ErrorEvent = EventOf<"error">;

/** Progress as a transfer knows it; rate and ETA are worked out where it is shown. */
export type TransferProgress = Omit<ProgressEvent, "bytesPerSecond" | "etaSeconds">;

/** What transfers and verbs emit. A download emits its first progress before it has any peer, and `waiting` whenever the
 * reason changes: both are shown in their own time. Start, error and summary are the command line's. */
export type PeerEvents =
  | TransferProgress
  | Exclude<OutputEvent, { type: "progress" | "start" | "error" | "summary" }>;

/** Where events go; never throws, never waits. */
export type EmitEvent = (event: PeerEvents) => void;

/** What a run sums up, for the summary. */
export type Totals = Pick<
  SummaryEvent,
  "bytes" | "bytesPerPeer" | "badParts" | "duplicateBytes" | "resumedBytes"
>;

function event<Name extends string, Fields extends Record<string, TSchema>>(
  name: Name,
  fields: Fields,
) {
  return Type.Object({ type: Type.Literal(name), ...fields });
}
