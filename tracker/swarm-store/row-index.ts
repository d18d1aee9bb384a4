import type { Rows } from "./rows.ts";

const SLOTS_MIN = 1024;
/** With at most two thirds of the slots in use, a row is found within a few looks at neighbouring memory. */
const FULLNESS_MAX = 2 / 3;
/** A slot: a row, 0 for none, and the hash of its two numbers. */
const SLOT_WORDS = 2;

/** Finds rows by two of their columns: a small number, and one that is spread evenly over its last 32 bits. A table with open
 * addressing: what is compared at the end stands in the rows, so that it costs 12 to 24 bytes a row. */
export class RowIndex {
  readonly #rows: Rows;
  readonly #group: number;
  readonly #name: number;
  #slots = new Uint32Array(SLOTS_MIN * SLOT_WORDS);
  /** The number of the last slot, all ones. */
  #mask = SLOTS_MIN - 1;
  #size = 0;

  /** @param columns of the rows that are looked at; they must not change while a row is in here */
  constructor(rows: Rows, columns: { readonly group: number; readonly name: number }) {
    this.#rows = rows;
    this.#group = columns.group;
    this.#name = columns.name;
  }

  /** Makes room for so many rows in all. */
  reserve(rows: number): void {
    let slots = this.#mask + 1;
    while (rows > slots * FULLNESS_MAX) slots *= 2;
    if (slots > this.#mask + 1) this.#grow(slots);
  }

  /** @returns the row, or 0 */
  find(group: number, name: number): number {
    return this.#rowIn(this.#slotOf(group, name));
  }

  /** Puts a row in; one with the same two numbers goes.
   * @returns the row that went, or 0 */
  put(row: number): number {
    this.reserve(this.#size + 1);
    const [group, name] = [this.#rows.get(row, this.#group), this.#rows.get(row, this.#name)];
    const slot = this.#slotOf(group, name);
    const former = this.#rowIn(slot);
    this.#fill(slot, row, hashOf(group, name));
    if (former === 0) this.#size++;
    return former;
  }

  /** Takes a row out, if it is in. */
  remove(row: number): void {
    const slot = this.#slotOf(this.#rows.get(row, this.#group), this.#rows.get(row, this.#name));
    if (this.#rowIn(slot) !== row) return;
    this.#size--;
    this.#close(slot);
  }

  /** @returns the slot where the row is, or the free one where it would go */
  #slotOf(group: number, name: number): number {
    const hash = hashOf(group, name);
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const row = this.#rowIn(slot);
      if (row === 0) return slot;
      if (this.#hashIn(slot) !== hash || this.#rows.get(row, this.#name) !== name) continue;
      if (this.#rows.get(row, this.#group) === group) return slot;
    }
  }

  /** Frees a slot, and moves up those behind it that could not stand there. */
  #close(free: number): void {
    let gap = free;
    for (let slot = (gap + 1) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const row = this.#rowIn(slot);
      if (row === 0) break;
      const hash = this.#hashIn(slot);
      const fromHome = (slot - hash) & this.#mask;
      if (fromHome < ((slot - gap) & this.#mask)) continue;
      this.#fill(gap, row, hash);
      gap = slot;
    }
    this.#fill(gap, 0, 0);
  }

  #grow(slots: number): void {
    const former = this.#slots;
    this.#slots = new Uint32Array(slots * SLOT_WORDS);
    this.#mask = slots - 1;
    for (let at = 0; at < former.length; at += SLOT_WORDS) {
      const [row, hash] = [former[at] ?? 0, former[at + 1] ?? 0];
      if (row === 0) continue;
      let slot = hash & this.#mask;
      while (this.#rowIn(slot) !== 0) slot = (slot + 1) & this.#mask;
      this.#fill(slot, row, hash);
    }
  }

  #rowIn(slot: number): number {
    return this.#slots[slot * SLOT_WORDS] ?? 0;
  }

  #hashIn(slot: number): number {
    return this.#slots[slot * SLOT_WORDS + 1] ?? 0;
  }

  #fill(slot: number, row: number, hash: number): void {
    this.#slots[slot * SLOT_WORDS] = row;
    this.#slots[slot * SLOT_WORDS + 1] = hash;
  }
}

/** Neighbouring groups begin far from each other. */
const GOLDEN = 0x9e3779b1;

function hashOf(group: number, name: number): number {
  return (name ^ Math.imul(group, GOLDEN)) >>> 0;
}
