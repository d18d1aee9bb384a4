/** Virtual time: it stands still while something happens and then jumps to whatever is due next.
 *
 * Things due at the same moment happen in the order in which they were planned, so a run is the same every time. */
export class VirtualTime {
  #nowMs = 0;
  #planned = 0;
  readonly #heap: Due[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Plans something, at once at the earliest. */
  at(ms: number, happen: () => void): void {
    const due = { atMs: Math.max(ms, this.#nowMs), order: this.#planned++, happen };
    this.#heap.push(due);
    this.#siftUp(this.#heap.length - 1);
  }

  after(ms: number, happen: () => void): void {
    this.at(this.#nowMs + ms, happen);
  }

  /** Lets the next thing happen.
   * @returns whether there was one */
  step(): boolean {
    const next = this.#heap[0];
    const last = this.#heap.pop();
    if (next === undefined || last === undefined) return false;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#siftDown(0);
    }
    this.#nowMs = next.atMs;
    next.happen();
    return true;
  }

  #siftUp(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #siftDown(from: number): void {
    for (let at = from; ; ) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (this.#isBefore(child, first)) first = child;
      if (first === at) return;
      this.#swap(at, first);
      at = first;
    }
  }

  #isBefore(left: number, right: number): boolean {
    const one = this.#heap[left];
    const other = this.#heap[right];
    if (one === undefined || other === undefined) return false;
    return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
  }

  #swap(left: number, right: number): void {
    const one = this.#heap[left];
    const other = this.#heap[right];
    if (one === undefined || other === undefined) return;
    this.#heap[left] = other;
    this.#heap[right] = one;
  }
}

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly happen: () => void;
}
