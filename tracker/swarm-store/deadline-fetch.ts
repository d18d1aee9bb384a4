import type { Clock } from "../clock.ts";

/** Makes a `fetch` that gives up: a database that takes a request and never answers would hold its callers for ever. The
 * answer is read whole before it is given on, so that it cannot stop in the middle either. */
export function createDeadlineFetch(
  clock: Clock,
  timeoutMs: number,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const late = new AbortController();
    const answered = new AbortController();
    const waiting = clock.sleep(timeoutMs, { signal: answered.signal }).then(() => late.abort());
    try {
      const response = await fetch(request, { signal: late.signal });
      const { status, headers } = response;
      return new Response(await response.arrayBuffer(), { status, headers });
    } finally {
      answered.abort();
      await waiting;
    }
  };
}
