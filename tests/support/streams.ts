/** @returns a stream of these, one after the other, and how many were asked for */
export function sourceOf<Item>(items: Iterable<Item>): {
  readonly readable: ReadableStream<Item>;
  readonly pulled: () => number;
  readonly cancelled: () => unknown;
} {
  let pulled = 0;
  let cancelled: unknown;
  const iterator = items[Symbol.iterator]();
  const readable = new ReadableStream<Item>(
    {
      pull(controller) {
        const next = iterator.next();
        if (next.done) {
          controller.close();
          return;
        }
        pulled++;
        controller.enqueue(next.value);
      },
      cancel(reason) {
        cancelled = reason ?? "cancelled";
      },
    },
    { highWaterMark: 0 },
  );
  return { readable, pulled: () => pulled, cancelled: () => cancelled };
}

/** @returns a sink that keeps what it is given */
export function collector<Item>(): {
  readonly writable: WritableStream<Item>;
  readonly items: Item[];
} {
  const items: Item[] = [];
  const writable = new WritableStream<Item>({
    write: (item) => {
      items.push(item);
    },
  });
  return { writable, items };
}

/** @returns a sink that takes one thing and is never done with it, until it is let go */
export function stuckSink<Item>(): {
  readonly writable: WritableStream<Item>;
  readonly release: () => void;
} {
  const stuck = Promise.withResolvers<void>();
  return {
    writable: new WritableStream<Item>({ write: () => stuck.promise }),
    release: stuck.resolve,
  };
}
