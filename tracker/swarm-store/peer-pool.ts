import type { Random } from "../clock.ts";
import type { PeerEntry } from "./peer-entry.ts";

/** A text's length, then its bytes. Holds the address of every IPv4 and IPv6 literal; longer ones, names, stay outside. */
const SLOT_BYTES = 64;
const SLOTS_MIN = 2;
const GROWTH = 1.4;

/** Entries to draw from, in no order. What answers are made of lies side by side as bytes, apart from the entries: to fetch
 * fifty texts from all over the memory costs ten times what it costs to copy them from here. */
export class PeerPool {
  readonly #entries: PeerEntry[] = [];
  readonly #neighbourhoods: number[] = [];
  #slots: Buffer = Buffer.alloc(0);
  /** Texts that no slot holds. */
  readonly #longTexts = new Map<PeerEntry, string>();
  /** How many may be told of to their own zone only. */
  #zoned = 0;

  get size(): number {
    return this.#entries.length;
  }

  get isZoned(): boolean {
    return this.#zoned > 0;
  }

  at(place: number): PeerEntry | undefined {
    return this.#entries[place];
  }

  neighbourhoodAt(place: number): number {
    return this.#neighbourhoods[place] ?? 0;
  }

  /** Copies an entry's text.
   * @param target has room for it at `at`
   * @returns where it ends */
  copyText(place: number, target: Buffer, at: number): number {
    const slots = this.#slots;
    const start = place * SLOT_BYTES;
    const bytes = slots[start] ?? 0;
    if (bytes === 0) return at + target.write(this.#longText(place), at, "latin1");
    for (let offset = 1; offset <= bytes; offset++) {
      target[at++] = slots[start + offset] ?? 0;
    }
    return at;
  }

  textAt(place: number): string {
    const start = place * SLOT_BYTES;
    const bytes = this.#slots[start] ?? 0;
    if (bytes === 0) return this.#longText(place);
    return this.#slots.toString("latin1", start + 1, start + 1 + bytes);
  }

  /** @param text of its address */
  add(entry: PeerEntry, text: string, neighbourhood: number): void {
    entry.place = this.#entries.length;
    this.#entries.push(entry);
    this.#neighbourhoods.push(neighbourhood);
    if (entry.zone !== "public") this.#zoned++;
    this.#makeRoom();
    const start = entry.place * SLOT_BYTES;
    const fits = text.length < SLOT_BYTES;
    this.#slots[start] = fits ? text.length : 0;
    if (fits) this.#slots.write(text, start + 1, "latin1");
    else this.#longTexts.set(entry, text);
  }

  /** @param entry of this pool */
  remove(entry: PeerEntry): void {
    const last = this.#entries.pop();
    const neighbourhood = this.#neighbourhoods.pop();
    if (entry.zone !== "public") this.#zoned--;
    this.#longTexts.delete(entry);
    if (last === undefined || last === entry) return;
    const start = last.place * SLOT_BYTES;
    this.#slots.copyWithin(entry.place * SLOT_BYTES, start, start + SLOT_BYTES);
    last.place = entry.place;
    this.#entries[last.place] = last;
    this.#neighbourhoods[last.place] = neighbourhood ?? 0;
  }

  find(isIt: (entry: PeerEntry) => boolean): PeerEntry | undefined {
    return this.#entries.find(isIt);
  }

  *[Symbol.iterator](): Generator<PeerEntry> {
    yield* this.#entries;
  }

  #longText(place: number): string {
    const entry = this.#entries[place];
    return (entry && this.#longTexts.get(entry)) ?? "";
  }

  #makeRoom(): void {
    const bytes = this.#entries.length * SLOT_BYTES;
    if (bytes <= this.#slots.length) return;
    const slots = Math.max(SLOTS_MIN, Math.ceil(this.#entries.length * GROWTH));
    // What is not copied is written before it is read.
    const larger = Buffer.allocUnsafeSlow(slots * SLOT_BYTES);
    this.#slots.copy(larger);
    this.#slots = larger;
  }
}

/** How many entries of a pool one answer looks at: a bound on its cost in a swarm full of neighbours. */
const LOOKS_MAX = 1024;

/** A walk through a pool that comes by every place once, in an order drawn by lot: steps of one length that has no factor in
 * common with the pool's, from anywhere. It changes nothing, and costs what is drawn, whatever the pool's size. */
export class Walk {
  readonly pool: PeerPool;
  readonly #size: number;
  readonly #step: number;
  #place: number;
  #left: number;

  /** @param pool stays as it is during the walk */
  constructor(pool: PeerPool, random: Random) {
    this.pool = pool;
    this.#size = pool.size;
    this.#left = Math.min(this.#size, LOOKS_MAX);
    this.#place = below(this.#size, random);
    this.#step = drawStep(this.#size, random);
  }

  /** @returns the next place, or undefined at the end */
  next(): number | undefined {
    if (this.#left === 0) return undefined;
    this.#left--;
    const place = this.#place;
    const next = place + this.#step;
    this.#place = next >= this.#size ? next - this.#size : next;
    return place;
  }
}

function drawStep(size: number, random: Random): number {
  let step = 1 + below(size, random);
  while (commonFactor(step, size) > 1) step = step === size ? 1 : step + 1;
  return step;
}

/** @returns a number from 0 to `size` - 1 */
function below(size: number, random: Random): number {
  return Math.floor((random.uint32() / UINT32_COUNT) * size);
}

const UINT32_COUNT = 2 ** 32;

function commonFactor(one: number, other: number): number {
  let [larger, smaller] = [other, one];
  while (smaller > 0) [larger, smaller] = [smaller, larger % smaller];
  return larger;
}
