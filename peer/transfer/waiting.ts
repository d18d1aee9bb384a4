import { formatAddress } from "../../protocol/address.ts";
import type { WaitingEvent } from "../events.ts";
import type { WaitingFor } from "../swarm/messages.ts";
import type { TrackerState } from "./announcer.ts";

/** Puts into words why nothing moves: which parts are missing, who has them, what each answered. */
export function explainWaiting(
  waiting: WaitingFor,
  trackers: readonly TrackerState[],
): WaitingEvent {
  const parts = waiting.parts.map(({ part, askedOf }) => ({
    part,
    askedOf: askedOf.map(({ address, answer }) => ({ address: formatAddress(address), answer })),
  }));
  return {
    type: "waiting",
    reason: reasonOf(waiting),
    parts,
    message: toMessage(waiting, trackers),
  };
}

function reasonOf(waiting: WaitingFor): string {
  if (waiting.peers === 0) return "no_peers";
  return waiting.parts.some((part) => part.holders === 0) ? "no_holder" : "no_data";
}

function toMessage(waiting: WaitingFor, trackers: readonly TrackerState[]): string {
  const sentences: string[] = [];
  if (waiting.peers === 0) sentences.push("no peer is connected");
  for (const { part, holders, askedOf } of waiting.parts) {
    const answers = askedOf.map(({ address, answer }) => `${formatAddress(address)}: ${answer}`);
    const detail = answers.length === 0 ? "" : ` (${answers.join("; ")})`;
    if (waiting.peers > 0)
      sentences.push(`part ${part}: ${holders} of ${waiting.peers} peers have it${detail}`);
  }
  const more = waiting.missingParts - waiting.parts.length;
  if (waiting.peers > 0 && more > 0) sentences.push(`${more} more parts are missing`);
  for (const { address, reason } of waiting.unreachable.slice(0, SHOWN_MAX)) {
    sentences.push(`${formatAddress(address)}: ${reason}`);
  }
  for (const state of trackers) if ("error" in state) sentences.push(state.error.message);
  return sentences.join(", ");
}

const SHOWN_MAX = 3;
