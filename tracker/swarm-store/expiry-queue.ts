/** Tells what has expired, earliest first, at the price of one step a lifetime: what is announced again stays where it is
 * in the heap, and is put back only when its old time has come. */

/** How a queue looks at what waits in it. */
export interface Lifetimes<Item> {
  /** May move later while it waits; milliseconds since 1970. */
  expiresOf(item: Item): number;
  /** Whether it was taken away otherwise: it is then passed over. */
  isGone(item: Item): boolean;
  /** Is told that one that was gone waits no more. */
  release(item: Item): void;
}

/** What says so itself. */
export interface Expiring {
  expires: number;
  gone: boolean;
}

export const OF_OBJECTS: Lifetimes<Expiring> = {
  expiresOf: ({ expires }) => expires,
  isGone: ({ gone }) => gone,
  release: () => {},
};

/** Above so many, the heap is made anew when most of it is gone: a crowd that comes and goes must not be kept. */
const GONE_MIN = 1024;

export class ExpiryQueue<Item> {
  readonly #lifetimes: Lifetimes<Item>;
  /** A heap, and the time by which each of it was put in its place: two lists, since pairs would be a million objects. */
  #items: Item[] = [];
  #times: number[] = [];
  #gone = 0;

  constructor(lifetimes: Lifetimes<Item>) {
    this.#lifetimes = lifetimes;
  }

  add(item: Item): void {
    const expires = this.#lifetimes.expiresOf(item);
    let place = this.#items.length;
    this.#items.push(item);
    this.#times.push(expires);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (this.#timeAt(parent) <= expires) break;
      this.#move(parent, place);
      place = parent;
    }
    this.#items[place] = item;
    this.#times[place] = expires;
  }

  /** Has to be told of each item that was marked gone while it waited here. */
  forget(): void {
    this.#gone++;
    if (this.#gone < GONE_MIN || this.#gone * 2 < this.#items.length) return;
    const all = this.#items;
    this.#items = [];
    this.#times = [];
    this.#gone = 0;
    for (const item of all) {
      if (this.#lifetimes.isGone(item)) this.#lifetimes.release(item);
      else this.add(item);
    }
  }

  /** @returns whether something in it may have expired */
  hasExpired(now: number): boolean {
    return this.#timeAt(0) <= now;
  }

  /** Takes out the one that expires first, if its time has come.
   * @param now by default the end of time: the oldest, expired or not */
  takeExpired(now = Number.MAX_VALUE): Item | undefined {
    while (this.#timeAt(0) <= now) {
      const first = this.#items[0];
      if (first === undefined) break;
      const expires = this.#lifetimes.expiresOf(first);
      if (this.#lifetimes.isGone(first)) {
        this.#gone--;
        this.#pop();
        this.#lifetimes.release(first);
      } else if (expires > this.#timeAt(0)) {
        this.#sink(first, expires);
      } else {
        this.#pop();
        return first;
      }
    }
    return undefined;
  }

  #pop(): void {
    const last = this.#items.pop();
    const time = this.#times.pop();
    if (last === undefined || time === undefined || this.#items.length === 0) return;
    this.#sink(last, time);
  }

  /** Puts an item in the first one's place, and where it belongs from there. */
  #sink(item: Item, time: number): void {
    let place = 0;
    for (;;) {
      const left = 2 * place + 1;
      const child = this.#timeAt(left + 1) < this.#timeAt(left) ? left + 1 : left;
      if (this.#timeAt(child) >= time) break;
      this.#move(child, place);
      place = child;
    }
    this.#items[place] = item;
    this.#times[place] = time;
  }

  #move(from: number, to: number): void {
    const item = this.#items[from];
    if (item !== undefined) this.#items[to] = item;
    this.#times[to] = this.#timeAt(from);
  }

  #timeAt(place: number): number {
    return this.#times[place] ?? Number.POSITIVE_INFINITY;
  }
}
