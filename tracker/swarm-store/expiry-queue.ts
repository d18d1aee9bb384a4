/** Tells what has expired, earliest first, at the price of one step a lifetime: what is announced again stays where it is
 * in the heap, and is put back only when its old time has come. */

/** `expires` may move later while it waits; milliseconds since 1970. */
export interface Expiring {
  expires: number;
  /** Whether it was taken away otherwise: it is then passed over. */
  gone: boolean;
}

interface Waiting<Item> {
  readonly item: Item;
  readonly at: number;
}

/** Above so many, the heap is made anew when most of it is gone: a crowd that comes and goes must not be kept. */
const GONE_MIN = 1024;

export class ExpiryQueue<Item extends Expiring> {
  #heap: Waiting<Item>[] = [];
  #gone = 0;

  add(item: Item): void {
    this.#push({ item, at: item.expires });
  }

  /** Has to be told of each item that was marked gone while it waited here. */
  forget(): void {
    this.#gone++;
    if (this.#gone < GONE_MIN || this.#gone * 2 < this.#heap.length) return;
    const living = this.#heap.filter(({ item }) => !item.gone).map(({ item }) => item);
    this.#heap = [];
    this.#gone = 0;
    for (const item of living) this.add(item);
  }

  /** @returns whether something in it may have expired */
  hasExpired(now: number): boolean {
    return timeOf(this.#heap[0]) <= now;
  }

  /** Takes out the one that expires first, if its time has come.
   * @param now by default the end of time: the oldest, expired or not */
  takeExpired(now = Number.POSITIVE_INFINITY): Item | undefined {
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      const { item, at } = first;
      if (item.gone) {
        this.#gone--;
        this.#pop();
      } else if (item.expires > at) {
        this.#replaceFirst({ item, at: item.expires });
      } else {
        this.#pop();
        return item;
      }
    }
    return undefined;
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) this.#replaceFirst(last);
  }

  #push(waiting: Waiting<Item>): void {
    const heap = this.#heap;
    let place = heap.length;
    heap.push(waiting);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.at <= waiting.at) break;
      heap[place] = above;
      place = parent;
    }
    heap[place] = waiting;
  }

  #replaceFirst(waiting: Waiting<Item>): void {
    const heap = this.#heap;
    let place = 0;
    for (;;) {
      const left = 2 * place + 1;
      const isRight = timeOf(heap[left + 1]) < timeOf(heap[left]);
      const child = heap[isRight ? left + 1 : left];
      if (child === undefined || child.at >= waiting.at) break;
      heap[place] = child;
      place = isRight ? left + 1 : left;
    }
    heap[place] = waiting;
  }
}

function timeOf(waiting: Waiting<unknown> | undefined): number {
  return waiting?.at ?? Number.POSITIVE_INFINITY;
}
