import { type TSchema, Type } from "@sinclair/typebox";
import { SWARM_HASH_PATTERN } from "../protocol/announce-limits.ts";
import { RESULTS } from "./result.ts";

/** The events of events.ts as TypeBox schemas: the single source of their types and of cli/events.schema.json. Fields may be
 * added, none renamed or removed; what is unknown is absent. Bytes and parts are whole numbers, times are seconds.
 * Only types of this file are used at run time, so that no start waits for the making of schemas. */

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
const StartEvent = event("start", { v: Type.Literal(1), verb: text, version: text });

/** The torrent that what follows is about. */
const TorrentEvent = event("torrent", torrent);

/** An upload or a check reads the file. */
const HashingEvent = event("hashing", { bytesDone: count, bytesTotal: count });

/** Verified bytes; the rate is a moving average, the ETA is absent while it cannot be told. `readerBehind`: what comes next in
 * a pipe is there, and its reader has not taken it. */
const ProgressEvent = event("progress", {
  bytesDone: count,
  bytesTotal: count,
  bytesPerSecond: count,
  etaSeconds: Type.Optional(count),
  partsDone: count,
  partsTotal: count,
  peers: count,
  peersKnown: count,
  readerBehind: Type.Optional(Type.Boolean()),
});

/** `reason` tells why one left or was banned. */
const PeerEvent = event("peer", {
  event: Type.Union([Type.Literal("joined"), Type.Literal("left"), Type.Literal("banned")]),
  address,
  reason: Type.Optional(text),
});

/** Why nothing moves: which parts, held by whom, and what each answered; `message` says it in words. */
const WaitingEvent = event("waiting", {
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
const ServingEvent = event("serving", {
  host: text,
  port: Type.Integer({ minimum: 1, maximum: 65535 }),
  torrents: count,
});

/** An upload is registered and served; `torrent` is the path of the file written, `next` what the other side types. */
const UploadedEvent = event("uploaded", {
  ...torrent,
  torrent: text,
  next: Type.Optional(text),
});

/** A download is proven and stands complete at `file`, or went out whole when that is `-`; `alreadyThere` when it did so before. */
const DownloadedEvent = event("downloaded", {
  ...torrent,
  file: text,
  alreadyThere: Type.Boolean(),
});

/** One torrent of `list`. */
const ListedEvent = event("listed", {
  ...torrent,
  file: text,
  state: text,
  bytesDone: Type.Optional(count),
});

/** The answer of `inspect`. */
const InspectedEvent = event("inspected", {
  ...torrent,
  algorithm: text,
  trackers: Type.Array(text),
  created: Type.Optional(text),
});

/** The answer of `verify`; `badParts` are runs of parts that are wrong or missing, in order. */
const VerifiedEvent = event("verified", {
  ...torrent,
  file: text,
  complete: Type.Boolean(),
  partsGood: count,
  badParts: Type.Array(Type.Object({ first: count, count: Type.Integer({ minimum: 1 }) })),
});

/** The answer of `remove`. */
const RemovedEvent = event("removed", {
  hash: torrent.hash,
  file: text,
  fileDeleted: Type.Boolean(),
});

/** The answer of `version`. */
const VersionEvent = event("version", { version: text, bun: text });

/** The answer of `help`. */
const HelpEvent = event("help", { text });

/** What ended the run; `code` is the exit code. */
const ErrorEvent = event("error", {
  code: exitCode,
  name: result,
  message: text,
  hint: text,
});

/** Always the last. `bytes` are those received and verified in this run, in all and by the address they came from;
 * `resumedBytes` stood verified before it; `duplicateBytes` came more often than needed. */
const SummaryEvent = event("summary", {
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

function event<Name extends string, Fields extends Record<string, TSchema>>(
  name: Name,
  fields: Fields,
) {
  return Type.Object({ type: Type.Literal(name), ...fields });
}
