/** Who announces what to a tracker, in an order that is the same every time. */

/** Swarms that have equally many peers. Numbers of swarms and peers belong to one crowd only. */
export interface Crowd {
  readonly firstSwarm: number;
  readonly swarms: number;
  readonly firstPeer: number;
  readonly peersEach: number;
}

export interface Announcer {
  readonly swarm: number;
  readonly peer: number;
  /** Which of its swarm's peers it is, from 0. */
  readonly place: number;
  readonly isComplete: boolean;
}

/** The same peers with the same news as before; news that change what is stored, each of them; or peers never seen. */
export type Kind = "again" | "changing" | "new";
export const KINDS: readonly Kind[] = ["again", "changing", "new"];

export function sizeOf({ swarms, peersEach }: Crowd): number {
  return swarms * peersEach;
}

/** The first peer of each swarm: they have the whole file, so that the swarm becomes known. */
export function* founders(crowd: Crowd): Generator<Announcer> {
  for (let at = 0; at < crowd.swarms; at++) yield announcerAt(crowd, at);
}

/** All others, swarm by swarm in turn; every second one is complete.
 * @param from how many of each swarm are there already */
export function* joiners(crowd: Crowd, from = 1): Generator<Announcer> {
  for (let at = from * crowd.swarms; at < sizeOf(crowd); at++) yield announcerAt(crowd, at);
}

/** Everybody with what they said when they joined. */
export function* again(crowd: Crowd): Generator<Announcer> {
  for (const at of shuffled(sizeOf(crowd))) yield announcerAt(crowd, at);
}

/** Everybody with the contrary of what they said last, and then back: sent in a circle, each announce changes something, while
 * half of each swarm stays complete. */
export function* changing(crowd: Crowd): Generator<Announcer> {
  for (const one of again(crowd)) yield { ...one, isComplete: !one.isComplete };
  yield* again(crowd);
}

/** @param skip how many came already
 * @returns so many more peers, never seen before, for the crowd's swarms */
export function* newcomers(
  crowd: Crowd,
  { count, skip }: { readonly count: number; readonly skip: number },
): Generator<Announcer> {
  for (let n = 0; n < count; n++) yield announcerAt(crowd, sizeOf(crowd) + skip + n);
}

function announcerAt({ firstSwarm, swarms, firstPeer }: Crowd, at: number): Announcer {
  const place = Math.floor(at / swarms);
  return {
    swarm: firstSwarm + (at % swarms),
    peer: firstPeer + at,
    place,
    isComplete: place % 2 === 0,
  };
}

/** A prime above every crowd's size, so that its multiples meet each number once. */
const STEP = 7_368_787;

function* shuffled(count: number): Generator<number> {
  for (let n = 0; n < count; n++) yield (n * STEP) % count;
}
