/** A map that keeps what was used last and is bounded: in two generations, of which the older one goes when the younger one
 * is full. Half as many as `sizeMax` are kept in any case; looking up and putting in cost what they cost in a Map. */
export class RecentMap<Value> {
  readonly #generationMax: number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  /** @param sizeMax never more entries than this, 2 at least */
  constructor(sizeMax: number) {
    this.#generationMax = Math.floor(sizeMax / 2);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Looks up, which counts as a use. */
  get(key: string): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old === undefined) return undefined;
    this.#old.delete(key);
    this.set(key, old);
    return old;
  }

  set(key: string, value: Value): void {
    if (this.#young.size >= this.#generationMax && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}
