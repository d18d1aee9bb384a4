import { neighbourhoodOf } from "../../protocol/address-policy.ts";
import type { Random } from "../clock.ts";

/** What an answer may tell of. */
export interface Candidate {
  readonly host: string;
  readonly complete: boolean;
  /** As it stands in an answer. */
  readonly text: string;
}

/** From one /24 or /48 no more than so many, while there are others: who owns one net must not be all that others hear of. */
const NEIGHBOURS_MAX = 2;

/** Draws by lot whom one answer tells of: half of each kind as far as they go, since a few sources must be found in a crowd
 * that has nothing yet; spread over networks.
 * @returns at most `want` texts */
export function spreadDraw(
  random: Random,
  candidates: readonly Candidate[],
  want: number,
): readonly string[] {
  const complete = candidates.filter((candidate) => candidate.complete);
  const incomplete = candidates.filter((candidate) => !candidate.complete);
  const drawn: string[] = [];
  const neighbours: string[] = [];
  const counts = new Map<string, number>();
  const drawUpTo = (count: number, lots: Candidate[]): void => {
    while (drawn.length < count) {
      const lot = takeOne(random, lots);
      if (lot === undefined) return;
      const net = neighbourhoodOf(lot.host);
      const known = counts.get(net) ?? 0;
      counts.set(net, known + 1);
      (known < NEIGHBOURS_MAX ? drawn : neighbours).push(lot.text);
    }
  };
  drawUpTo(Math.ceil(want / 2), complete);
  drawUpTo(want, incomplete);
  drawUpTo(want, complete);
  // By lot again: in a swarm of one network they are all there is, and sources were drawn first.
  while (drawn.length < want) {
    const neighbour = takeOne(random, neighbours);
    if (neighbour === undefined) break;
    drawn.push(neighbour);
  }
  return drawn;
}

function takeOne<Lot>(random: Random, lots: Lot[]): Lot | undefined {
  const last = lots.pop();
  if (last === undefined || lots.length === 0) return last;
  const at = random.uint32() % (lots.length + 1);
  const taken = lots[at];
  if (taken === undefined) return last;
  lots[at] = last;
  return taken;
}
