import { ADDRESS_CLASSES, type AddressClass } from "../../protocol/address-policy.ts";
import { keyOf } from "../name-key.ts";

/** Where a peer may be found, and by whom. */
export interface Judged {
  readonly host: string;
  /** Who may be told of it: everybody when `public`, else callers of that class. */
  readonly zone: AddressClass;
}

/** A key may stand in any of WAYS slots side by side. */
const SLOTS = 2 ** 19;
const WAYS = 4;
/** What a slot's verdict is made of; 0 is an empty one. */
const REFUSED = 0x20;
const IS_ANNOUNCED = 0x40;
const IS_SOURCE = 0x80;
const ZONE = 0x1f;
/** Of other texts two may have one key, and names are rare. */
const LITERAL = /^[0-9a-f.:]*$/;

/** Remembers what was found out about some hundred thousand addresses: to read one takes as long as all the rest of an announce.
 * It keeps numbers instead of texts, 4.5 MiB in all, since to find one of so many texts in a Map takes as long as to read it anew. */
export class JudgedAddresses {
  readonly #keys = new Float64Array(SLOTS);
  readonly #verdicts = new Uint8Array(SLOTS);
  /** Which of the ways is taken next. */
  #turn = 0;

  /** @param announced what the caller said
   * @param source where it was seen
   * @returns what was kept, undefined when nothing is */
  find(announced: string, source: string): Judged | "refused" | undefined {
    if (!LITERAL.test(announced)) return undefined;
    const key = keyFor(announced, source);
    const first = firstSlot(key);
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#keys[slot] === key) return this.#read(slot, announced, source);
    }
    return undefined;
  }

  /** Keeps what can be kept: that the one or the other is where the peer is, or that it is refused. */
  keep(announced: string, source: string, judged: Judged | "refused"): void {
    const verdict = toVerdict(announced, source, judged);
    if (verdict === 0 || !LITERAL.test(announced)) return;
    const key = keyFor(announced, source);
    const slot = this.#freeSlot(firstSlot(key));
    this.#keys[slot] = key;
    this.#verdicts[slot] = verdict;
  }

  /** @returns an empty slot, else one of the ways in turn */
  #freeSlot(first: number): number {
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#verdicts[slot] === 0) return slot;
    }
    this.#turn = (this.#turn + 1) % WAYS;
    return first + this.#turn;
  }

  #read(slot: number, announced: string, source: string): Judged | "refused" | undefined {
    const verdict = this.#verdicts[slot] ?? 0;
    if ((verdict & REFUSED) !== 0) return "refused";
    const zone = ADDRESS_CLASSES[verdict & ZONE];
    if (verdict === 0 || zone === undefined) return undefined;
    return { host: (verdict & IS_SOURCE) === 0 ? announced : source, zone };
  }
}

function keyFor(announced: string, source: string): number {
  return keyOf(announced, keyOf(source) | 0);
}

function firstSlot(key: number): number {
  return (key % (SLOTS / WAYS)) * WAYS;
}

function toVerdict(announced: string, source: string, judged: Judged | "refused"): number {
  if (judged === "refused") return REFUSED;
  const zone = ADDRESS_CLASSES.indexOf(judged.zone);
  if (judged.host === announced) return IS_ANNOUNCED | zone;
  return judged.host === source ? IS_SOURCE | zone : 0;
}
