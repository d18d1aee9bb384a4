/** What a listener of server-sent events was told. */
export interface EventStream extends AsyncDisposable {
  readonly response: Response;
  /** @returns the next event's data, from JSON; undefined when the stream is over */
  next(): Promise<Record<string, unknown> | undefined>;
}

/** Listens until disposed. Comments are passed over.
 * @throws {Error} the answer is no stream of events */
export async function listenTo(url: string): Promise<EventStream> {
  const leave = new AbortController();
  const response = await fetch(url, { signal: leave.signal });
  if (response.status !== 200 || response.body === null) {
    throw new Error(`No events: ${response.status} ${await response.text()}`);
  }
  const frames = framesOf(response.body);
  return {
    response,
    next: async () => {
      for (;;) {
        const { value, done } = await frames.next();
        if (done) return undefined;
        const data = /^data: (.*)$/m.exec(value)?.[1];
        if (data !== undefined) return Object(JSON.parse(data));
      }
    },
    [Symbol.asyncDispose]: async () => leave.abort(),
  };
}

async function* framesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const frames = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = frames.pop() ?? "";
    yield* frames;
  }
  return undefined;
}
