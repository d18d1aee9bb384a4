import type { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry } from "../../protocol/geometry.ts";
import type { Members } from "./members.ts";
import type { WaitingFor } from "./messages.ts";

/** @param partsMax how many missing parts to explain
 * @returns which parts are missing, who has them, and what each answered when it was asked */
export function explainMissing(
  geometry: Geometry,
  have: Bitfield,
  members: Members,
  partsMax: number,
): WaitingFor {
  const parts: WaitingFor["parts"][number][] = [];
  for (
    let index = have.next(false, 0);
    index !== undefined && parts.length < partsMax;
    index = have.next(false, index + 1)
  ) {
    const part = geometry.part(index);
    if (part === undefined) break;
    const holders = [...members.peers.values()].filter((peer) => peer.bits.has(part));
    const askedOf = holders.map((peer) => ({
      address: peer.address,
      answer: peer.lastAnswer ?? "no data yet",
    }));
    parts.push({ part, holders: holders.length, askedOf });
  }
  return {
    missingParts: have.length - have.count,
    parts,
    peers: members.peers.size,
    unreachable: members.book.unreachable(),
  };
}
