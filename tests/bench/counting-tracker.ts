import { createTestApp } from "../support/tracker.ts";

/** A real tracker in this process that counts who announces what. */
export interface CountingTracker extends AsyncDisposable {
  readonly url: string;
  /** Announces answered so far. */
  announces(): number;
  /** Swarms that were announced so far. */
  swarms(): number;
}

/** @param intervalSeconds what it tells peers to wait between two announces */
export function startCountingTracker(intervalSeconds: number): CountingTracker {
  const { app, store } = createTestApp({
    intervalSeconds,
    clientAddress: () => "127.0.0.1",
  });
  const seen = new Set<string>();
  let announces = 0;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      const { method, headers } = request;
      const body = await request.text();
      const inside = new Request(`http://localhost${pathname}`, {
        method,
        headers,
        ...(method === "POST" ? { body } : {}),
      });
      const response = await app.handle(inside);
      if (pathname === "/peers" && response.ok) {
        announces++;
        seen.add(/"hash":"([^"]+)"/.exec(body)?.[1] ?? "");
      }
      return response;
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    announces: () => announces,
    swarms: () => seen.size,
    [Symbol.asyncDispose]: async () => {
      await server.stop(true);
      await store[Symbol.asyncDispose]();
    },
  };
}
