import type { Static } from "@sinclair/typebox";
import type { OutputEvent as Schema } from "./event-schemas.ts";

/** What a run tells the world, one event each: rendered as a bar, as lines or as JSON (`--json`), where every line is one
 * of these. */
export type OutputEvent = Static<typeof Schema>;

type EventOf<Name extends OutputEvent["type"]> = Extract<OutputEvent, { type: Name }>;
export type ProgressEvent = EventOf<"progress">;
export type WaitingEvent = EventOf<"waiting">;
export type SummaryEvent = EventOf<"summary">;

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
