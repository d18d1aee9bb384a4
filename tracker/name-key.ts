import { systemRandom } from "./clock.ts";

/** Names as numbers: a map of a million texts costs what they cost, a map of numbers nothing beside itself. Two of a hundred
 * thousand names in one swarm have one number once in a million such swarms; the later one then takes the other's place. The
 * seeds are this process's secret, so that nobody can choose names that meet another's. */

let seed = 0;
let otherSeed = 0;
let isSeeded = false;
const UPPER_BITS = 2 ** 20;
const FACTOR = 0x85ebca6b;
const OTHER_FACTOR = 0xc2b2ae35;

/** @param text ASCII
 * @param number belongs to the text: 32 bits
 * @returns a whole number from 0 to 2^52 - 1, the same for the same text and number while the process lives */
export function keyOf(text: string, number = 0): number {
  if (!isSeeded) drawSeeds();
  const { length } = text;
  let one = seed ^ mix(number);
  let other = otherSeed ^ number;
  let word = 0;
  for (let at = 0; at < length; at++) {
    word |= text.charCodeAt(at) << (8 * (at & 3));
    if ((at & 3) < 3 && at < length - 1) continue;
    one = Math.imul(one ^ word, FACTOR);
    one ^= one >>> 15;
    other = Math.imul(other ^ word, OTHER_FACTOR);
    other ^= other >>> 13;
    word = 0;
  }
  return finish(one ^ length, other);
}

/** @param bytes ASCII
 * @returns the same as for the text from `start` to before `end` */
export function keyOfBytes(bytes: Uint8Array, start: number, end: number): number {
  if (!isSeeded) drawSeeds();
  const length = end - start;
  let one = seed ^ mix(0);
  let other = otherSeed;
  let word = 0;
  for (let at = 0; at < length; at++) {
    word |= (bytes[start + at] ?? 0) << (8 * (at & 3));
    if ((at & 3) < 3 && at < length - 1) continue;
    one = Math.imul(one ^ word, FACTOR);
    one ^= one >>> 15;
    other = Math.imul(other ^ word, OTHER_FACTOR);
    other ^= other >>> 13;
    word = 0;
  }
  return finish(one ^ length, other);
}

/** With the first name: before there is a request, an edge host has no chance to give. */
function drawSeeds(): void {
  seed = systemRandom.uint32();
  otherSeed = systemRandom.uint32();
  isSeeded = true;
}

function finish(one: number, other: number): number {
  return (mix(one ^ (other << 7)) >>> 0) * UPPER_BITS + (mix(other ^ one) >>> 12);
}

/** The end of MurmurHash3: each bit of the value decides about all of the result's. */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
